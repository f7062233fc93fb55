"""What alerts say: which kind an event is, what one reader may know of it, and messages made of what has gathered.

Names come from cards and phones of strangers, so they are cut down to plain text here; titles never hold one.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from firmware.core import event, event_names, tz_string
from firmware.core.credential import DRIVER
from lobbylock import alert_rules as kinds
from lobbylock.door import Door
from lobbylock.eventline import person_name, printable
from lobbylock.readers import PERSONS, Reader

# What is no access, and the kind that it is told as.
EVENT_KINDS = {
    event.DOOR_FORCED: kinds.FORCED,
    event.DOOR_HELD: kinds.HELD,
    event.LOCKOUT_STARTED: kinds.LOCKED_OUT,
    event.EVENTS_LOST: kinds.GAP,
    event.JOURNAL_LOST: kinds.GAP,
    event.SAFE_MODE: kinds.TAMPER,
    event.CLOCK_REFUSED: kinds.TAMPER,
    event.FACTORY_RESET: kinds.TAMPER,
    event.SESSION_REFUSED: kinds.TAMPER,
    event.DEVELOPED: kinds.TAMPER,
    event.LIST_REFUSED: kinds.TAMPER,
    event.TASK_FAILED: kinds.TROUBLE,
    event.SETTINGS_REFUSED: kinds.TROUBLE,
    event.SETTINGS_REVERTED: kinds.TROUBLE,
    event.UPDATE_REVERTED: kinds.TROUBLE,
    event.LIST_LOST: kinds.TROUBLE,
}
# What says that a part is out of order, and what says that it works: one alert and one all-clear, however it flaps.
FAULT_EVENTS = {
    event.CAMERA_FAILED: kinds.CAMERA,
    event.READER_FAULT: kinds.READER,
    event.KEYPAD_FAULT: kinds.KEYPAD,
    event.STRIKE_FAILED: kinds.STRIKE,
    event.RADIO_FAULT: kinds.RADIO,
}
GOOD_EVENTS = {
    event.PICTURE: kinds.CAMERA,
    event.READER_RECOVERED: kinds.READER,
    event.UNLOCKED: kinds.STRIKE,
    event.RADIO_RECOVERED: kinds.RADIO,
}
_SENTENCES = {
    event.DOOR_FORCED: "the door was opened by force",
    event.DOOR_HELD: "the door was held open",
    event.LOCKOUT_STARTED: "too many wrong guesses, the lock takes none for a while",
    event.EVENTS_LOST: "the lock was full and lost events",
    event.JOURNAL_LOST: "the lock's journal was lost",
    event.SAFE_MODE: "the lock started in its safe mode",
    event.CLOCK_REFUSED: "a wrong time was offered to the lock, which refused it",
    event.FACTORY_RESET: "the lock was reset to factory state",
    event.SESSION_REFUSED: "somebody without a right key was at the lock's serial line",
    event.DEVELOPED: "the lock was opened for development",
    event.TASK_FAILED: "a part of the lock's program failed",
    event.SETTINGS_REFUSED: "the lock refused settings",
    event.SETTINGS_REVERTED: "the lock went back to its former settings",
    event.UPDATE_REVERTED: "the lock went back to its former version",
    event.LIST_REFUSED: "the lock refused a list of what is revoked",
    event.LIST_LOST: "the lock lost its list of what is revoked",
}
_FAULTS = {
    kinds.CAMERA: ("the camera fails", "the camera works again"),
    kinds.READER: ("the card reader fails", "the card reader works again"),
    kinds.KEYPAD: ("a key of the keypad is stuck", "the keypad works again"),
    kinds.STRIKE: ("the strike fails", "the strike works again"),
    kinds.RADIO: ("Bluetooth fails", "Bluetooth works again"),
    kinds.OFFLINE: ("the lock is not connected", "the lock is connected again"),
    kinds.BROKER: ("the broker does not answer", "the broker answers again"),
    kinds.STORE: ("the store fails; nothing is lost, but nothing is taken in", "the store works again"),
}
_TITLES = {
    kinds.LOCKED_OUT: "locked out",
    kinds.GAP: "events missing",
    kinds.CHAIN: "the record does not hold",
    kinds.TAMPER: "possible tampering",
    kinds.TROUBLE: "trouble in the lock",
}
OLDER = "older"
_MAX_LINES = 20
_MAX_NAME_CHARACTERS = 64
_MAX_BODY_CHARACTERS = 8_000
# Chat services make links, mentions and pictures of these; look-alikes that they leave alone stand in.
_TAMED = str.maketrans({"@": "\uff20", "<": "\u2039", ">": "\u203a", "[": "(", "]": ")", "`": "'", "*": "\u2217"})


def tame(text: str, limit: int = _MAX_NAME_CHARACTERS) -> str:
    """Returns a stranger's text as one plain line that neither mail nor chat takes for more than text."""
    return printable(text, limit).translate(_TAMED).replace("://", ":\u2215\u2215")


