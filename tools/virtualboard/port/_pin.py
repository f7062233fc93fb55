"""machine.Pin. The mode and level of a pin live in the host; an object here is its number."""

import os

import _frames
import _virtual
from micropython import const

_KEEP = const(-1)
# GPIO 6 to 11 drive the flash chip; 20, 24 and 28 to 31 are not bonded out (ESP32 datasheet, table of pins). On an
# ESP32-C3 11 to 17 are the flash chip's, and 21 is the last.
if os.getenv("VIRTUALBOARD_CHIP") == "esp32c3":
    _ABSENT = tuple(range(11, 18)) + tuple(range(22, 40))
else:
    _ABSENT = (6, 7, 8, 9, 10, 11, 20, 24, 28, 29, 30, 31)
_FIRST_INPUT_ONLY = const(34)


class Pin:
    IN = 1
    OUT = 3
    OPEN_DRAIN = 7
    PULL_DOWN = 1
    PULL_UP = 2
    IRQ_RISING = 1
    IRQ_FALLING = 2
    WAKE_LOW = 4
    WAKE_HIGH = 5
    DRIVE_0 = 0
    DRIVE_1 = 1
    DRIVE_2 = 2
    DRIVE_3 = 3

    def __init__(self, id, mode=None, pull=_KEEP, **options) -> None:
        if isinstance(id, Pin):
            id = id.gpio
        if not isinstance(id, int) or not 0 <= id <= 39 or id in _ABSENT:
            raise ValueError("invalid pin")
        self.gpio = id
        if mode is not None or pull != _KEEP or options:
            self.init(mode, pull, **options)

    def init(self, mode=None, pull=_KEEP, value=None, drive=None, hold=None) -> None:
        if mode is not None and mode & 2 and self.gpio >= _FIRST_INPUT_ONLY:
            raise ValueError("pin can only be input")
        # 0 keeps what is set; the level takes effect before the mode, so that an output does not glitch.
        word = mode or 0
        if pull != _KEEP:
            word |= (1 + (pull or 0)) << 8
        if value is not None:
            bit = 1 << self.gpio
            _virtual.outputs = _virtual.outputs | bit if value else _virtual.outputs & ~bit
            word |= (2 if value else 1) << 16
        _virtual.tell(_frames.PIN_MODE, self.gpio, word)

    def __call__(self, *level):
        if not level:
            return _virtual.read(self.gpio)
        _virtual.write(self.gpio, level[0])

    value = __call__

    def on(self) -> None:
        _virtual.write(self.gpio, 1)

    def off(self) -> None:
        _virtual.write(self.gpio, 0)

    def toggle(self) -> None:
        _virtual.write(self.gpio, not _virtual.outputs >> self.gpio & 1)

    def irq(self, handler=None, trigger: int = 3, wake=None):
        if handler is None:
            trigger = 0
            _virtual.handlers.pop(self.gpio, None)
        else:
            _virtual.handlers[self.gpio] = (self, handler)
        _virtual.tell(_frames.PIN_IRQ, self.gpio, trigger)
        return self

    def __repr__(self) -> str:
        return "Pin(%d)" % self.gpio
