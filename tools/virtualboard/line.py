"""UART0, the serial line between a board and a host: what comes in waits in the buffer that MicroPython has for it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from virtualboard.clock import Clock, Event

# MicroPython's ring for it has 260 bytes and holds one less.
RING_BYTES = 259
_BAUD = 115_200
_BITS_PER_BYTE = 10
# What comes in 1.4 ms, 16 bytes, arrives at one moment, that of the last of them; faster lines have larger pieces.
_CHUNKS_PER_S = _BAUD // _BITS_PER_BYTE // 16
_LARGEST_CHUNK = 128
# A host that never looks must not eat the machine's memory.
_HEARD_BYTES = 1 << 20
_LONE_END = re.compile(rb"(?<!\r)\n")


class Uart0:
    """The board's end. `interrupt_char` is what `micropython.kbd_intr` was given; `lost` counts bytes without room.

    `arrived` is called when there is something new to read, `interrupt` when the interrupt character has come.
    """

    def __init__(self, clock: Clock, arrived: Callable[[], None], interrupt: Callable[[], None]) -> None:
        self._clock = clock
        self._arrived = arrived
        self._interrupt = interrupt
        self.baud = _BAUD
        self.interrupt_char = -1
        self.is_powered = False
        self.lost = 0
        self.listeners: list[Callable[[bytes], None]] = []
        self._ring = bytearray()
        self._coming = bytearray()
        self._event: Event | None = None
        self._last = b""

    def reset(self) -> None:
        """The chip starts anew; what the host is still sending arrives all the same."""
        self._ring.clear()
        self.interrupt_char = -1

    @property
    def has_data(self) -> bool:
        return bool(self._ring)

    @property
    def unsent(self) -> int:
        """How many bytes the host has written that have not come to the board yet."""
        return len(self._coming)

    def take(self, size: int) -> bytes:
        """Returns up to `size` bytes that the firmware reads."""
        data = bytes(self._ring[:size])
        del self._ring[:size]
        return data

    def send(self, data: bytes) -> None:
        """The host sends, behind what it is still sending."""
        self._coming += data
        if self._coming and not self._event:
            self._await_chunk(self._clock.now_us)

    def _await_chunk(self, start_us: int) -> None:
        chunk_bytes = min(self.baud // _BITS_PER_BYTE // _CHUNKS_PER_S, _LARGEST_CHUNK)
        size = min(len(self._coming), max(1, chunk_bytes))
        at_us = start_us + size * _BITS_PER_BYTE * 1_000_000 // self.baud
        self._event = self._clock.at(at_us, lambda: self._deliver(size, at_us))

    def _deliver(self, size: int, at_us: int) -> None:
        chunk = bytes(self._coming[:size])
        del self._coming[:size]
        self._event = None
        if self._coming:
            self._await_chunk(at_us)
        if not self.is_powered:
            return
        before = len(self._ring)
        for byte in chunk:
            if byte == self.interrupt_char:
                self._interrupt()
            elif len(self._ring) < RING_BYTES:
                self._ring.append(byte)
            else:
                self.lost += 1
        if len(self._ring) > before:
            self._arrived()

    def printed(self, data: bytes) -> None:
        """What the program printed; the line has CR LF where a program says LF."""
        if data:
            text = _LONE_END.sub(b"\r\n", self._last + data)[len(self._last) :]
            self.said(text)

    def said(self, data: bytes) -> None:
        """Bytes that go out as they are."""
        if data:
            self._last = b"\r" if data.endswith(b"\r") else b""
            for listener in self.listeners:
                listener(data)


class SerialLine:
    """The host's end, for who has the board in the same process. What it hears it keeps, the last megabyte."""

    def __init__(self, uart: Uart0, lock: threading.RLock, run_until: Callable[[Callable[[], object], float], bool]):
        self._uart = uart
        self._lock = lock
        self._run_until = run_until
        self._heard = bytearray()
        uart.listeners.append(self._hear)

    def _hear(self, data: bytes) -> None:
        self._heard += data
        del self._heard[:-_HEARD_BYTES]

    @property
    def baud(self) -> int:
        """Bits per second towards the board, 115,200 as with every official image."""
        return self._uart.baud

    @baud.setter
    def baud(self, baud: int) -> None:
        self._uart.baud = baud

    @property
    def unsent(self) -> int:
        """How many bytes that were written have not come to the board yet."""
        return self._uart.unsent

    @property
    def lost(self) -> int:
        """How many bytes came to a board whose buffer was full, and were dropped."""
        return self._uart.lost

    def write(self, data: bytes) -> None:
        """Sends; they arrive while board time passes, at 11.5 bytes a millisecond."""
        with self._lock:
            self._uart.send(data)

    def send_break(self) -> None:
        """Holds the line low: MicroPython's UART0 takes that for a byte of zero."""
        self.write(b"\0")

    def read(self) -> bytes:
        """Returns what has been heard and not been read, perhaps nothing."""
        with self._lock:
            data = bytes(self._heard)
            self._heard.clear()
            return data

    def read_line(self, timeout_ms: float) -> str | None:
        """Returns the next line without its end, None if none is complete after `timeout_ms` of board time."""
        if not self._run_until(lambda: b"\n" in self._heard, timeout_ms):
            return None
        with self._lock:
            line, _, rest = bytes(self._heard).partition(b"\n")
            self._heard[:] = rest
        return line.rstrip(b"\r").decode("utf-8", "backslashreplace")

    def read_until(self, end: bytes, timeout_ms: float) -> bytes | None:
        """Returns what comes up to and with `end`, None if that has not come after `timeout_ms`."""
        if not self._run_until(lambda: end in self._heard, timeout_ms):
            return None
        with self._lock:
            before, _, rest = bytes(self._heard).partition(end)
            self._heard[:] = rest
        return before + end
