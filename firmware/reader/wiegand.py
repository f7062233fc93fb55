"""A Wiegand line in the place of the keypad: its keys are keys, its card numbers are nothing."""

import time

from constant import const
from wiegand import NOISE

from firmware.core import event
from firmware.reader.presentation import NOTHING, Presentation

# Cards that follow each other within this time are one that is held, or somebody who wants to fill the journal.
_SAME_MS = const(2_000)


class WiegandKeys:
    """What a keypad offers, over `line`, whose `next(limit_ms)` waits for the next frame of wiegand.Collector."""

    # Such a keypad reports neither of the first two.
    TWO_KEYS = 1
    STUCK = 2
    MISSED = 3
    # Frames that come in while nobody counts their bits are torn, and what is left of one may look like another key.
    READS_LATE = False
    # A frame is over before anybody is told of it.
    is_awake = False

    def __init__(self, line) -> None:
        self._line = line
        self._card_ms = None

    async def next(self, limit_ms: int):
        """Returns the next key's character, MISSED for noise, or for a card number a Presentation of kind NOTHING.

        Returns None if `limit_ms` pass without any.

        The number itself goes nowhere: it is neither secret nor signed, and in other buildings it may open doors.
        """
        while True:
            frame = await self._line.next(limit_ms)
            if frame is None or isinstance(frame, str):
                return frame
            if frame == NOISE:
                return self.MISSED
            if isinstance(frame, tuple):
                now_ms = time.ticks_ms()
                is_held = self._card_ms is not None and time.ticks_diff(now_ms, self._card_ms) < _SAME_MS
                self._card_ms = now_ms
                if not is_held:
                    return Presentation(NOTHING, via=event.CARD_NUMBER, reason=event.UNREADABLE)
