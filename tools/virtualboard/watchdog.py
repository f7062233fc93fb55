"""The watchdog timer, and the clock that goes on through a reset."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from virtualboard.clock import Clock, Event


class Watchdog:
    """Calls `bite` when it has not been fed in time. Only a reset stops it."""

    def __init__(self, clock: Clock, bite: Callable[[], None]) -> None:
        self._clock = clock
        self._bite = bite
        self._event: Event | None = None
        self.timeout_us = 0

    def feed(self, timeout_us: int = 0) -> None:
        """Feeds it; with a time-out, starts it."""
        self.timeout_us = timeout_us or self.timeout_us
        if self.timeout_us:
            self._cancel()
            self._event = self._clock.after(self.timeout_us, self._bite)

    def reset(self) -> None:
        self._cancel()
        self.timeout_us = 0

    def _cancel(self) -> None:
        if self._event:
            self._event.cancel()
