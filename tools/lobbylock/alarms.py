"""What somebody should look at: forced and held doors, lock-outs, gaps, signs of tampering, faults.

The index of events finds the rows; what is said of them is read from their records. Whether the records hold is the
watchman's to say, and what it finds is an alarm here too.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import cbor
from sqlalchemy import Connection, func, select

from firmware.core import event
from lobbylock import tables
from lobbylock.door import Door
from lobbylock.eventline import in_words, kind_name, printable
from lobbylock.finding import GAP as GAP_FINDING
from lobbylock.finding import TWO_HISTORIES
from lobbylock.latest import latest_rows

FORCED = "forced"
HELD = "held"
LOCKED_OUT = "locked_out"
GAP = "gap"
CHAIN = "chain"
TAMPER = "tamper"
FAULT = "fault"
ALARM_KINDS = (FORCED, HELD, LOCKED_OUT, GAP, CHAIN, TAMPER, FAULT)

# Kind of event -> kind of alarm.
KINDS = {
    event.DOOR_FORCED: FORCED,
    event.DOOR_HELD: HELD,
    event.LOCKOUT_STARTED: LOCKED_OUT,
    event.EVENTS_LOST: GAP,
    event.JOURNAL_LOST: GAP,
    event.CLOCK_REFUSED: TAMPER,
    event.SAFE_MODE: TAMPER,
    event.SESSION_REFUSED: TAMPER,
    event.DEVELOPED: TAMPER,
    event.FACTORY_RESET: TAMPER,
    event.LIST_REFUSED: TAMPER,
    event.CAMERA_FAILED: FAULT,
    event.READER_FAULT: FAULT,
    event.STRIKE_FAILED: FAULT,
    event.KEYPAD_FAULT: FAULT,
    event.RADIO_FAULT: FAULT,
    event.TASK_FAILED: FAULT,
    event.SETTINGS_REFUSED: FAULT,
    event.SETTINGS_REVERTED: FAULT,
    event.UPDATE_REVERTED: FAULT,
    event.LIST_LOST: FAULT,
}
_SENTENCES = {
    event.DOOR_FORCED: "The door was opened and nobody had been let in.",
    event.DOOR_HELD: "The door is held open.",
    event.LOCKOUT_STARTED: "Too many wrong codes: the keypad was locked.",
    event.EVENTS_LOST: "The lock had no room left and lost events.",
    event.JOURNAL_LOST: "The lock lost its journal.",
    event.CLOCK_REFUSED: "The lock was told a time that it did not believe.",
    event.SAFE_MODE: "The lock failed to start several times and runs in its safe mode.",
    event.SESSION_REFUSED: "Somebody tried to open the lock's console with a wrong key.",
    event.DEVELOPED: "The lock was opened for development.",
    event.FACTORY_RESET: "The lock was set back to its factory state.",
    event.LIST_REFUSED: "The lock was given a list of revoked credentials that it refused.",
    event.CAMERA_FAILED: "The camera failed.",
    event.READER_FAULT: "The card reader does not answer.",
    event.STRIKE_FAILED: "The strike failed.",
    event.KEYPAD_FAULT: "The keypad has a fault.",
    event.RADIO_FAULT: "Bluetooth does not work.",
    event.TASK_FAILED: "A part of the lock's program failed, and it started anew.",
    event.SETTINGS_REFUSED: "The lock refused its settings and lets nobody in.",
    event.SETTINGS_REVERTED: "New settings did not work, and the lock went back.",
    event.UPDATE_REVERTED: "A new version did not work, and the lock went back.",
    event.LIST_LOST: "The lock lost its list of revoked credentials.",
}
# What says more, if it is in the record, and how.
_MORE = {event.REASON: "{}", event.NAME: "{}", event.DURATION_S: "for {} s", event.COUNT: "{} in all"}
# Of each kind and board so many are looked at: a contact that chatters must not fill the page.
MAX_EACH = 100
# "What" of those that are no events.
_GAP_ROW = "gap"
_CONFLICT = "two_histories"


class Found(Protocol):
    """What the watchman found: `lobbylock.watchman`."""

    @property
    def door(self) -> str: ...

    @property
    def seq(self) -> int: ...

    @property
    def what(self) -> str: ...

    @property
    def sentence(self) -> str: ...


@dataclass(frozen=True)
class Alarm:
    """One of ALARM_KINDS. `what` tells those of a kind apart; `time_s` is Unix time, when it was received if the lock
    knew no time. `seqs` are all that it stands for: faults of one kind that nobody has seen are one alarm, shown with
    the last one's `seq`. `chain` is 0 for what the watchman found, which nobody can put aside. `came_s` is when it was
    received: a lock that was away tells of it long after.
    """

    door: str
    chain: int
    seq: int
    kind: str
    what: str
    time_s: int
    sentence: str
    is_seen: bool = False
    seen_by: str | None = None
    seqs: tuple[int, ...] = field(default=())
    came_s: int = 0

    def known_s(self, now_s: int) -> int:
        """Returns when it was new: the later of its time and its receipt. What a clock that is ahead says does not
        count, or it would be new for ever."""
        return max((at_s for at_s in (self.time_s, self.came_s) if at_s <= now_s), default=now_s)

    @property
    def count(self) -> int:
        return max(1, len(self.seqs))

    @property
    def has_row(self) -> bool:
        """Whether there is a row of the record to show for it."""
        return self.seq > 0 and self.what != _GAP_ROW

    @property
    def is_grave(self) -> bool:
        """Whether the record itself does not hold."""
        return self.kind == CHAIN


def kind_of(found: event.Event) -> str | None:
    """Returns which of ALARM_KINDS an event is, or None."""
    return KINDS.get(found.kind)


def sentence_of(found: event.Event) -> str:
    """Returns what an event that is an alarm says, as one sentence."""
    more = []
    for key, words in _MORE.items():
        value = found.details.get(key)
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            continue
        more.append(words.format(printable(str(in_words(found.kind, key, value)))))
    sentence = _SENTENCES.get(found.kind, kind_name(found.kind))
    return f"{sentence.removesuffix('.')} ({', '.join(more)})." if more else sentence


def alarms(
    connection: Connection,
    doors: Collection[str] | Mapping[str, Door],
    since_s: int = 0,
    findings: Iterable[Found] = (),
    *,
    kinds: Collection[str] = ALARM_KINDS,
    each: int = MAX_EACH,
    now_s: int | None = None,
) -> list[Alarm]:
    """Returns the alarms at `doors` (full names) since Unix time `since_s`, the newest first, what the watchman found
    before all others; with `now_s` those that came since then as well. Of each kind of event and board those are the
    latest `each`."""
    chains = _chains(connection, doors)
    seen = _seen(connection, chains)
    found = [*_events(connection, chains, kinds, each), *_gaps(connection, chains), *_conflicts(connection, chains)]
    shown = []
    for alarm in found:
        if alarm.kind in kinds and (alarm.time_s if now_s is None else alarm.known_s(now_s)) >= since_s:
            account = seen.get((alarm.chain, alarm.seq, alarm.what))
            shown.append(_with(alarm, is_seen=account is not None, seen_by=account))
    shown.sort(key=lambda each: (each.time_s, each.seq), reverse=True)
    grave = [
        Alarm(each.door, 0, each.seq, CHAIN, each.what, 0, each.sentence)
        for each in findings
        if each.door in doors and CHAIN in kinds and each.what not in (GAP_FINDING, TWO_HISTORIES)
    ]
    return grave + _joined(shown)


def mark_seen(connection: Connection, chain: int, seqs: Iterable[int], what: str, account: str, now_s: int) -> None:
    """Notes that somebody has seen alarms; those that were seen before stay as they were."""
    known = set(
        connection.execute(
            select(tables.alarm_seen.c.seq).where(tables.alarm_seen.c.chain == chain, tables.alarm_seen.c.what == what)
        ).scalars()
    )
    rows = [
        {"chain": chain, "seq": seq, "what": what, "account": account, "seen_s": now_s}
        for seq in sorted(set(seqs) - known)
    ]
    if rows:
        connection.execute(tables.alarm_seen.insert(), rows)


def _chains(connection: Connection, doors: Collection[str]) -> dict[int, str]:
    rows = connection.execute(select(tables.chain.c.id, tables.chain.c.door))
    return {number: door for number, door in rows if door in doors}


def _seen(connection: Connection, chains: dict[int, str]) -> dict[tuple[int, int, str], str]:
    seen = tables.alarm_seen
    rows = connection.execute(select(seen.c.chain, seen.c.seq, seen.c.what, seen.c.account).where(_in(seen, chains)))
    return {(chain, seq, what): account for chain, seq, what, account in rows}


def _in(table: Any, chains: dict[int, str]) -> Any:
    return table.c.chain.in_(list(chains))


def _events(connection: Connection, chains: dict[int, str], kinds: Collection[str], each: int) -> Iterable[Alarm]:
    wanted = [kind for kind, name in KINDS.items() if name in kinds]
    for chain, record, received_s in latest_rows(connection, list(chains), wanted, each):
        found = decode(record)
        kind = None if found is None else kind_of(found)
        if found is None or kind is None:
            # An altered row, which is the watchman's to name.
            continue
        came_s = _number(received_s)
        time_s = came_s if found.time_s is None else found.time_s
        what = kind_name(found.kind)
        yield Alarm(chains[chain], chain, found.seq, kind, what, time_s, sentence_of(found), came_s=came_s)


def decode(record: object) -> event.Event | None:
    """Returns the event in a row's record, or None if it holds none; an edited store may hold anything."""
    try:
        return event.decode(record) if isinstance(record, bytes) else None
    except cbor.CborError:
        return None


