"""The card reader's way in: what is in its field -> presentation -> `task.visit`."""

import asyncio
import gc

from micropython import const
from pn532 import ReaderError

from firmware.core import event, indication
from firmware.core.decision import Decision
from firmware.core.errors import FlashError
from firmware.reader.presentation import NOTHING

# The chip waits for cards by itself; after so long it is asked again, which shows whether it still lives.
_LOOK_MS = const(20_000)
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
        # An installer who tries the reader: called with what is in the field.
        self.watcher = None

    async def run(self) -> None:
        while True:
            try:
                await self._chip.start()
                self._note_fault(False)
                self.is_ready = True
                while True:
                    await self._look()
            except ReaderError:
                self.is_ready = False
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

    async def _look(self) -> None:
        """Waits for a card and serves it. Raises ReaderError."""
        targets = await self._chip.find(_LOOK_MS)
        if not targets:
            return
        if self.watcher:
            self.watcher(targets)
        now_ms = self._uptime.now_ms()
        if now_ms - self._refused_ms >= _FORGOTTEN_MS:
            self._refusals = 0
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
