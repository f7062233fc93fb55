"""What the collector of `lobbylock serve` met, as lines of the log. Names of people are not in them."""

from collections.abc import Mapping

from firmware.core.event import Event
from lobbylock import logs
from lobbylock.door import Door
from lobbylock.eventline import kind_name, printable
from lobbylock.picture import Announcement
from lobbylock.report import Throttle
from lobbylock.verify import TWO_HISTORIES, Gap, Refusal

# Strangers may send thousands of messages a second; the metrics count them all.
_BURST_LINES = 20
_LINES_PER_S = 1.0


class ServiceLog:
    """A `collector.Listener` and `subscription.Watcher` that writes to the log."""

    def __init__(self) -> None:
        self._log = logs.get("collector")
        self._throttle = Throttle(_BURST_LINES, _LINES_PER_S)
        self._unshown = 0
        self._is_up: bool | None = None
        self._online: dict[str, bool] = {}

    def event(self, door: Door, found: Event) -> None:
        self._log.debug("event", door=door.name, seq=found.seq, kind=kind_name(found.kind))

    def gap(self, door: str, gap: Gap) -> None:
        self._log.warning("events missing", door=door, first_seq=gap.first_seq, last_seq=gap.last_seq)

    def picture(self, door: str, announced: Announcement, path: str) -> None:
        self._log.debug("picture", door=door, seq=announced.seq, bytes=announced.length)

    def status(self, door: str, status: Mapping[str, object]) -> None:
        # Doors that are enrolled, so no more of them than there are.
        is_online = status.get("online") is True
        if self._online.get(door) != is_online:
            self._online[door] = is_online
            self._log.info("lock connected" if is_online else "lock not connected", door=door)

    def refused(self, topic: str, refusal: Refusal) -> None:
        if not self._throttle.take():
            self._unshown += 1
            return
        more, self._unshown = self._unshown, 0
        say = self._log.error if refusal.reason == TWO_HISTORIES else self._log.warning
        say("message refused", topic=printable(topic), reason=refusal.reason, unshown=more)

    def connection(self, is_up: bool, reason: str = "", wait_s: float = 0) -> None:
        """Notes that the broker came or went; attempts in between are in the metrics."""
        if is_up == self._is_up:
            return
        self._is_up = is_up
        if is_up:
            self._log.info("broker connected")
        else:
            self._log.warning("no broker", reason=printable(reason, 200), again_s=round(wait_s, 1))
