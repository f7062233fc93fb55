"""Keys to codes: digits, then `#` shows them, `*` clears them, and a pause forgets them.

Keys that nobody could read, because the interpreter was held, are nobody's wrong guess: an entry that may lack some is
a code only if it has all its digits.
"""

from firmware.core import keycode
from firmware.reader.presentation import CODE, TWO_KEYS, Presentation

# A driver with gloves looks up the next digit: field practice is 10 to 15 s.
TIMEOUT_MS = 12_000

# Outcomes of a key that is not the end of a code; LOST is the end of one that lacks keys.
TYPED = 1
CLEARED = 2
LOST = 3


class CodeEntry:
    """Collects keys. `press` returns a Presentation when one is complete, otherwise TYPED, CLEARED or LOST."""

    def __init__(self) -> None:
        self._digits = ""
        self._is_too_long = False
        self._is_doubtful = False
        self._last_ms = 0

    @property
    def is_empty(self) -> bool:
        return not self._digits and not self._is_doubtful

    def press(self, key: str, now_ms: int, is_doubtful: bool = False):
        """Takes a key; `is_doubtful` if others just before it may have been missed."""
        self.forget_old(now_ms)
        self._is_doubtful = self._is_doubtful or is_doubtful
        self._last_ms = now_ms
        if key == "*":
            self._clear()
            return CLEARED
        if key != "#":
            if len(self._digits) == keycode.DIGITS:
                # Not kept: a typed secret longer than a code may be somebody's card number.
                self._is_too_long = True
            else:
                self._digits += key
            return TYPED
        if self._is_doubtful and (self._is_too_long or len(self._digits) != keycode.DIGITS):
            self._clear()
            return LOST
        if self.is_empty:
            return CLEARED
        shown = Presentation(CODE, self._digits, self._is_too_long)
        self._clear()
        return shown

    def spoil(self) -> Presentation:
        """Two keys at once: what was typed cannot be trusted and is dropped."""
        self._clear()
        return Presentation(TWO_KEYS)

    def miss(self, now_ms: int) -> None:
        """A key came and could not be read: the person has to begin anew, and may not have noticed."""
        self._clear()
        self._is_doubtful = True
        self._last_ms = now_ms

    def forget_old(self, now_ms: int) -> bool:
        """Drops digits after the pause; returns whether there were any."""
        if self.is_empty or now_ms - self._last_ms < TIMEOUT_MS:
            return False
        self._clear()
        return True

    def timeout_ms(self, now_ms: int):
        """Returns how long until the digits are forgotten, or None if there are none."""
        return None if self.is_empty else max(0, self._last_ms + TIMEOUT_MS - now_ms)

    def _clear(self) -> None:
        self._digits = ""
        self._is_too_long = self._is_doubtful = False
