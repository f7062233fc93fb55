"""What an audit finds wrong, and what it finds at all."""

from dataclasses import dataclass, field
from typing import Any

from lobbylock.moment import format_utc
from lobbylock.verify import Gap

# What can be wrong.
EDITED = "edited"
MISSING_ROW = "missing row"
REORDERED = "reordered"
BAD_SEAL = "bad seal"
TAG_MISSING = "tag missing"
OTHER_EPOCH = "tag of another event's key"
CUT_BACK = "cut back and resumed"
UNKNOWN_KEY = "unknown key"
TWO_HISTORIES = "two histories"
GAP = "gap"
PICTURE_MISSING = "picture missing"
PICTURE_OTHER = "picture is another"
EXPORT_CUT = "export cut off"
EXPORT_ALTERED = "export altered"

# These say what is not there or came besides; the events that are there are the door's own all the same.
BESIDES = frozenset((TWO_HISTORIES, GAP, PICTURE_MISSING, PICTURE_OTHER))

# A lock seals at least so often while it has power.
HEARTBEAT_S = 6 * 3_600
_SILENCE_S = 2 * HEARTBEAT_S


@dataclass(frozen=True)
class Finding:
    """One thing that is not as the door sealed it; `seq` is 0 if it concerns a whole chain or file."""

    door: str
    seq: int
    what: str
    detail: str

    def __str__(self) -> str:
        return f"{self.door} #{self.seq}: {self.what} ({self.detail})"

    def values(self) -> dict[str, Any]:
        """Returns the same as JSON values."""
        return {"door": self.door, "seq": self.seq, "what": self.what, "detail": self.detail}


class Broken(Exception):
    """What ends the walk along a chain: behind it nothing can be judged."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding))
        self.finding = finding


@dataclass(frozen=True)
class Silence:
    """Event `seq` is the first one with a known time after `from_s`, at `until_s`: longer than two heartbeats."""

    seq: int
    from_s: int
    until_s: int

    def values(self) -> dict[str, Any]:
        """Returns the same as JSON values."""
        hours = round((self.until_s - self.from_s) / 3_600, 1)
        return {"seq": self.seq, "from": format_utc(self.from_s), "until": format_utc(self.until_s), "hours": hours}


@dataclass
class ChainSum:
    """What was found in a chain. `lost` are the gaps that the lock itself reported, (first seq, count); `gaps` all of
    them; `unchecked` counts the events from before the enrolled journal key, whose tags nobody can check.
    """

    door: str
    public_key: bytes
    events: int = 0
    last_seq: int = 0
    seals: int = 0
    unchecked: int = 0
    pictures: int = 0
    pending_pictures: list[int] = field(default_factory=list)
    deleted_pictures: int = 0
    gaps: list[Gap] = field(default_factory=list)
    lost: list[tuple[int, int]] = field(default_factory=list)
    conflicts: int = 0
    silences: list[Silence] = field(default_factory=list)
    last_time_s: int | None = None
    findings: list[Finding] = field(default_factory=list)

    def find(self, seq: int, what: str, detail: str) -> None:
        """Adds a finding."""
        self.findings.append(Finding(str(self.door), seq, what, detail))

    def take_time(self, seq: int, time_s: int) -> None:
        """Takes the known time of an event, in order of seq."""
        if self.last_time_s is not None and time_s - self.last_time_s > _SILENCE_S:
            self.silences.append(Silence(seq, self.last_time_s, time_s))
        # A clock that was set back hides nothing by what it then counts again.
        self.last_time_s = time_s

    def is_reported(self, gap: Gap) -> bool:
        """Whether the lock said of all these events that it had no room left for them."""
        seq = gap.first_seq
        for first, count in sorted(self.lost):
            if first <= seq < first + count:
                seq = first + count
        return seq > gap.last_seq

    def is_silent(self, now_s: float) -> bool:
        """Whether more than two heartbeats have passed since the last known time, or nothing ever came."""
        return self.last_time_s is None or now_s - self.last_time_s > _SILENCE_S

    def values(self, now_s: float) -> dict[str, Any]:
        """Returns the same as JSON values; `now_s` is the Unix time that silence is counted to."""
        gaps = [
            {"first_seq": gap.first_seq, "last_seq": gap.last_seq, "reported": self.is_reported(gap)}
            for gap in self.gaps
        ]
        last_s = self.last_time_s
        # Only where pictures are deleted at all.
        deleted = {"deleted_pictures": self.deleted_pictures} if self.deleted_pictures else {}
        return {
            "door": self.door,
            "public_key": self.public_key.hex(),
            "ok": not self.findings,
            "events": self.events,
            "last_seq": self.last_seq,
            "seals": self.seals,
            "unchecked": self.unchecked,
            "pictures": self.pictures,
            "pending_pictures": self.pending_pictures,
            **deleted,
            "gaps": gaps,
            "conflicts": self.conflicts,
            "silences": [silence.values() for silence in self.silences],
            "last_time": None if last_s is None else format_utc(last_s),
            "silent_s": None if last_s is None else int(now_s - last_s),
            "is_silent": self.is_silent(now_s),
        }