def kind_of(found: event.Event) -> str | None:
    """Returns the kind of alert that an event is; None for what nobody is told of, and for what faults are made of."""
    if found.kind != event.ACCESS:
        return EVENT_KINDS.get(found.kind)
    if found.details.get(event.REASON) != event.GRANTED:
        return kinds.REFUSED
    role = found.details.get(event.ROLE)
    is_driver = role == DRIVER if isinstance(role, int) else event.SLOT in found.details
    return kinds.DELIVERY if is_driver else kinds.ENTRY


def fault_part(found: event.Event) -> str | None:
    """Returns the part that an event says is out of order."""
    if found.kind == event.CAMERA_FAILED and found.details.get(event.REASON) == event.CAMERA_BUSY:
        # It is taking somebody else's picture.
        return None
    return FAULT_EVENTS.get(found.kind)


def good_part(found: event.Event) -> str | None:
    """Returns the part that an event shows to work."""
    if found.kind == event.ACCESS and found.details.get(event.VIA) == event.KEYPAD:
        return kinds.KEYPAD
    return GOOD_EVENTS.get(found.kind)


def select(
    reader: Reader, door: Door, found: event.Event, find: Callable[[int], event.Event | None]
) -> event.Event | None:
    """Returns what `reader` may know of `found`, None if nothing. `find` returns the event of a number."""
    told = [found]
    seq = found.details.get(event.ACCESS_SEQ)
    if reader.role in PERSONS and found.kind != event.ACCESS and isinstance(seq, int):
        # Whose door it was is said by the access that the event goes back to.
        access = find(seq)
        told = [access, found] if access is not None else told
    return next((shown for shown in reader.select(door, told) if shown.seq == found.seq), None)


def sentence(door: Door, found: event.Event) -> str:
    """Returns one line about an event, made of the details that are in it, times by the building's clock."""
    when = local(found.time_s, door)
    if found.kind != event.ACCESS:
        return f"{door.name}: {_SENTENCES.get(found.kind, 'something happened')}, {when}."
    who = person_name(door, found)
    shown = tame(who) if who is not None else "somebody"
    via = found.details.get(event.VIA)
    way = f" by {event_names.VIA_NAMES[via]}" if type(via) is int and 0 < via < len(event_names.VIA_NAMES) else ""
    reason = found.details.get(event.REASON)
    if reason == event.GRANTED:
        return f"{door.name}: {shown} was let in{way.replace('_', ' ')}, {when}."
    why = "a reason of a later version"
    if type(reason) is int and 0 <= reason < len(event_names.REASON_NAMES):
        why = event_names.REASON_NAMES[reason].replace("_", " ")
    return f"{door.name}: {shown} was refused{way.replace('_', ' ')} ({why}), {when}."


def fault_sentence(door: str, what: str, since_s: int, zone: str, *, is_over: bool) -> str:
    """Returns the line for a part that fails since `since_s`, or that works again. `door` is "" for the service."""
    text = _FAULTS[what][is_over]
    when = "" if is_over else f", since {local_text(since_s, zone)}"
    return f"{door or 'LobbyLock'}: {text}{when}."


def local(time_s: int | None, door: Door) -> str:
    return "at an unknown time" if time_s is None else local_text(time_s, door.options.zone)


def local_text(time_s: int, zone: str) -> str:
    """Returns "2026-09-21 14:03" by the clocks of the TZ string `zone`."""
    try:
        local_s = time_s + tz_string.parse(zone).offset_s(time_s)
        return datetime.fromtimestamp(local_s, timezone.utc).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return f"Unix time {time_s}"


