"""What a PN532 does with the cards in its field: looks for them, activates up to two, exchanges, lets them go."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from virtualboard.chip.card import Card, NakError

IN_DATA_EXCHANGE = 0x40
IN_DESELECT = 0x44
IN_LIST_PASSIVE_TARGET = 0x4A
IN_RELEASE = 0x52
IN_SELECT = 0x54

# Status bytes.
OK = 0x00
TIME_OUT = 0x01
BAD_FORMAT = 0x13
NOT_ACCEPTABLE = 0x27
MORE = 0x40

FOREVER = 0xFF
_MOST_DATA = 262

# One round of looking for cards; selecting one; RATS and its answer; a byte on air.
_LOOK_US = 4_000
_SELECT_US = 3_000
_RATS_US = 5_000
_BYTE_US = 85

# Says (command, data) in so many microseconds; and does something then.
Answer = Callable[[int, bytes, float], None]
Later = Callable[[float, Callable[[], object]], None]


class Field:
    """`retries` is how often it looks again before it says that nobody is there."""

    def __init__(self, random: Random, answer: Answer, later: Later) -> None:
        self._random = random
        self._answer = answer
        self._later = later
        self.cards: list[Card] = []
        self.retries = FOREVER
        self._listing = 0
        self._targets: dict[int, Card] = {}
        self._more = b""
        self.commands = {
            IN_DATA_EXCHANGE: self._exchange,
            IN_DESELECT: self._release,
            IN_LIST_PASSIVE_TARGET: self._list,
            IN_RELEASE: self._release,
            IN_SELECT: self._select,
        }

    def enter(self, card: Card) -> None:
        self.cards.append(card)
        card.enter(self._random, lambda: self.leave(card))
        if self._listing:
            self._later(self._random.randrange(_LOOK_US), self._look)

    def leave(self, card: Card) -> None:
        if card in self.cards:
            self.cards.remove(card)
            card.deselect()

    def stop(self) -> None:
        """Ends the looking."""
        self._listing = 0

    def reset(self) -> None:
        self.stop()
        self.retries = FOREVER
        self._let_go()

    def _list(self, command: int, arguments: bytes) -> bool:
        if len(arguments) < 2 or arguments[0] not in (1, 2):
            return False
        self._let_go()
        # Other kinds of cards are never there.
        self._listing = arguments[0] if arguments[1] == 0 else 0
        if self.cards and self._listing:
            self._look()
        elif self.retries != FOREVER:
            self._answer(command, b"\0", (self.retries + 1) * _LOOK_US)
        return True

    def _look(self) -> None:
        found = self.cards[: self._listing]
        if found:
            delay_us = sum(_SELECT_US + (_RATS_US if card.ats else 0) for card in found)
            self._later(_LOOK_US + delay_us, lambda: self._activate(found))

    def _activate(self, found: list[Card]) -> None:
        if not self._listing:
            return
        if any(card not in self.cards for card in found):
            self._look()
            return
        self._listing = 0
        data = bytes((len(found),))
        for number, card in enumerate(found, 1):
            uid = card.select(self._random)
            self._targets[number] = card
            data += bytes((number, card.atqa >> 8, card.atqa & 255, card.sak, len(uid))) + uid + card.ats
        self._answer(IN_LIST_PASSIVE_TARGET, data, 0)

    def _exchange(self, command: int, arguments: bytes) -> bool:
        if not arguments:
            return False
        card = self._targets.get(arguments[0])
        if card is None:
            self._answer(command, bytes((NOT_ACCEPTABLE,)), 0)
            return True
        data = arguments[1:]
        if self._more and not data:
            self._give(command, card, self._more, 0)
            return True
        try:
            answer = card.exchange(data) if card in self.cards else None
        except NakError:
            self._answer(command, bytes((BAD_FORMAT,)), 1_000)
            return True
        if answer is None:
            self._answer(command, bytes((TIME_OUT,)), card.timeout_ms * 1000)
        else:
            self._give(command, card, answer, card.delay_ms * 1000 + _BYTE_US * (len(data) + len(answer) + 6))
        return True

    def _give(self, command: int, card: Card, data: bytes, delay_us: float) -> None:
        data, self._more = data[:_MOST_DATA], data[_MOST_DATA:]

        def finish() -> None:
            if card.is_selected:
                self._answer(command, bytes((MORE if self._more else OK,)) + data, 0)
            else:
                # Taken away while it thought or talked.
                self._answer(command, bytes((TIME_OUT,)), card.timeout_ms * 1000)

        self._later(delay_us, finish)

    def _release(self, command: int, arguments: bytes) -> bool:
        if len(arguments) != 1:
            return False
        status = OK
        if arguments[0] == 0:
            self._let_go()
        elif arguments[0] in self._targets:
            self._targets.pop(arguments[0]).deselect()
        else:
            status = NOT_ACCEPTABLE
        self._answer(command, bytes((status,)), 1_000)
        return True

    def _select(self, command: int, arguments: bytes) -> bool:
        if len(arguments) != 1:
            return False
        self._answer(command, bytes((OK if arguments[0] in self._targets else NOT_ACCEPTABLE,)), 0)
        return True

    def _let_go(self) -> None:
        for card in self._targets.values():
            card.deselect()
        self._targets.clear()
        self._more = b""
