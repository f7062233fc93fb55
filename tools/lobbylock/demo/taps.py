"""Badges and phones at the virtual door: the steps that are held to the card reader instead of typed."""

from collections.abc import Iterator
from typing import Any

from firmware.core import event, event_names
from lobbylock.demo.deck import DRIVER, Deck, alter, forge
from lobbylock.demo.stage import Stage
from lobbylock.demo.witness import CALM_MS, Step, Witness
from lobbylock.phone import new_key
from virtualboard.chip.card import Card

_SOON_S = 120
# Within this time a card is read and judged.
_HELD_MS = 3_000
_TOLD_MS = 1_000
# A card that was away for longer is another presentation.
_AWAY_MS = 3_000
_OTHER_BUILDING = "oak-3"


class Taps(Witness):
    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._deck = Deck(stage)

    def tap_steps(self) -> Iterator[tuple[str, Step]]:
        yield "a badge opens", self._badge_opens
        yield "a forged badge is refused", lambda: self._turned_away(forge(self._deck.credential()), "forged")
        yield "an altered badge is refused", lambda: self._turned_away(alter(self._deck.credential()), "forged")
        yield "an expired badge is refused", self._expired_badge
        yield "a badge of another building is refused", self._foreign_badge
        yield "a single-use badge works once and its copy does not", self._copied_badge
        yield "a phone opens", self._phone_opens
        yield "a phone with the right credential and a wrong key is refused", self._wrong_key

    def _tap(self, card: Card) -> float:
        """Holds `card` to the reader until the lock has decided; returns how long the strike took, in ms."""
        moves = len(self._board.strike.history)
        self._shown += 1
        start_ms = self._board.now_ms
        self._board.nfc.place(card)
        try:
            # A refusal moves nothing, so whoever is refused holds it there for the whole time.
            if self._wind_to(lambda: len(self._board.strike.history) > moves, _HELD_MS):
                # A phone is told right after that.
                self._stage.skip(_TOLD_MS)
        finally:
            self._board.nfc.remove(card)
        history = self._board.strike.history[moves:]
        return float(history[0][0] - start_ms) if history else 0.0

    # The steps.

    def _card_opens(self, card: Card) -> dict[str, Any]:
        took_ms = self._tap(card)
        self._require_reason("granted")
        self._require(took_ms > 0, "the strike did not release")
        last = self._stage.events("access")[self._shown - 1]
        self._require(last["details"]["subject"] == DRIVER, "the event names somebody else")
        self._stage.skip(CALM_MS)
        self._require(not self._is_released(), "the strike did not come to rest")
        return {"reason": "granted", "via": last["details"]["via"], "card_to_strike_ms": round(took_ms)}

    def _turned_away(self, data: bytes, reason: str) -> dict[str, Any]:
        return self._refused_card(self._deck.badge(data), reason)

    def _refused_card(self, card: Card, reason: str) -> dict[str, Any]:
        moves = len(self._board.strike.history)
        self._tap(card)
        self._require_reason(reason)
        self._stage.skip(CALM_MS)
        self._require(len(self._board.strike.history) == moves, "the strike moved")
        return {"reason": reason}

    def _badge_opens(self) -> dict[str, Any]:
        return self._card_opens(self._deck.badge(self._deck.credential()))

    def _expired_badge(self) -> dict[str, Any]:
        data = self._deck.credential(for_s=_SOON_S)
        self._stage.skip(_SOON_S * 1_000 + _AWAY_MS)
        return self._turned_away(data, "expired")

    def _foreign_badge(self) -> dict[str, Any]:
        return self._turned_away(self._deck.credential(_OTHER_BUILDING), "other_building")

    def _copied_badge(self) -> dict[str, Any]:
        data = self._deck.credential()
        first = self._card_opens(self._deck.badge(data))
        return {"first": first["reason"], "copy": self._turned_away(data, "already_used")["reason"]}

    def _phone_opens(self) -> dict[str, Any]:
        card, phone = self._deck.phone()
        seen = self._card_opens(card)
        self._require(phone.reason == event.GRANTED, "the phone was not told")
        return seen

    def _wrong_key(self) -> dict[str, Any]:
        card, phone = self._deck.phone(new_key())
        seen = self._refused_card(card, "wrong_holder")
        told = phone.reason
        self._require(told is not None and event_names.REASON_NAMES[told] == "wrong_holder", "the phone was not told")
        return seen
