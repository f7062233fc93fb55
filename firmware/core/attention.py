"""Whether somebody is, or just was, at the door: then everything that can wait does."""


class Attention:
    """Remembers the last sign of a person: a key, the exit button, the door moving."""

    def __init__(self) -> None:
        self._last_ms = None

    def touch(self, now_ms: int) -> None:
        self._last_ms = now_ms

    def quiet_ms(self, now_ms: int) -> int:
        """Returns how long nobody has been there; a very long time if nobody ever was."""
        return 1 << 29 if self._last_ms is None else now_ms - self._last_ms
