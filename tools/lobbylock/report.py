"""Tells what a collector does: a line each for people, or JSON lines."""

import json
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.text import Text

from firmware.core import event
from lobbylock.door import Door
from lobbylock.eventline import event_text, event_values, printable
from lobbylock.picture import Announcement, announcement
from lobbylock.verify import TWO_HISTORIES, Gap, Refusal

# Strangers may send thousands of messages a second; every one is counted, and this many are shown.
_BURST_LINES = 20
_LINES_PER_S = 1.0


class Throttle:
    """Lets `burst` lines through at once and then `per_s` of them each second."""

    def __init__(self, burst: int, per_s: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self._burst = burst
        self._per_s = per_s
        self._now_s = now_s
        self._left = float(burst)
        self._at_s = now_s()

    def take(self) -> bool:
        """Whether one more line may be shown now."""
        now_s = self._now_s()
        self._left = min(self._burst, self._left + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Report:
    """A `collector.Listener` and a `subscription.Watcher` that writes to `console`; `is_json` chooses JSON lines.

    `counts` holds how many events, pictures and gaps there were; `refusals` how many messages by reason.
    """

    def __init__(self, console: Console, is_json: bool, throttle: Throttle | None = None) -> None:
        self._console = console
        self._is_json = is_json
        self._throttle = throttle or Throttle(_BURST_LINES, _LINES_PER_S)
        # Of their own: a stranger's flood of refused messages must not hide a lock that goes offline.
        self._status_throttle = Throttle(_BURST_LINES, _LINES_PER_S)
        self._unshown = 0
        self.counts: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()

    def event(self, door: Door, found: event.Event) -> None:
        self.counts["events"] += 1
        self.counts["announced"] += announcement(found) is not None
        self._write("event", event_values(door, found), event_text(door, found))

    def gap(self, door: str, gap: Gap) -> None:
        self.counts["gaps"] += 1
        self._write(
            "gap",
            {"door": door, "first_seq": gap.first_seq, "last_seq": gap.last_seq},
            Text(f"{door}: events {gap.first_seq} to {gap.last_seq} never came", "bold red"),
        )

    def picture(self, door: str, announced: Announcement, path: str) -> None:
        self.counts["pictures"] += 1
        values = {
            "door": door,
            "seq": announced.seq,
            "picture": announced.number,
            "length": announced.length,
            "sha256": announced.sha256.hex(),
            "file": path,
        }
        self._write("picture", values, Text(f"{door}: picture {announced.number} of #{announced.seq} is in {path}"))

    def status(self, door: str, status: dict[str, object]) -> None:
        # Nobody signs a status, so strangers can send them too; one that is passed over is followed by the next.
        if not self._status_throttle.take():
            return
        shown = ", ".join(f"{name} {printable(str(value))}" for name, value in status.items() if name != "online")
        state = "online" if status["online"] else "offline"
        self._write("status", {"door": door, **status}, Text(f"{door}: {state} {shown}".rstrip(), "dim"))

    def refused(self, topic: str, refusal: Refusal) -> None:
        self.refusals[refusal.reason] += 1
        if not self._throttle.take():
            self._unshown += 1
            return
        more = self._unshown
        self._unshown = 0
        values = {
            "topic": printable(topic),
            "reason": refusal.reason,
            "detail": refusal.detail,
            "count": self.refusals[refusal.reason],
            "unshown": more,
        }
        style = "bold red" if refusal.reason == TWO_HISTORIES else "yellow"
        note = f" ({more} more before it)" if more else ""
        self._write("refused", values, Text(f"refused from {printable(topic)}: {refusal}{note}", style))

    def connection(self, is_up: bool, reason: str = "", wait_s: float = 0) -> None:
        """Tells that the broker is there, or why it is not and when it is tried again."""
        values = {"up": is_up} if is_up else {"up": is_up, "reason": printable(reason, 200), "retry_s": wait_s}
        text = "connected" if is_up else f"no broker: {printable(reason, 200)}; again in {wait_s:.1f} s"
        self._write("connection", values, Text(text, "dim" if is_up else "yellow"))

    def finish(self) -> None:
        """Writes the sums."""
        values = {"events": self.counts["events"], "pictures": self.counts["pictures"], "gaps": self.counts["gaps"]}
        parts = [f"{count} {name}" for name, count in values.items()]
        parts += [f"{count} refused ({reason})" for reason, count in self.refusals.most_common()]
        self._write("sum", {**values, "refused": dict(self.refusals)}, Text(", ".join(parts), "dim"))

    def _write(self, kind: str, values: dict[str, Any], text: Text) -> None:
        if self._is_json:
            self._console.file.write(json.dumps({"type": kind, **values}) + "\n")
        else:
            self._console.print(text, soft_wrap=True)
        # Whoever reads the pipe sees each line when it happens.
        self._console.file.flush()
