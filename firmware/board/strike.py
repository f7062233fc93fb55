"""The door's lock: released by a pulse that the RMT peripheral ends by itself.

A timer needs the CPU to end the pulse. The RMT plays it from its own memory: when the program hangs, the pin still goes
back to rest on time, and a reset rests it at once. docs/hardware.md, "Strike", has the comparison.
"""

from esp32 import RMT
from machine import Pin
from micropython import const

from firmware.core.errors import StrikeError

# The slowest the peripheral counts on an ESP32, and its longest single level.
_RESOLUTION_HZ = const(312_500)
_LONGEST_UNITS = const(32_767)

# 48 symbols of two levels each lie in one memory block of every ESP32 kind: just over 10 s without the CPU.
_MAX_PULSE_MS = const(10_000)


class Strike:
    """The lock's driver on GPIO `number`; `on` is the level, 0 or 1, that releases."""

    def __init__(self, number: int, on: int) -> None:
        self._on = on
        self._pin = Pin(number, Pin.OUT, value=1 - on)
        # A new channel holds its pin low until its first pulse, whatever its idle level is to be. So where low
        # releases, it is made when a release is due.
        self._rmt = self._open() if on else None

    def _open(self) -> RMT:
        return RMT(pin=self._pin, resolution_hz=_RESOLUTION_HZ, idle_level=not self._on)

    def pulse(self, duration_ms: int) -> None:
        """Releases the lock for `duration_ms` (1 to 10,000) from now on. Raises StrikeError.

        Not while a pulse is running: stopping one makes an ESP32 with ESP-IDF before 5.5.2 panic, and starting
        another makes MicroPython wait for its end.
        """
        if not 0 < duration_ms <= _MAX_PULSE_MS:
            raise StrikeError("pulse length")
        units = duration_ms * _RESOLUTION_HZ // 1000
        whole, rest = divmod(units, _LONGEST_UNITS)
        durations = [_LONGEST_UNITS] * whole + ([rest] if rest else [])
        levels = [bool(self._on)] * len(durations)
        try:
            if self._rmt:
                self._rmt.write_pulses(durations, levels)
            else:
                self._begin(durations, levels)
        except (OSError, RuntimeError, ValueError):
            raise StrikeError("RMT")

    def _begin(self, durations: list, levels: list) -> None:
        """Plays the first pulse; nothing that goes wrong may leave the new channel's low on the pin."""
        try:
            self._rmt = self._open()
            self._rmt.write_pulses(durations, levels)
        except BaseException:
            self._rmt = None
            self._pin.init(Pin.OUT, value=1 - self._on)
            raise
