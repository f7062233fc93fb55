"""The ESP32: the firmware's process, what it asks of the peripherals, and its resets."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from virtualboard import link
from virtualboard.bus import Buses
from virtualboard.clock import FOREVER_US, Clock
from virtualboard.console import Console
from virtualboard.flash import PARTITIONS, Flash, PowerCut
from virtualboard.line import Uart0
from virtualboard.pins import Pins
from virtualboard.process import Process, Program
from virtualboard.pulse import PulsePlayer
from virtualboard.serial import SerialPorts
from virtualboard.watchdog import Watchdog
from virtualboard.wlan import AccessPoint

if TYPE_CHECKING:
    from virtualboard.link import Request

# machine.reset_cause()
POWER_ON = 1
HARD = 2
WATCHDOG = 3
SOFT = 5

_READY_BIT = 48
_LINE_BIT = 51
# Among the numbers of GPIOs that interrupt.
_KEYBOARD = 255
# A program that says nothing for so long computes without looking at the link.
_DEAF_US = 500_000


# What MicroPython's documentation of esp32.idf_heap_info shows.
_IDF_HEAP = (
    (240, 0, 0, 0),
    (7288, 0, 0, 0),
    (16648, 4, 4, 4),
    (79912, 35712, 35512, 35108),
    (15072, 15036, 15036, 15036),
    (113840, 0, 0, 0),
)


class Bluetooth(Protocol):
    """The radio that is not Wi-Fi."""

    def reset(self, is_soft: bool) -> None:
        """The chip starts again, or has no power any more."""
        ...

    def handle(self, op: int, value: int, data: bytes) -> tuple[int, bytes] | None:
        """Returns an errno and data, None if nothing is to be answered."""
        ...


class BoardError(Exception):
    """The firmware's process could not be started, or broke the link's rules."""


class Cpu:
    """`held_us` is until when the board waits, None while it computes. `is_awake` means: reply to that now.

    `is_roused` is for the pump: a program that counted as hung has been interrupted.
    """

    def __init__(self, program: Program, clock: Clock, flash: Flash, seed: int) -> None:
        self._program = program
        self.clock = clock
        self.flash = flash
        self.pins = Pins(lambda: clock.now_us, self._interrupt)
        self.serial = SerialPorts(clock, seed, self.wake)
        self.pulses = PulsePlayer(clock, self.pins)
        self.buses = Buses(self.pins)
        self.wlan = AccessPoint(clock, self.send_wlan)
        self.watchdog = Watchdog(clock, lambda: self.reset(WATCHDOG))
        self.console = Console(clock)
        self.line = Uart0(clock, self.wake, self._interrupt_program)
        self.process: Process | None = None
        self.causes: list[int] = []
        self.at_repl = False
        self.held_us: int | None = None
        self.is_awake = False
        self.horizon_us: Callable[[], int] = lambda: FOREVER_US
        self._boot_us = 0
        self._rtc_offset_us = 0
        self.has_greeted = False
        self._is_nudged = False
        self._is_raw = False
        self._frames = 0
        self.is_roused = False
        self._interrupts: list[int] = []
        self.ble: Bluetooth | None = None
        self._ble_events: list[tuple[int, int, bytes]] = []
        self.holds: list[tuple[int, int]] = []
        # (size, free, largest free, least free so far) of each heap of ESP-IDF.
        self.idf_heap = list(_IDF_HEAP)
        self._actions = {
            link.HELLO: self._hello,
            link.WAIT: self._wait,
            link.READ: self._read,
            link.PIN_MODE: self._pin_mode,
            link.PIN_SET: lambda request: self.pins.write(request.number, request.value),
            link.PIN_IRQ: lambda request: self.pins.interrupt_on(request.number, request.value),
            link.UART_INIT: self._uart_init,
            link.UART_SEND: lambda request: self.serial.send(request.number, request.data),
            link.UART_READ: self._uart_read,
            link.SPI: self._spi,
            link.I2C: self._i2c,
            link.FLASH_TABLE: self._flash_table,
            link.FLASH_PROGRAM: self._program_flash,
            link.FLASH_ERASE: self._erase_flash,
            link.RMT_OPEN: lambda request: self.pulses.open(request.number),
            link.RMT_PLAY: self._play,
            link.RMT_STOP: self._stop_pulses,
            link.WDT: lambda request: self.watchdog.feed(request.value),
            link.RTC: self._set_rtc,
            link.RESET: lambda request: self.reset(request.number, bool(request.value)),
            link.REPL: self._repl,
            link.HOLD: self._note_hold,
            link.LINE_READ: self._read_line,
            link.LINE_WRITE: self._write_line,
            link.LINE_INTERRUPT: self._set_interrupt,
            link.BLE: self._use_ble,
            link.IDF_HEAP: self._show_idf_heap,
        }

    # Power and resets.

    def power_on(self) -> None:
        # The clock of an ESP32 starts at 2000-01-01 when the power comes.
        self._rtc_offset_us = -self.clock.now_us
        self._is_raw = False
        self._start(POWER_ON)

    def power_off(self) -> None:
        self._end()
        self._reset_peripherals()

    def reset(self, cause: int, is_raw: bool = False) -> None:
        self._end()
        self._is_raw = is_raw
        self._reset_peripherals(is_soft=cause == SOFT)
        self._start(cause)

    def _reset_peripherals(self, is_soft: bool = False) -> None:
        # A soft reset leaves outputs, pulses and the watchdog as they are.
        if not is_soft:
            self.pulses.reset()
            self.watchdog.reset()
            self.line.reset()
        if self.ble:
            self.ble.reset(is_soft)
        self.serial.reset()
        self.pins.reset(is_soft)

    def _start(self, cause: int) -> None:
        self.causes.append(cause)
        if cause != SOFT:
            self._boot_us = self.clock.now_us
        self.process = Process(self._program)
        self.line.is_powered = True

    def _end(self) -> str:
        """Ends the process; returns how it had ended by itself, if it had."""
        process = self.process
        self.process = None
        self.line.is_powered = False
        self.held_us = None
        self.is_awake = self.at_repl = self.has_greeted = self._is_nudged = False
        self._interrupts.clear()
        self._ble_events.clear()
        if not process:
            return ""
        died = process.kill()
        self._hear(process)
        process.close()
        return died

    @property
    def is_computing(self) -> bool:
        return self.process is not None and self.held_us is None and not self.process.is_stopped

    # The link.

    def receive(self) -> None:
        """Handles what the board has said. What it printed before is taken before, so that nothing is out of order."""
        process = self.process
        if not process:
            return
        try:
            requests = process.link.receive()
        except link.LinkClosed:
            self._die()
            return
        self._hear(process)
        self._is_nudged = False
        self._frames += len(requests)
        for request in requests:
            if self.clock.is_fast:
                self.clock.run_due(request.now_us)
                self.clock.move_to(request.now_us)
            if self.process is not process:
                # Something that was due ended it.
                return
            if request.kind != link.HELLO:
                self.pins.set_matrix(request.outputs)
            try:
                self._actions[request.kind](request)
            except PowerCut:
                self.power_off()
            if self.process is not process:
                return

    def _hear(self, process: Process) -> None:
        data = process.read_console()
        self.console.take(data)
        self.line.printed(data)

    def _die(self) -> None:
        """The process ended by itself: on a chip that is a panic, which resets it."""
        greeted = self.has_greeted
        died = self._end()
        self.console.note(f"process ended: {died}")
        if not greeted:
            raise BoardError("the firmware did not start:\n" + "\n".join(self.console.lines[-20:]))
        self.reset(HARD)

    def _state(self) -> tuple[int, int, int, int]:
        now_us = self.clock.now_us
        horizon_us = self.horizon_us() if self.clock.is_fast else FOREVER_US
        levels = self.pins.levels | self.serial.ready << _READY_BIT | self.line.has_data << _LINE_BIT
        return self.pins.epoch, now_us, horizon_us, levels

    def _send(self, kind: int, number: int = 0, value: int = 0, data: bytes = b"") -> None:
        if self.process and self.has_greeted:
            # If it has died, the next receive tells.
            with contextlib.suppress(link.LinkClosed):
                self.process.link.send(kind, number, self._state(), value, data)

    def _reply(self, value: int = 0, data: bytes = b"", number: int = 0) -> None:
        self._send_pending()
        self._send(link.REPLY, number, value, data)

    def release(self) -> None:
        """Replies to a wait."""
        self.held_us = None
        self.is_awake = False
        self._reply()

    def wake(self) -> None:
        """Lets a waiting board look around."""
        if self.held_us is not None:
            self.is_awake = True
        elif not self.clock.is_fast and self.process and not self.process.is_stopped and not self._is_nudged:
            # One is enough until the board says something: a busy one must not find its pipe full.
            self._is_nudged = True
            self._send(link.WAKE)

    def _interrupt(self, gpio: int) -> None:
        if not self.has_greeted:
            return
        # One that is pending is not pending twice.
        if gpio not in self._interrupts:
            self._interrupts.append(gpio)
        self.flush()

    def _interrupt_program(self) -> None:
        """The interrupt character has come. One that does not look at the link is interrupted by a signal."""
        self._interrupt(_KEYBOARD)
        process, frames = self.process, self._frames

        def insist() -> None:
            if process is self.process and process and frames == self._frames and self.line.interrupt_char >= 0:
                process.interrupt()
                self.is_roused = True

        self.clock.after(_DEAF_US, insist)

    def flush(self) -> None:
        """Delivers interrupts: at the fast pace with the next reply, at the real one at once."""
        if self.clock.is_fast or self.held_us is not None:
            self.is_awake = self.held_us is not None and (self.is_awake or self._has_pending)
        elif self.process and not self.process.is_stopped:
            self._send_pending()

    @property
    def _has_pending(self) -> bool:
        return bool(self._interrupts or self._ble_events)

    def _send_pending(self) -> None:
        for gpio in self._interrupts:
            self._send(link.IRQ, gpio)
        self._interrupts.clear()
        for event, value, data in self._ble_events:
            self._send(link.BLE_EVENT, event, value, data)
        self._ble_events.clear()

    def send_ble(self, event: int, value: int, data: bytes) -> None:
        """Takes a Bluetooth event to the board: between two steps of its program."""
        self._ble_events.append((event, value, data))
        self.flush()

    def send_pace(self) -> None:
        self._send(link.PACE, 0 if self.clock.is_fast else 1, self.clock.offset_us)
        self.wake()

    def send_wlan(self) -> None:
        self._send(link.WLAN, 0, self.wlan.since_us, self.wlan.data)
        self.wake()

    # What the board asks for.

    def _hello(self, _: Request) -> None:
        self.has_greeted = True
        self.pins.epoch += 1
        self.send_pace()
        self.send_wlan()
        words = (self.causes[-1], self._boot_us, self._rtc_offset_us, self.pins.matrix, self.pins.latches, self._is_raw)
        self._reply(data=struct.pack("<6q", *words))

    def _wait(self, request: Request) -> None:
        self.held_us = request.value
        self.is_awake = self._has_pending

    def _read(self, _: Request) -> None:
        self._reply()

    def _pin_mode(self, request: Request) -> None:
        word = request.value
        pull, level = word >> 8 & 255, word >> 16 & 255
        self.pins.configure(request.number, word & 255, pull - 1 if pull else None, level - 1 if level else None)

    def _uart_init(self, request: Request) -> None:
        word = request.value
        baud, tx, rx, capacity = word & 0xFFFFFF, word >> 24 & 255, word >> 32 & 255, word >> 40
        self.serial.configure(request.number, baud, tx, rx, capacity)

    def _uart_read(self, request: Request) -> None:
        if request.number & 128:
            self._reply(self.serial.sent_us(request.number & 127))
            return
        data = self.serial.take(request.number, min(request.value, 4096)) if request.value else b""
        self._reply(self.serial.waiting(request.number), data)

    def _spi(self, request: Request) -> None:
        self._reply(data=self.buses.spi(request.number, request.data, bool(request.value)))

    def _i2c(self, request: Request) -> None:
        data = self.buses.i2c(request.number, request.value & 127, request.data, request.value >> 8)
        self._reply(number=1 if data is None else 0, data=data or b"")

    def _flash_table(self, _: Request) -> None:
        rows = "\n".join(f"{row.type} {row.subtype} {row.address} {row.size} {row.label}" for row in PARTITIONS)
        self._reply(data=rows.encode())

    def _program_flash(self, request: Request) -> None:
        self.flash.program(request.value, request.data)
        self._reply()

    def _erase_flash(self, request: Request) -> None:
        self.flash.erase(request.value)
        self._reply()

    def _play(self, request: Request) -> None:
        word = request.value
        pulses = [(unit & 0x7FFF, unit >> 15) for unit in struct.unpack(f"<{len(request.data) // 2}H", request.data)]
        self.pulses.play(request.number, pulses, word >> 32 & 1, (word >> 33) - 1, word & 0xFFFFFFFF)

    def _stop_pulses(self, request: Request) -> None:
        if self.pulses.stop(request.number, bool(request.value)):
            self._reply()
        else:
            self.console.note("panic: a running RMT sequence of more than 300 ms was stopped")
            self.reset(HARD)

    def _set_rtc(self, request: Request) -> None:
        self._rtc_offset_us = request.value

    def _note_hold(self, request: Request) -> None:
        # The board does it by itself, as soon as it knows.
        if request.value:
            self.holds.append((self.clock.now_us, request.value))
        else:
            self.wake()

    def _repl(self, _: Request) -> None:
        self.at_repl = True
        self._reply()

    def _read_line(self, request: Request) -> None:
        self._reply(data=self.line.take(request.value))

    def _write_line(self, request: Request) -> None:
        self.line.said(request.data)
        self._reply()

    def _use_ble(self, request: Request) -> None:
        answer = self.ble.handle(request.number, request.value, request.data) if self.ble else None
        if answer:
            self._reply(data=answer[1], number=answer[0])

    def _show_idf_heap(self, _: Request) -> None:
        self._reply(data=b"".join(struct.pack("<4I", *row) for row in self.idf_heap))

    def _set_interrupt(self, request: Request) -> None:
        self.line.interrupt_char = request.value
