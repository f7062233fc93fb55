"""Wrong-guess back-off: five wrong entries lock the keypad, for 60 s first, then twice as long each time, to 1 h.

    open --charge--> one more counted, in flash --refund/clear--> open
                     \\--settle, the fifth--> locked --time is up--> open, next lock-out twice as long

The count goes to flash before the code is looked at: whoever cuts the power to hide a wrong guess has already paid.
A lock-out that was running when the power went starts over, because no time is known that could tell how much is left.
"""

from constant import const

_GUESSES = const(5)
_FIRST_S = const(60)
_LONGEST_S = const(3_600)


class Throttle:
    """`saved` is (failures, level, is_locked) as kept; `save` keeps such a triple and returns once it is durable."""

    def __init__(self, saved: tuple[int, int, bool], save, uptime_ms: int) -> None:
        self._failures, self._level, self._is_locked = saved
        self._before = (0, 0, False)
        self._save = save
        self._until_ms = uptime_ms + 1000 * self.duration_s if self._is_locked else 0

    @property
    def duration_s(self) -> int:
        """Length of the lock-out of the present level (level 1 is the first)."""
        return min(_FIRST_S << min(max(self._level - 1, 0), 6), _LONGEST_S)

    @property
    def is_locked(self) -> bool:
        return self._is_locked and self._until_ms > 0

    def charge(self) -> None:
        """Counts an entry as wrong, before anybody knows; the one that reaches the limit is kept as a lock-out."""
        self._before = (self._failures, self._level, False)
        if self._failures + 1 < _GUESSES:
            self._put(self._failures + 1, self._level, False)
        else:
            self._put(0, self._level + 1, True)

    def refund(self) -> None:
        """Takes the charge back: the entry was genuine, whether or not the door opens for it."""
        failures, level, is_locked = self._before
        self._put(failures, level, is_locked)

    def clear(self) -> None:
        """Sets everything back: somebody was let in."""
        if (self._failures, self._level, self._is_locked) != (0, 0, False):
            self._put(0, 0, False)

    def settle(self, uptime_ms: int) -> bool:
        """Lets the charge stand; returns whether it starts a lock-out."""
        if self._is_locked and not self._until_ms:
            self._until_ms = uptime_ms + 1000 * self.duration_s
            return True
        return False

    def remaining_ms(self, uptime_ms: int) -> int:
        return max(0, self._until_ms - uptime_ms) if self._is_locked else 0

    def tick(self, uptime_ms: int) -> bool:
        """Ends a lock-out whose time is up; returns whether it just did."""
        if not self.is_locked or uptime_ms < self._until_ms:
            return False
        self._put(0, self._level, False)
        return True

    def _put(self, failures: int, level: int, is_locked: bool) -> None:
        # Level 7 is already an hour; the kept number stays within one byte.
        level = min(level, 15)
        self._save((failures, level, is_locked))
        self._failures, self._level, self._is_locked = failures, level, is_locked
        if not is_locked:
            self._until_ms = 0
