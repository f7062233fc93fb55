"""How a door stands by its latest events, and which of them are told to Home Assistant. Pure: no store, no network."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any

from firmware.core import event, event_names
from firmware.core.credential import DRIVER
from lobbylock import alarms
from lobbylock import home_assistant_device as device
from lobbylock.door import Door
from lobbylock.eventline import person_name, printable
from lobbylock.readers import OTHER_RESIDENT, OWN, Reader

# What happened longer ago is no news: no strike is shown as released for it, and no automation starts by it.
RECENT_S = 120
# A lock may wait so long before it seals and sends, and its clock may be behind; a pulse before that is not shown.
_CLOCKS_S = 30
_MAX_NAME_CHARACTERS = 64
_MAX_VERSION_CHARACTERS = 32

# What says that a part is out of order, and what says later on that it works.
_FAULTS = {
    event.CAMERA_FAILED: (event.PICTURE,),
    event.READER_FAULT: (event.READER_RECOVERED, event.BOOT),
    event.KEYPAD_FAULT: (event.BOOT,),
    event.STRIKE_FAILED: (event.UNLOCKED,),
    event.RADIO_FAULT: (event.RADIO_RECOVERED, event.BOOT),
    event.LIST_LOST: (event.LIST_TAKEN,),
}
_OPENINGS = (event.DOOR_OPENED, event.DOOR_FORCED)
# The latest of each says how the door stands.
KINDS = tuple(
    sorted(
        {event.BOOT, event.UNLOCKED, event.LOCKED, event.DOOR_CLOSED, *_OPENINGS, *_FAULTS}
        | {kind for kinds in _FAULTS.values() for kind in kinds}
    )
)


class Neighbour(Reader):
    """A resident whom nothing belongs to: reads what every resident of the building may."""

    def __init__(self) -> None:
        super().__init__("resident")

    def whose(self, door: Door, found: event.Event) -> str:
        # A record without a name would be that of a reader without one.
        whose = super().whose(door, found)
        return OTHER_RESIDENT if whose == OWN else whose


class Standing:
    """How one board's door stands, by the events that were taken. Times are Unix seconds."""

    def __init__(self, release_ms: int) -> None:
        self._release_s = release_ms / 1000
        self._latest: dict[int, event.Event] = {}
        # Until when the strike is shown as released unless the lock says before that it is locked.
        self._released_until_s = 0.0
        self._doubt_seq = 0

    def take(self, found: event.Event, now_s: float, *, is_new: bool = True) -> None:
        """Takes a verified event, in any order. `is_new`: it came at this moment, `now_s`, else it was stored."""
        known = self._latest.get(found.kind)
        if found.kind not in KINDS or (known is not None and known.seq >= found.seq):
            return
        if found.kind == event.CAMERA_FAILED and found.details.get(event.REASON) == event.CAMERA_BUSY:
            # It is taking somebody else's picture.
            return
        self._latest[found.kind] = found
        if found.kind == event.UNLOCKED:
            self._released_until_s = self._end_of_pulse_s(found, now_s, is_new=is_new)

    def doubt(self, seq: int) -> None:
        """Notes that nobody knows what event `seq` was."""
        self._doubt_seq = max(self._doubt_seq, seq)

    def _end_of_pulse_s(self, found: event.Event, now_s: float, *, is_new: bool) -> float:
        longest_s = self._release_s + device.STRIKE_GRACE_S
        if found.time_s is None:
            return 0.0
        if not is_new:
            return min(found.time_s, now_s) + longest_s
        # The lock's clock may be behind, but a pulse that began long ago is over.
        return now_s + longest_s if now_s - found.time_s <= self._release_s + _CLOCKS_S else 0.0

    def strike(self, now_s: float) -> str:
        """Returns ON while the strike is released. The event that ends it may be lost: a pulse has an end by itself."""
        is_released = self._seq(event.UNLOCKED) > max(self._seq(event.LOCKED), self._seq(event.BOOT))
        return device.ON if is_released and now_s < self._released_until_s else device.OFF

    def contact(self, last_gap_seq: int = 0) -> str:
        """Returns ON while the door is open, UNKNOWN if nothing says how it is, or if an event behind the last that
        does is missing (`last_gap_seq` is the last one missing) or in doubt."""
        opened = max(map(self._seq, _OPENINGS))
        closed = self._seq(event.DOOR_CLOSED)
        # A start with an open door says so right behind it.
        last = max(opened, closed, self._seq(event.BOOT))
        if not last or max(last_gap_seq, self._doubt_seq) > last:
            return device.UNKNOWN
        return device.ON if opened == last else device.OFF

    def problem(self) -> str:
        """Returns ON while a part is out of order."""
        failing = (
            kind in self._latest and self._seq(kind) > max(map(self._seq, good)) for kind, good in _FAULTS.items()
        )
        return device.ON if any(failing) else device.OFF

    @property
    def version(self) -> str | None:
        """The firmware's version, of the last start."""
        boot = self._latest.get(event.BOOT)
        value = boot.details.get(event.VERSION) if boot else None
        return printable(value, _MAX_VERSION_CHARACTERS) if isinstance(value, str) and value else None

    def _seq(self, kind: int) -> int:
        found = self._latest.get(kind)
        return found.seq if found else 0


