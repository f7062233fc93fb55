"""Several who want to hear what a collector stored, as one listener of it."""

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from firmware.core.event import Event
    from lobbylock.door import Door
    from lobbylock.picture import Announcement
    from lobbylock.verify import Gap, Refusal

_logger = logging.getLogger(__name__)


class Listeners:
    """A `collector.Listener` and `subscription.Watcher` that tells each of `listeners` in turn.

    One that raises is logged and harms neither the others nor the collector, which has stored the event by then. Each
    hears of what it has a method for, `connection` for the broker as well.
    """

    def __init__(self, listeners: Iterable[object]) -> None:
        self._listeners = tuple(listeners)

    def event(self, door: "Door", found: "Event") -> None:
        self._tell("event", door, found)

    def gap(self, door: str, gap: "Gap") -> None:
        self._tell("gap", door, gap)

    def picture(self, door: str, announced: "Announcement", path: str) -> None:
        self._tell("picture", door, announced, path)

    def status(self, door: str, status: dict[str, object]) -> None:
        self._tell("status", door, status)

    def refused(self, topic: str, refusal: "Refusal") -> None:
        self._tell("refused", topic, refusal)

    def connection(self, is_up: bool, reason: str = "", wait_s: float = 0) -> None:
        """Tells that the broker is there, or why not."""
        self._tell("connection", is_up, reason, wait_s)

    def _tell(self, what: str, *values: Any) -> None:
        for listener in self._listeners:
            method: Callable[..., None] | None = getattr(listener, what, None)
            if method is None:
                continue
            try:
                method(*values)
            except Exception:  # a fault of one listener must not end the collector
                _logger.exception("%s failed at what it was told", type(listener).__name__)