def _gaps(connection: Connection, chains: dict[int, str]) -> Iterable[Alarm]:
    rows, after = tables.gap, tables.event
    query = (
        select(rows.c.chain, rows.c.first_seq, rows.c.last_seq, after.c.time_s, after.c.received_s)
        .join(after, (after.c.chain == rows.c.chain) & (after.c.seq == rows.c.last_seq + 1))
        .where(_in(rows, chains))
    )
    for chain, first_seq, last_seq, time_s, received_s in connection.execute(query):
        if not isinstance(first_seq, int):
            continue
        which = f"Event {first_seq}" if first_seq == last_seq else f"Events {first_seq} to {last_seq}"
        came_s = _number(received_s)
        known_s = came_s if time_s is None else _number(time_s)
        yield Alarm(chains[chain], chain, first_seq, GAP, _GAP_ROW, known_s, f"{which} never came.", came_s=came_s)


def _conflicts(connection: Connection, chains: dict[int, str]) -> Iterable[Alarm]:
    rows = tables.conflict
    query = select(rows.c.chain, rows.c.seq, func.max(rows.c.received_s)).where(_in(rows, chains))
    for chain, seq, received_s in connection.execute(query.group_by(rows.c.chain, rows.c.seq)):
        if not isinstance(seq, int):
            continue
        sentence = f"A message sealed by the door's own key tells another history, from event {seq} on."
        came_s = _number(received_s)
        yield Alarm(chains[chain], chain, seq, TAMPER, _CONFLICT, came_s, sentence, came_s=came_s)


def _number(time_s: object) -> int:
    """Returns a time; 0 for what an edited SQLite file may hold in its place."""
    return time_s if isinstance(time_s, int) else 0


def _with(alarm: Alarm, **changes: Any) -> Alarm:
    values = {**vars(alarm), **changes}
    return Alarm(**values)


def _joined(found: list[Alarm]) -> list[Alarm]:
    """Makes one of the faults of a kind at a board that nobody has seen: a dead camera fails at each visit."""
    joined: list[Alarm] = []
    places: dict[tuple[int, str], int] = {}
    for each in found:
        place = places.get((each.chain, each.what)) if each.kind == FAULT and not each.is_seen else None
        if place is not None:
            first = joined[place]
            joined[place] = _with(first, seqs=(*first.seqs, each.seq))
            continue
        if each.kind == FAULT and not each.is_seen:
            places[each.chain, each.what] = len(joined)
        joined.append(_with(each, seqs=(each.seq,)))
    return joined
