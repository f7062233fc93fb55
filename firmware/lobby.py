"""Loads what serves visitors with a credential when one comes, and lets go of it when nobody has come for a while.

The card reader's chip waits for cards by itself: what reads and serves them is loaded when it has found one.

A lock has no use for it most of the day. Viper code stays: an ESP32 gives back none before its next start.
"""

import asyncio
from typing import TYPE_CHECKING

from micropython import const

from firmware.core import indication

if TYPE_CHECKING:
    from typing import Any

# What `reader.card` remembers of a card it remembers for 2 s.
_REST_MS = const(10_000)
_MODULES = const(("task.visit", "reader.card"))
# After so long the chip is asked again, which shows whether it still lives; later while somebody else is served.
_LOOK_MS = const(20_000)
_LOOKS = const(3)
_RETRY_MS = const(5_000)


class Lobby:
    """Looks like `task.visit.Visit` and `reader.card.CardReader`, and has them made; runs `task.tap.Tap`.

    `gate_parts` are settings, issuers, ledger, clock and timekeeping, for the Gate. `forget(names)` has modules of the
    firmware loaded no longer.
    """

    def __init__(self, gate_parts: tuple, nonces, access, trail, news, uptime, forget) -> None:
        self._gate_parts = gate_parts
        self._nonces = nonces
        self._access = access
        self._trail = trail
        self._news = news
        self._uptime = uptime
        self._forget = forget
        self._chip: Any = None
        self._tap: Any = None
        self._is_seeking = self._is_faulty = False
        # An installer who tries the reader: called with what is in the field.
        self.watcher = None
        self._visit: Any = None
        self._cards: Any = None
        self._inside = 0
        self._used_ms = 0

    def open(self) -> None:
        """Loads what a visit needs, before somebody waits for it. Raises MemoryError."""
        self._used_ms = self._uptime.now_ms()
        if not self._visit:
            import p256

            from firmware.task.gate import Gate
            from firmware.task.visit import Visit

            settings, known, kept, clock, timekeeping = self._gate_parts
            news, forget = self._news, self._forget
            gate = Gate(settings, known, kept, clock, timekeeping, self._uptime, p256.verify, news, forget)
            prepare, verify = p256.prepare, p256.verify_prepared
            self._visit = Visit(gate, self._nonces, prepare, verify, self._access, self._trail, news, forget)

    def rest(self, now_ms: int) -> None:
        """To be called now and then while nobody is there."""
        if (self._visit or self._cards) and not self._inside and now_ms - self._used_ms >= _REST_MS:
            self._visit = self._cards = None
            self._forget(_MODULES)

    async def serve(self, session, data: bytes, via: int, is_trusted: bool = True, is_news=None, rest=None):
        """See `task.visit.Visit.serve`. Raises MemoryError as well."""
        self.open()
        self._inside += 1
        try:
            return await self._visit.serve(session, data, via, is_trusted, is_news, rest)
        finally:
            self._inside -= 1
            self._used_ms = self._uptime.now_ms()

    # Of the card reader.

    @property
    def is_ready(self) -> bool:
        """Whether the card reader's chip answers."""
        return self._tap.is_ready if self._tap else self._is_seeking

    async def run(self, link, power, indicator, attention) -> None:
        """Serves the card reader at `link`, whose reset line is `power`."""
        while True:
            try:
                self._enter(link, power, indicator, attention)
                await self._tap.run(self._is_seeking)
            except MemoryError:
                # The chip still waits for cards, or has found one: there may be room for it the next time.
                if self._tap:
                    self._is_seeking, self._is_faulty = self._tap.is_ready, self._tap.is_faulty
                self._leave()
                indicator.show(indication.FAULT)
                await asyncio.sleep_ms(_RETRY_MS)
                continue
            self._is_seeking, self._is_faulty = True, self._tap.is_faulty
            self._leave()
            for _ in range(_LOOKS):
                if await link.wait(_LOOK_MS) or not self._visit:
                    break

    def _enter(self, link, power, indicator, attention) -> None:
        from pn532 import Pn532

        from firmware.task.tap import Tap

        self._chip = Pn532(link, power, self._is_seeking)
        self._tap = Tap(self._chip, self, self, self._access, self._trail, indicator, attention, self._uptime)
        self._tap.is_faulty = self._is_faulty

    def _leave(self) -> None:
        # All of them, since they go by one another's exceptions.
        self._chip = self._tap = self._cards = None
        self._forget(("task.tap", "reader.card"))

    async def show(self, targets: list):
        """See `reader.card.CardReader.show`. Raises MemoryError as well."""
        if self.watcher:
            self.watcher(targets)
        self.open()
        if not self._cards:
            from firmware.reader.card import CardReader

            self._cards = CardReader(self._chip, self._uptime)
        self._inside += 1
        try:
            return await self._cards.show(targets)
        finally:
            self._inside -= 1

    def keep(self) -> None:
        if self._cards:
            self._cards.keep()

    def lose(self) -> bool:
        return self._cards.lose()
