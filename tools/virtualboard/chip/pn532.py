"""A PN532 card reader chip: its frames byte by byte, its sleep, its commands as a reader of type A cards; its bad days.

Facts: NXP UM0701-02 (user manual, firmware 1.6), AN10609_3 for the state after a reset.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from virtualboard.chip.card import Card
from virtualboard.chip.pn532_field import Field
from virtualboard.chip.pn532_frame import ACK, ERROR, NACK, FrameReader, frame
from virtualboard.chip.pn532_line import HsuLine, Line, SpiLine

if TYPE_CHECKING:
    from virtualboard.circuit import Circuit
    from virtualboard.clock import Event

GET_FIRMWARE_VERSION = 0x02
SAM_CONFIGURATION = 0x14
POWER_DOWN = 0x16
RF_CONFIGURATION = 0x32

_VERSION = b"\x32\x01\x06\x07"
# What RFConfiguration knows: item and length.
_ITEMS = {0x01: 1, 0x02: 3, 0x04: 1, 0x05: 3, 0x0A: 11, 0x0B: 8, 0x0C: 3, 0x0D: 9}

_ACK_US = 700
_THINK_US = 500


class Pn532:
    """Powered while `reset` is high. `line` is "uart" or "spi". Cards come and go by `place` and `remove`.

    `commands` are the bodies of all commands it took. Faults: `hang`, `drop_bytes`, `corrupt`; `deaf` is how many
    commands it will not hear, `late_ms` how much later it answers, until that is set back.
    """

    def __init__(
        self,
        line: str = "uart",
        *,
        tx: int = 33,
        rx: int = 35,
        reset: int = 15,
        bus: int = 1,
        select: int = 5,
        irq: int = 39,
    ) -> None:
        self.reset = reset
        self.line: HsuLine | SpiLine = HsuLine(tx, rx) if line == "uart" else SpiLine(bus, select, irq)
        self.is_on = False
        self.is_hung = False
        self.commands: list[bytes] = []
        self.deaf = 0
        self.late_ms = 0.0
        self._reader = FrameReader()
        self._events: list[Event] = []
        self._damage: list[Callable[[bytes], bytes]] = []
        self._drop = 0
        self._is_normal = False
        self._last = b""

    def attach(self, circuit: Circuit) -> None:
        self._circuit = circuit
        self.field = Field(circuit.random, self._answer, self._later)
        line: Line = self.line
        line.attach(circuit, self)
        circuit.pins.watch(self.reset, lambda _, level: self._switch(bool(level)))
        circuit.pins.pull(self.reset, 1)

    # The hand that holds cards.

    def place(self, card: Card) -> None:
        """Holds a card to the reader, perhaps besides others."""
        with self._circuit.lock:
            self.field.enter(card)

    def remove(self, card: Card) -> None:
        """Takes it away; one that is not there is none."""
        with self._circuit.lock:
            self.field.leave(card)

    @property
    def cards(self) -> list[Card]:
        """What is held to it now."""
        return self.field.cards

    # Faults.

    def hang(self) -> None:
        """It stops where it is, until its reset line goes low."""
        with self._circuit.lock:
            self.is_hung = True
            self._stop()

    def drop_bytes(self, count: int) -> None:
        """The next `count` bytes that it sends get lost."""
        self._drop = count

    def corrupt(self, frames: int = 1, after: int = 0) -> None:
        """A bit is wrong in each of `frames` frames it sends, `after` good ones."""
        self._damage = [lambda data: data] * after + [_flip] * frames

    # Power.

    def _switch(self, is_on: bool) -> None:
        self.is_on = is_on
        self._stop()
        self._restart()
        self.line.sleep()

    def _restart(self) -> None:
        self.is_hung = False
        # "Low battery": awake it may be, but what it does is limited until it is told its mode.
        self._is_normal = False
        self._last = b""
        self._reader.clear()
        self.field.reset()

    # The line.

    def hear(self, data: bytes, is_whole: bool = False) -> None:
        """Bytes from the host; `is_whole` if what they leave unfinished stays so."""
        if self.is_hung or not self.is_on:
            return
        for body in self._reader.feed(data):
            if body == ACK:
                self._stop()
            elif body == NACK:
                if self._last:
                    self._later(_ACK_US, lambda: self._say(self._last))
            else:
                self._take(body)
        if is_whole:
            self._reader.clear()

    def _take(self, body: bytes) -> None:
        # A new command ends the one that runs.
        self._stop()
        if self.deaf:
            self.deaf -= 1
            return
        self.commands.append(body)
        self._later(_ACK_US, lambda: self._say(ACK))
        self._later(_ACK_US + _THINK_US, lambda: self._obey(body))

    def _later(self, delay_us: float, action: Callable[[], object]) -> None:
        self._events = [event for event in self._events if event.action]
        self._events.append(self._circuit.clock.after(int(delay_us), action))

    def _stop(self) -> None:
        for event in self._events:
            event.cancel()
        self._events.clear()
        self.field.stop()
        self.line.hush()

    def _say(self, data: bytes) -> None:
        if self.is_hung:
            return
        if self._damage:
            data = self._damage.pop(0)(data)
        lost = min(self._drop, len(data))
        self._drop -= lost
        self.line.say(data[lost:])

    def _answer(self, command: int, data: bytes = b"", delay_us: float = 0) -> None:
        self._give_frame(frame(bytes((0xD5, command + 1)) + data), delay_us)

    def _give_frame(self, answer: bytes, delay_us: float) -> None:
        def say() -> None:
            self._last = answer
            self._say(answer)

        self._later(delay_us + self.late_ms * 1000, say)

    # The commands.

    def _obey(self, body: bytes) -> None:
        actions = {
            GET_FIRMWARE_VERSION: self._version,
            SAM_CONFIGURATION: self._configure,
            POWER_DOWN: self._power_down,
            RF_CONFIGURATION: self._configure_field,
            **self.field.commands,
        }
        action = actions.get(body[1]) if body[0] == 0xD4 and len(body) > 1 else None
        is_allowed = self._is_normal or (len(body) > 1 and body[1] in (GET_FIRMWARE_VERSION, SAM_CONFIGURATION))
        if not action or not is_allowed or not action(body[1], body[2:]):
            self._give_frame(ERROR, 0)

    def _version(self, command: int, _: bytes) -> bool:
        self._answer(command, _VERSION)
        return True

    def _configure(self, command: int, arguments: bytes) -> bool:
        if arguments[:1] != b"\x01":
            return False
        self._is_normal = True
        self._answer(command)
        return True

    def _power_down(self, command: int, arguments: bytes) -> bool:
        if not arguments:
            return False
        self._answer(command, b"\0")
        self._later(self.late_ms * 1000 + 3_000, self.line.sleep)
        return True

    def _configure_field(self, command: int, arguments: bytes) -> bool:
        if not arguments or _ITEMS.get(arguments[0]) != len(arguments) - 1:
            return False
        if arguments[0] == 0x05:
            self.field.retries = arguments[3]
        self._answer(command)
        return True


def _flip(data: bytes) -> bytes:
    middle = len(data) // 2 + 1
    return data[:middle] + bytes((data[middle] ^ 0x10,)) + data[middle + 1 :]
