"""Milliseconds since start, without the wrap-around of the port's tick counter."""


class Uptime:
    """Counts on from `ticks_ms`, which wraps (after 12 days on an ESP32).

    `now_ms` has to be called at least once in half a wrap; the health task does so every few seconds.
    """

    def __init__(self, ticks_ms, ticks_diff) -> None:
        self._ticks_ms = ticks_ms
        self._ticks_diff = ticks_diff
        self._last = ticks_ms()
        self._total_ms = 0

    def now_ms(self) -> int:
        """Returns the time since construction; it never goes back."""
        ticks = self._ticks_ms()
        step = self._ticks_diff(ticks, self._last)
        if step > 0:
            self._last = ticks
            self._total_ms += step
        return self._total_ms
