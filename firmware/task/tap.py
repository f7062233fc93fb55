"""The card reader's way in: what is in its field -> presentation -> `task.visit`.

Loaded while there is something in the field, and let go when nothing has come for a while (`firmware.lobby`).
"""

import asyncio
import gc

from micropython import const
from pn532 import ReaderError

from firmware.core import event, indication
from firmware.core.decision import Decision
from firmware.core.errors import FlashError
from firmware.reader.presentation import NOTHING

# Whoever was here may come back.
_LOOK_MS = const(10_000)
# Between two looks at a card that is held to the reader.
_HELD_MS = const(200)
_RESTART_MS = const(5_000)

# Signatures cannot be guessed, so nobody is locked out. But cards that are refused one after the other fill the
# journal: once there were some, the reader rests after each.
_REFUSALS = const(5)
_REST_MS = const(5_000)
_FORGOTTEN_MS = const(60_000)


class Tap:
    """Serves the card reader. `cards` turns what `chip` found into Presentations for `visit`."""

    def __init__(self, chip, cards, visit, access, trail, indicator, attention, uptime):
        self._chip = chip
        self._cards = cards
        self._visit = visit
        self._access = access
        self._trail = trail
        self._indicator = indicator
        self._attention = attention
        self._uptime = uptime
        self._refusals = 0
        self._refused_ms = 0
        # Until the chip has answered nobody knows.
        self.is_ready = self.is_faulty = False

    async def run(self, is_seeking: bool) -> None:
        """Serves whatever is in the field, and returns once the chip waits for the next card by itself.

        `is_seeking` if it did so before, and then there is something to be read from it, or it has to be asked anew.
        """
        while True:
            try:
                if is_seeking:
                    self.is_ready = True
                    look_ms = 0
                    while await self._look(look_ms) or self._is_wary():
                        look_ms = _LOOK_MS
                else:
                    await self._chip.start()
                    self._note_fault(False)
                await self._chip.seek()
                return
            except ReaderError:
                is_seeking = self.is_ready = False
                self._note_fault(True)
                await asyncio.sleep_ms(_RESTART_MS)

    def _note_fault(self, is_faulty: bool) -> None:
        """Says once that the reader is out of order, and once that it works again."""
        if is_faulty == self.is_faulty:
            return
        self.is_faulty = is_faulty
        try:
            if is_faulty:
                self._trail.record(event.READER_FAULT, {event.REASON: event.READER})
            else:
                self._trail.record(event.READER_RECOVERED, {})
        except FlashError:
            self._indicator.show(indication.FAULT)

    def _is_wary(self) -> bool:
        """Whether somebody was refused lately."""
        if self._uptime.now_ms() - self._refused_ms >= _FORGOTTEN_MS:
            self._refusals = 0
        return self._refusals > 0

    async def _look(self, limit_ms: int) -> bool:
        """Waits for a card and serves it; returns False if there is none. Raises ReaderError."""
        targets = await self._chip.find(limit_ms)
        if not targets:
            return False
        now_ms = self._uptime.now_ms()
        self._is_wary()
        try:
            shown = await self._cards.show(targets)
        except MemoryError:
            # What reads cards found no room. There may be some the next time.
            shown = None
            gc.collect()
            self._indicator.show(indication.FAULT)
        rest_ms = _HELD_MS
        if shown is not None:
            self._attention.touch(now_ms)
            if await self._serve(shown):
                self._refusals = 0
            else:
                self._refusals += 1
                self._refused_ms = now_ms
                rest_ms = _HELD_MS if self._refusals < _REFUSALS else _REST_MS
        await self._chip.release()
        await asyncio.sleep_ms(rest_ms)
        # Nobody looked meanwhile whether it was still there.
        self._cards.keep()
        return True

    async def _serve(self, shown) -> bool:
        """Returns whether the door was opened for it; a flash that fails refuses."""
        try:
            if shown.kind == NOTHING:
                decision = await self._access.act(Decision(shown.reason, None, shown.via))
            else:
                # A phone that has just failed gets no picture of its own before it has proved something.
                is_trusted = not self._refusals
                lose = self._cards.lose
                decision = await self._visit.serve(shown.session, shown.credential, shown.via, is_trusted, lose)
        except (FlashError, MemoryError):
            self._indicator.show(indication.FAULT)
            return False
        return decision.is_granted
