"""What became of everybody who came to a door: granted, picture, opened, closed, receipt, as one story each.

Made of the events of one board, verified before. Doors without a contact, and locks of older versions, leave out
whether the door was opened; then the story says so.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from firmware.core import event, event_names
from lobbylock.door import Door
from lobbylock.eventline import person_name, printable
from lobbylock.moment import format_local, format_utc

# What became of a grant.
OPENED = "opened"
OPENED_WITH = "opened_with_another"
WAS_OPEN = "was_open"
NOT_OPENED = "not_opened"
STRIKE_FAILED = "strike_failed"
UNKNOWN = "unknown"
REFUSED = "refused"
OUTCOMES = (OPENED, OPENED_WITH, WAS_OPEN, NOT_OPENED, STRIKE_FAILED, UNKNOWN, REFUSED)

# The events that belong to the story of the access whose number they give.
_NAMING = (
    event.DOOR_OPENED,
    event.DOOR_FORCED,
    event.DOOR_CLOSED,
    event.RECEIPT,
    event.NOT_OPENED,
    event.STRIKE_FAILED,
)


@dataclass
class Story:
    """What followed one access event, `access`. `who` is None if nobody knows.

    `opened_after_s` counts from the grant; `open_for_s` is there once the door is closed. `shared_with` is the number
    of the access that the door was opened for if that was another one. `picture_sha256` and `receipt` are hashes.
    `is_cut_short`: the lock started anew before it was over; `has_gap`: events are missing there.

    `first_seq` to `last_seq` are the events that it is made of: told from those alone it is the same, but for a picture
    that is announced elsewhere. `is_over`: only a receipt can still follow.
    """

    door: str
    access: event.Event
    who: str | None
    outcome: str = UNKNOWN
    shared_with: int | None = None
    opened_after_s: float | None = None
    open_for_s: int | None = None
    is_held: bool = False
    is_cut_short: bool = False
    has_gap: bool = False
    picture_sha256: bytes | None = None
    receipt: bytes | None = None
    first_seq: int = 0
    last_seq: int = 0
    is_over: bool = True

    @property
    def is_granted(self) -> bool:
        return self.access.details.get(event.REASON) == event.GRANTED

    @property
    def picture(self) -> int | None:
        """The number of the picture that was taken, if one was."""
        number = self.access.details.get(event.PICTURE_NUMBER)
        return number if isinstance(number, int) else None

    @property
    def is_left_open(self) -> bool:
        """Whether the door was open for it and nobody has seen it closed."""
        return self.outcome in (OPENED, OPENED_WITH, WAS_OPEN) and self.open_for_s is None

    def values(self) -> dict[str, Any]:
        """Returns the story as JSON values, hashes in hex."""
        found = self.access
        return {
            "door": self.door,
            "seq": found.seq,
            "time_s": found.time_s,
            "time": None if found.time_s is None else format_utc(found.time_s),
            "granted": self.is_granted,
            "reason": _name(event_names.REASON_NAMES, found.details.get(event.REASON)),
            "via": _name(event_names.VIA_NAMES, found.details.get(event.VIA)),
            "who": self.who,
            "role": _name(event_names.ROLE_NAMES, found.details.get(event.ROLE)),
            "picture": self.picture,
            "picture_sha256": _hex(self.picture_sha256),
            "outcome": self.outcome,
            "shared_with": self.shared_with,
            "opened_after_s": self.opened_after_s,
            "open_for_s": self.open_for_s,
            "held": self.is_held,
            "left_open": self.is_left_open,
            "cut_short": self.is_cut_short,
            "gap": self.has_gap,
            "receipt": _hex(self.receipt),
        }

    def text(self) -> Text:
        """Returns one line for people."""
        found = self.access
        when = f"boot {found.boot} +{found.uptime_ms / 1000:.3f} s"
        if found.time_s is not None:
            when = format_local(found.time_s)
        line = Text(f"{when:<24} {self.door} #{found.seq} ")
        reason = _name(event_names.REASON_NAMES, found.details.get(event.REASON))
        line.append(printable(str(reason)), "green" if self.is_granted else "yellow")
        if self.who is not None:
            line.append(f" {printable(self.who)}", "bold")
        line.append(f" by {_name(event_names.VIA_NAMES, found.details.get(event.VIA))}")
        for part in self._parts():
            line.append(f", {part}")
        return line

    def _parts(self) -> list[str]:
        parts = []
        if self.picture is not None:
            parts.append("picture" if self.picture_sha256 else "picture not there yet")
        if self.is_granted:
            parts += self._door_parts()
            if self.receipt or not self.has_gap:
                parts.append("receipt" if self.receipt else "no receipt")
        return parts

    def _door_parts(self) -> list[str]:
        said = {
            OPENED: f"opened after {self.opened_after_s} s",
            OPENED_WITH: f"opened together with {f'#{self.shared_with}' if self.shared_with else 'somebody else'}",
            WAS_OPEN: "the door was open already",
            NOT_OPENED: "not opened",
            STRIKE_FAILED: "the strike failed",
        }
        parts = [said.get(self.outcome, "whether it was opened is not known")]
        if self.open_for_s is not None:
            parts.append(f"closed, open for {self.open_for_s} s")
        elif self.is_left_open:
            parts.append(self._why_left_open())
        if self.is_held:
            parts.append("held open")
        return parts

    def _why_left_open(self) -> str:
        if self.has_gap:
            return "events are missing while it was open"
        return "the lock was cut off while it was open" if self.is_cut_short else "still open"


def stories(door: Door, events: Iterable[event.Event]) -> list[Story]:
    """Returns the story of each access among `events`, those of one board in their order."""
    teller = Teller(door)
    for found in events:
        teller.take(found)
    return teller.finish()


@dataclass(frozen=True)
class Moment:
    """How things stand behind the event `last`: the accesses that are waiting for the door to be opened, those it is
    open for, and the number of the event that opened it, None while it is closed."""

    last: event.Event
    waiting: tuple[Story, ...] = ()
    inside: tuple[Story, ...] = ()
    opened_seq: int | None = None


class Teller:
    """Follows one board's events. The door is the same for all: what happens to it belongs to everybody let in.

    `find` returns the story of an earlier access by its number, None if there is none; `from_here` is how things stood
    before the first event that is taken. Without them there was nothing before it.
    """

    def __init__(
        self, door: Door, find: Callable[[int], Story | None] | None = None, from_here: Moment | None = None
    ) -> None:
        self._door = door
        self._find = find
        self._told: dict[int, Story] = {}
        # Let in, and not known whether anybody went; those for whom the door is open now.
        self._waiting: dict[int, Story] = {}
        self._inside: dict[int, Story] = {}
        self._opened_seq: int | None = None
        self._pictures: dict[int, bytes] = {}
        self._last: event.Event | None = None
        if from_here is not None:
            self._last, self._opened_seq = from_here.last, from_here.opened_seq
            self._waiting = {story.access.seq: story for story in from_here.waiting}
            self._inside = {story.access.seq: story for story in from_here.inside}
            self._told = {**self._waiting, **self._inside}

    @property
    def told(self) -> dict[int, Story]:
        """The stories by the numbers of their accesses, those that were found again among them."""
        return self._told

    def take(self, found: event.Event) -> None:
        """Takes the next event."""
        self.meet(found)
        if found.kind == event.ACCESS:
            self._begin(found)
        elif found.kind in (event.DOOR_OPENED, event.DOOR_FORCED):
            self._open(found)
        elif found.kind == event.DOOR_CLOSED:
            self._close(found)
        elif found.kind == event.DOOR_HELD:
            for story in self._inside.values():
                story.is_held = True
                story.last_seq = found.seq
        elif found.kind == event.PICTURE:
            self._note_picture(found)
        else:
            self._follow(found)

    def meet(self, found: event.Event) -> None:
        """Ends what cannot go on when `found` is the next event, and takes nothing else from it."""
        last, self._last = self._last, found
        has_gap = last is not None and found.seq != last.seq + 1
        if has_gap or last is None or found.boot != last.boot:
            self._cut(found, has_gap=has_gap)

    def forget(self) -> list[Story]:
        """Returns the stories that are over and knows them no longer: whatever names one of them asks `find`."""
        over = [story for story in self._told.values() if story.is_over]
        self._told = {**self._waiting, **self._inside}
        return over

    def finish(self) -> list[Story]:
        """Returns the stories in order, with the hashes of those pictures that were announced."""
        for story in self._told.values():
            story.picture_sha256 = self._pictures.get(story.picture or 0)
        return list(self._told.values())

    def _begin(self, found: event.Event) -> None:
        story = Story(self._door.name, found, person_name(self._door, found), first_seq=found.seq, last_seq=found.seq)
        self._told[found.seq] = story
        if not story.is_granted:
            story.outcome = REFUSED
        elif self._opened_seq is not None:
            story.outcome = WAS_OPEN
            story.first_seq = self._opened_seq
            self._let_in(story)
        else:
            story.is_over = False
            self._waiting[found.seq] = story

    def _let_in(self, story: Story) -> None:
        story.is_over = False
        self._inside[story.access.seq] = story

    def _open(self, found: event.Event) -> None:
        self._opened_seq = found.seq
        story = self._of(found)
        if story is None:
            return
        story.outcome = OPENED
        # A clock does not say so, for it may have been set in between.
        story.opened_after_s = round((found.uptime_ms - story.access.uptime_ms) / 1000, 1)
        self._let_in(story)
        for other in self._waiting.values():
            if other is not story:
                other.outcome = OPENED_WITH
                other.shared_with = story.access.seq
                other.first_seq = min(other.first_seq, story.access.seq)
                other.last_seq = found.seq
                self._let_in(other)
        self._waiting = {}

    def _close(self, found: event.Event) -> None:
        duration_s = found.details.get(event.DURATION_S)
        named = self._of(found)
        for story in [*self._inside.values(), *([] if named is None else [named])]:
            story.open_for_s = duration_s if isinstance(duration_s, int) else 0
            story.last_seq = found.seq
        for story in self._inside.values():
            story.is_over = True
        self._inside = {}
        self._opened_seq = None

    def _follow(self, found: event.Event) -> None:
        story = self._of(found)
        if story is None:
            return
        if found.kind == event.RECEIPT:
            digest = found.details.get(event.SHA256)
            story.receipt = digest if isinstance(digest, bytes) else None
        elif found.kind in (event.NOT_OPENED, event.STRIKE_FAILED):
            story.outcome = NOT_OPENED if found.kind == event.NOT_OPENED else STRIKE_FAILED
            if self._waiting.pop(story.access.seq, None) is not None:
                story.is_over = True

    def _note_picture(self, found: event.Event) -> None:
        number, digest = found.details.get(event.PICTURE_NUMBER), found.details.get(event.SHA256)
        if isinstance(number, int) and isinstance(digest, bytes):
            self._pictures[number] = digest

    def _of(self, found: event.Event) -> Story | None:
        """Returns the story that an event names; a lock that names one of another start has none."""
        if found.kind not in _NAMING:
            return None
        seq = found.details.get(event.ACCESS_SEQ)
        if not isinstance(seq, int):
            return None
        story = self._told.get(seq)
        if story is None and self._find is not None:
            story = self._find(seq)
        if story is None or not (found.boot == story.access.boot or found.kind == event.RECEIPT):
            return None
        self._told[seq] = story
        story.last_seq = found.seq
        return story

    def _cut(self, found: event.Event, *, has_gap: bool) -> None:
        """What was not said is not to be guessed: the lock has started anew, or events are missing."""
        for story in [*self._inside.values(), *self._waiting.values()]:
            story.has_gap |= has_gap
            story.is_cut_short |= not has_gap
            story.is_over = True
            story.last_seq = found.seq
        self._inside = {}
        self._waiting = {}
        self._opened_seq = None


def _name(names: tuple[str, ...], number: Any) -> Any:
    """Returns what `number` stands for; None without one, and numbers of a later version as they are."""
    is_known = isinstance(number, int) and not isinstance(number, bool) and 0 <= number < len(names)
    return (names[number] or number) if is_known else number


def _hex(digest: bytes | None) -> str | None:
    return None if digest is None else digest.hex()