@dataclass
class Heap:
    """What has gathered of one kind at one door for one person, until it is sent.

    `base` is what was told last, if that was less than an hour ago; `sums` counts what is too old to be told singly.
    By the name of an address (`alert_rules.Way`), `taken` says when it took this, and `refused` how often it did not,
    and when it is to be tried again.
    """

    lines: list[str] = field(default_factory=list)
    count: int = 0
    base: str | None = None
    sums: Counter[str] = field(default_factory=Counter)
    taken: dict[str, int] = field(default_factory=dict)
    refused: dict[str, tuple[int, int]] = field(default_factory=dict)

    def take(self, line: str) -> None:
        self.count += 1
        if len(self.lines) < _MAX_LINES:
            self.lines.append(line)
        else:
            self.lines[-1] = line

    def join(self, other: "Heap") -> None:
        """Adds what came later."""
        self.lines += other.lines
        del self.lines[_MAX_LINES - 1 : -1]
        self.count += other.count
        self.sums += other.sums

    def drop(self, is_known: Callable[[str], bool]) -> None:
        """Takes out the lines that `is_known`; only for heaps of which no line was left out."""
        self.lines = [line for line in self.lines if not is_known(line)]
        self.count = len(self.lines)

    def dump(self) -> str:
        values = {"lines": self.lines, "count": self.count, "base": self.base, "sums": self.sums}
        return json.dumps({**values, "taken": self.taken, "refused": self.refused})

    @classmethod
    def load(cls, text: str) -> "Heap":
        """Returns the heap in a row of the queue, which somebody may have edited."""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = {}
        value = value if isinstance(value, dict) else {}
        lines = [line for line in _listed(value.get("lines")) if isinstance(line, str)][:_MAX_LINES]
        count, base, sums = value.get("count"), value.get("base"), value.get("sums")
        refused = {name: tuple(_listed(pair)) for name, pair in _items(value.get("refused"))}
        return cls(
            lines,
            count if type(count) is int else len(lines),
            base if isinstance(base, str) else None,
            Counter({key: number for key, number in _items(sums) if type(number) is int}),
            {name: at_s for name, at_s in _items(value.get("taken")) if type(at_s) is int},
            {name: pair for name, pair in refused.items() if [type(each) for each in pair] == [int, int]},
        )

    def text(self, door: str, *, is_digest: bool) -> str:
        """Returns its lines for a message."""
        if self.sums:
            parts = [f"{number} {name.replace('_', ' ')}" for name, number in self.sums.most_common()]
            return f"{door}: {sum(self.sums.values())} older events: {', '.join(parts)}."
        if not self.lines:
            return f"{door}: something happened."
        if is_digest:
            more = self.count - len(self.lines)
            return "\n".join(self.lines + ([f"... and {more} more."] if more > 0 else []))
        if self.base is not None:
            return f"{self.base}\n... and {self.count} more since. The last: {self.lines[-1]}"
        if self.count == 1:
            return self.lines[0]
        return f"{self.lines[0]}\n... and {self.count - 1} more since. The last: {self.lines[-1]}"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _items(value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, dict) else []


def title_of(kind: str, about: str) -> str:
    """Returns a message's title: a kind and a door, no name of a person."""
    name = "older events" if kind == OLDER else _TITLES.get(kind, kind)
    door = place_of(about)
    return f"LobbyLock: {name} at {door}" if door else f"LobbyLock: {name}"


def message(parts: Sequence[tuple[str, str, str]], unsent: int) -> tuple[str, str]:
    """Returns (title, body) of `parts`, (kind, about, text) each. `unsent` messages before were given up on."""
    titles = {title_of(kind, about) for kind, about, _ in parts}
    title = titles.pop() if len(titles) == 1 else f"LobbyLock: {len(parts)} alerts"
    lines: Iterable[str] = (text for _, _, text in parts)
    body = "\n\n".join(lines)
    body = cut(body, _MAX_BODY_CHARACTERS)
    if unsent:
        # In front: the end of what is too long for a service is cut off.
        body = f"{unsent} earlier alerts could not be delivered and were given up on.\n\n{body}"
    return title, body


def cut(body: str, limit: int) -> str:
    """Returns whole lines of `body`, `limit` characters at most and a sentence that says that there is more."""
    if len(body) <= limit:
        return body
    return (body[:limit].rpartition("\n")[0] or body[:limit]) + "\n... and more; the page has all of it."


def about_of(kind: str, door: Door, found: event.Event) -> str:
    """Returns what alerts of one kind are counted together by: the door, and for deliveries whose they were."""
    who = person_name(door, found) if kind == kinds.DELIVERY else None
    return f"{door.name} {tame(who)}" if who is not None else door.name


def place_of(about: str) -> str:
    """Returns the door in what `about_of` returned."""
    return about.partition(" ")[0]
