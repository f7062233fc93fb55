"""The UARTs and the wires to the chips that talk over them: bytes take their time, a wrong baud rate garbles them."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from virtualboard.clock import Clock, Event

_BITS_PER_BYTE = 10
# How many bytes the chip's FIFO hands over at once.
_CHUNK_BYTES = 16
_UARTS = 3


def byte_us(baud: int, count: int = 1) -> int:
    """How long `count` bytes take on the wire."""
    return count * _BITS_PER_BYTE * 1_000_000 // baud


class Wire:
    """A chip's end of a serial line. The pins are the ESP32's; `received` gets what the chip hears."""

    def __init__(self, ports: SerialPorts, tx: int, rx: int, baud: int, received: Callable[[bytes], None]) -> None:
        self._ports = ports
        self.tx = tx
        self.rx = rx
        self.baud = baud
        self.received = received
        self._free_us = 0
        self._events: list[Event] = []

    def send(self, data: bytes, delay_us: int = 0) -> int:
        """Sends to the ESP32 behind what is still being sent, and `delay_us` from now at the earliest.

        Returns when the last byte will have arrived (us).
        """
        clock = self._ports.clock
        baud = self.baud
        at = max(clock.now_us + delay_us, self._free_us)
        self._events = [event for event in self._events if event.action]
        for start in range(0, len(data), _CHUNK_BYTES):
            chunk = data[start : start + _CHUNK_BYTES]
            at += byte_us(baud, len(chunk))
            self._events.append(clock.at(at, lambda chunk=chunk: self._ports.deliver(self.rx, chunk, baud)))
        self._free_us = at
        return at

    def hush(self) -> None:
        """Forgets what has not been sent yet."""
        for event in self._events:
            event.cancel()
        self._events.clear()
        self._free_us = 0


class SerialPorts:
    """The ESP32's UARTs. `arrived` is called when one has something new to read."""

    def __init__(self, clock: Clock, seed: int, arrived: Callable[[], None]) -> None:
        self.clock = clock
        self._random = random.Random(seed)
        self._arrived = arrived
        self._wires: list[Wire] = []
        self._baud = [0] * _UARTS
        self._tx = [-1] * _UARTS
        self._rx = [-1] * _UARTS
        self._capacity = [0] * _UARTS
        self._buffer = [bytearray() for _ in range(_UARTS)]
        self._sent_us = [0] * _UARTS

    def wire(self, tx: int, rx: int, baud: int, received: Callable[[bytes], None]) -> Wire:
        """Connects a chip: to the ESP32's `tx` it listens, on the ESP32's `rx` it talks."""
        wire = Wire(self, tx, rx, baud, received)
        self._wires.append(wire)
        return wire

    def configure(self, uart: int, baud: int, tx: int, rx: int, capacity: int) -> None:
        """UART.init; a baud rate of 0 switches it off. What was received is dropped."""
        self._baud[uart], self._tx[uart], self._rx[uart] = baud, tx, rx
        # The hardware's own FIFO of 128 bytes comes on top.
        self._capacity[uart] = capacity + 128
        self._buffer[uart].clear()

    def reset(self) -> None:
        for uart in range(_UARTS):
            self.configure(uart, 0, -1, -1, 0)

    @property
    def ready(self) -> int:
        """One bit for each UART that has received something."""
        return sum(1 << uart for uart in range(_UARTS) if self._buffer[uart])

    def waiting(self, uart: int) -> int:
        return len(self._buffer[uart])

    def take(self, uart: int, size: int) -> bytes:
        data = bytes(self._buffer[uart][:size])
        del self._buffer[uart][:size]
        return data

    def sent_us(self, uart: int) -> int:
        """When the last byte will have left the ESP32."""
        return max(self._sent_us[uart], self.clock.now_us)

    def send(self, uart: int, data: bytes) -> None:
        """The ESP32 sends."""
        baud = self._baud[uart]
        if not baud:
            return
        at = self.sent_us(uart) + byte_us(baud, len(data))
        self._sent_us[uart] = at
        for wire in self._wires:
            if wire.tx == self._tx[uart]:
                self.clock.at(at, lambda wire=wire: wire.received(self._heard(data, baud, wire.baud)))

    def deliver(self, rx: int, data: bytes, baud: int) -> None:
        """Bytes that a chip sent arrive; beyond the buffer's size they are lost."""
        for uart in range(_UARTS):
            if self._rx[uart] != rx or not self._baud[uart]:
                continue
            heard = self._heard(data, baud, self._baud[uart])
            room = self._capacity[uart] - len(self._buffer[uart])
            self._buffer[uart] += heard[: max(0, room)]
            self._arrived()

    def _heard(self, data: bytes, sent_baud: int, heard_baud: int) -> bytes:
        # Two percent is what a UART tolerates, half a bit in ten from both sides.
        if abs(sent_baud - heard_baud) * 50 <= sent_baud:
            return data
        return self._random.randbytes(max(1, len(data) * heard_baud // sent_baud))