class Late:
    """Events that are too old to be told one by one: how many of each type, from when to when."""

    def __init__(self) -> None:
        self.count: Counter[str] = Counter()
        self._first_s: int | None = None
        self._last_s: int | None = None

    def take(self, event_type: str, time_s: int | None) -> None:
        self.count[event_type] += 1
        self._span(time_s)

    def add(self, other: "Late") -> None:
        """Takes all those that `other` has."""
        self.count += other.count
        for time_s in (other._first_s, other._last_s):
            self._span(time_s)

    def _span(self, time_s: int | None) -> None:
        if time_s is not None:
            self._first_s = time_s if self._first_s is None else min(self._first_s, time_s)
            self._last_s = time_s if self._last_s is None else max(self._last_s, time_s)

    def message(self) -> dict[str, Any]:
        """Returns the one message that stands for them."""
        times = {"first": iso(self._first_s), "last": iso(self._last_s)}
        return {"event_type": device.LATE, "events": dict(sorted(self.count.items())), **times}


def is_recent(found: event.Event, now_s: float) -> bool:
    """Whether an event has just happened, or its clock is somewhat ahead. Nobody knows that of one without a time."""
    return found.time_s is not None and abs(now_s - found.time_s) <= RECENT_S


def iso(time_s: int | None) -> str | None:
    """Returns ISO 8601 in UTC, None for what is no time of a calendar."""
    try:
        return None if time_s is None else datetime.fromtimestamp(time_s, timezone.utc).isoformat()
    except (ValueError, OverflowError, OSError):
        return None


def event_message(reader: Reader, door: Door, found: event.Event) -> dict[str, Any] | None:
    """Returns what `reader` may know of an event as the payload of an event entity, None for what is not told."""
    kind = event_type(found)
    shown = None if kind is None else reader.show_event(door, found, None)
    if kind is None or shown is None:
        return None
    message: dict[str, Any] = {"event_type": kind, "seq": found.seq, "time": iso(found.time_s)}
    if found.kind != event.ACCESS:
        # Its sentence stands on the page; details may hold names.
        return message
    who = person_name(door, shown)
    message["who"] = None if who is None else printable(who, _MAX_NAME_CHARACTERS)
    message["via"] = _name(event_names.VIA_NAMES, shown.details.get(event.VIA))
    message["picture"] = event.PICTURE_NUMBER in shown.details
    if kind == device.REFUSED:
        message["reason"] = _name(event_names.REASON_NAMES, shown.details.get(event.REASON))
    return message


def told_type(reader: Reader, door: Door, found: event.Event) -> str | None:
    """Returns which type of event `reader` is told of, None if of nothing."""
    message = event_message(reader, door, found)
    return None if message is None else message["event_type"]


def event_type(found: event.Event) -> str | None:
    """Returns which of ALL_EVENT_TYPES an event is."""
    if found.kind != event.ACCESS:
        return alarms.kind_of(found)
    if found.details.get(event.REASON) != event.GRANTED:
        return device.REFUSED
    role = found.details.get(event.ROLE)
    is_driver = role == DRIVER if isinstance(role, int) else event.SLOT in found.details
    return device.DELIVERY if is_driver else device.ENTRY


def last_gap_seq(gaps: Iterable[tuple[int, int]]) -> int:
    """Returns the last missing event of `gaps`, (first, last) each; 0 without any."""
    return max((last for _, last in gaps), default=0)


def _name(names: tuple[str, ...], number: object) -> str | None:
    """Returns what a number stands for, None for one of a later version and for anything else."""
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < len(names):
        return None
    return names[number] or None
