"""Whether somebody is, or just was, at the door: then everything that can wait does. And whether the door was blind."""

from constant import const

# A driver with a parcel under the arm looks up the next digit for about so long.
_QUIET_MS = const(2_500)


class Attention:
    """Remembers the last sign of a person: a key, the exit button, the door moving.

    A TLS handshake in another thread holds the interpreter for tenths of a second, in which no key is scanned and no
    input read; what the chip itself latches meanwhile is served afterwards. While `blindness` is not 0 that may be, or
    was until a moment ago: keys may be missing, and an edge may be all that is left of a press.
    """

    def __init__(self) -> None:
        self._last_ms = None
        self.blindness = 0

    def touch(self, now_ms: int) -> None:
        self._last_ms = now_ms

    def is_quiet(self, now_ms: int, quiet_ms: int = _QUIET_MS) -> bool:
        """Whether nobody has been there for a while."""
        return self._last_ms is None or now_ms - self._last_ms >= quiet_ms
