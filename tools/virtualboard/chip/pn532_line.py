"""How a PN532 is wired to the ESP32: by HSU, a serial line, or SPI. Either wakes a sleeping chip (UM0701-02, 6.2.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from virtualboard.bus import reverse_bits
from virtualboard.serial import byte_us

if TYPE_CHECKING:
    from virtualboard.circuit import Circuit

HSU_BAUD = 115_200
# The edges that wake the chip, and the time its oscillator takes then.
_WAKE_EDGES = 5
_OSCILLATOR_US = 1_000
_WRITE = 1
_STATUS = 2
_READ = 3


class Listener(Protocol):
    """The chip behind a line."""

    is_on: bool

    def hear(self, data: bytes, is_whole: bool = False) -> None: ...


class Line(Protocol):
    """One of the two. The chip says whole frames; the line gives it the bytes that it hears."""

    def attach(self, circuit: Circuit, chip: Listener) -> None: ...
    def say(self, frame: bytes) -> None: ...
    def hush(self) -> None:
        """Forgets what has not been said yet."""
        ...

    def sleep(self) -> None:
        """From now on only a wake-up is heard."""
        ...


class HsuLine:
    def __init__(self, tx: int, rx: int) -> None:
        self.tx, self.rx = tx, rx
        self._awake_us: int | None = None
        self._edges = 0

    def attach(self, circuit: Circuit, chip: Listener) -> None:
        self._chip = chip
        self._clock = circuit.clock
        self._wire = circuit.serial.wire(self.tx, self.rx, HSU_BAUD, self._receive)

    def say(self, frame: bytes) -> None:
        self._wire.send(frame)

    def hush(self) -> None:
        self._wire.hush()

    def sleep(self) -> None:
        self._awake_us = None
        self._edges = 0

    def _receive(self, data: bytes) -> None:
        if not self._chip.is_on:
            return
        # They came in one after the other, the last one just now.
        at_us = self._clock.now_us - byte_us(HSU_BAUD, len(data) - 1)
        heard = b""
        for index, byte in enumerate(data):
            arrived_us = at_us + byte_us(HSU_BAUD, index)
            if self._awake_us is None:
                self._edges += rising_edges(byte)
                if self._edges >= _WAKE_EDGES:
                    self._awake_us = arrived_us + _OSCILLATOR_US
            elif arrived_us >= self._awake_us:
                heard += bytes((byte,))
        self._chip.hear(heard)


def rising_edges(byte: int) -> int:
    """Returns how often the line rises while a byte is sent, start and stop bit included."""
    bits = "0" + f"{byte:08b}"[::-1] + "1"
    return bits.count("01")


class SpiLine:
    """Mode 0, least significant bit first; a frame is there to fetch while the status is 1, and `irq` is low then."""

    def __init__(self, bus: int, select: int, irq: int) -> None:
        self.bus, self.select, self.irq = bus, select, irq
        self._awake_us: int | None = None
        self._frames: list[bytes] = []
        self._operation: int | None = None
        self._received = b""
        self._given = 0

    def attach(self, circuit: Circuit, chip: Listener) -> None:
        self._chip = chip
        self._clock = circuit.clock
        self._pins = circuit.pins
        circuit.buses.wire_spi(self.bus, self.select, self)
        circuit.pins.pull(self.select, 1)
        circuit.pins.pull(self.irq, 1)
        circuit.pins.watch(self.select, lambda _, level: self._finish() if level else self._begin())

    def say(self, frame: bytes) -> None:
        self._frames.append(frame)
        self._show()

    def hush(self) -> None:
        self._frames.clear()
        self._show()

    def sleep(self) -> None:
        self._awake_us = None

    def _show(self) -> None:
        self._pins.drive(self.irq, 0 if self._frames else None)

    def _begin(self) -> None:
        self._operation = None
        self._received = b""
        self._given = 0
        if self._chip.is_on and self._awake_us is None:
            self._awake_us = self._clock.now_us + _OSCILLATOR_US

    def _finish(self) -> None:
        if self._operation == _WRITE:
            # One transaction is one frame, whatever it lacks.
            self._chip.hear(self._received, is_whole=True)
        elif self._operation == _READ and self._frames and self._given:
            self._frames.pop(0)
            self._show()

    def transfer(self, data: bytes) -> bytes:
        if not self._chip.is_on or self._awake_us is None or self._clock.now_us < self._awake_us:
            return b"\xff" * len(data)
        return reverse_bits(bytes(self._clock_byte(byte) for byte in reverse_bits(data)))

    def _clock_byte(self, byte: int) -> int:
        if self._operation is None:
            self._operation = byte
            return 0
        if self._operation == _STATUS:
            return 1 if self._frames else 0
        if self._operation == _WRITE:
            self._received += bytes((byte,))
        if self._operation != _READ or not self._frames:
            return 0
        self._given += 1
        frame = self._frames[0]
        return frame[self._given - 1] if self._given <= len(frame) else 0
