"""Whether somebody is, or just was, at the door: then everything that can wait does."""

from constant import const

# A driver with a parcel under the arm looks up the next digit for about so long.
_QUIET_MS = const(2_500)


class Attention:
    """Remembers the last sign of a person: a key, the exit button, the door moving."""

    def __init__(self) -> None:
        self._last_ms = None

    def touch(self, now_ms: int) -> None:
        self._last_ms = now_ms

    def is_quiet(self, now_ms: int) -> bool:
        """Whether nobody has been there for a while."""
        return self._last_ms is None or now_ms - self._last_ms >= _QUIET_MS
