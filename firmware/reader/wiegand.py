"""A Wiegand line in the place of the keypad: its keys are keys, its card numbers are nothing."""

from firmware.core import event
from firmware.reader.presentation import NOTHING, Presentation


class WiegandKeys:
    """What a keypad offers, over `line`, whose `next()` waits for the next frame of wiegand.Collector."""

    # Such a keypad reports neither.
    TWO_KEYS = 1
    STUCK = 2

    def __init__(self, line) -> None:
        self._line = line

    async def next(self):
        """Returns the next key's character, or for a card number a Presentation of kind NOTHING.

        The number itself goes nowhere: it is neither secret nor signed, and in other buildings it may open doors.
        """
        while True:
            frame = await self._line.next()
            if isinstance(frame, str):
                return frame
            if isinstance(frame, tuple):
                return Presentation(NOTHING, via=event.CARD_NUMBER, reason=event.UNREADABLE)
