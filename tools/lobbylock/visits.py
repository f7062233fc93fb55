"""The index of visits: one row for the story of each access, by which the story is found and by nothing else decided.

It follows the record inside the transaction that stores events, whatever order those come in, and whenever the
collector was started. A row tells which events its story is made of; what people see is told again from those.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import cbor
from sqlalchemy import Connection, Row, bindparam, delete, false, func, insert, select, union_all, update

from firmware.core import event, event_names
from firmware.core.credential import DRIVER
from lobbylock import tables
from lobbylock.door import Door
from lobbylock.names import is_door, split_door
from lobbylock.settings import Options
from lobbylock.story import UNKNOWN, Moment, Story, Teller
from lobbylock.verify import is_number

_EVENT = tables.event
_VISIT = tables.visit
_GAP = tables.gap
# What a row holds besides its key, in this order.
COLUMNS = tuple(column.name for column in _VISIT.columns if column.name not in ("chain", "seq"))
_CHUNK = 2_000
_WORDS = tables.Words()

_MOVES = (event.DOOR_OPENED, event.DOOR_FORCED, event.DOOR_CLOSED)
_CHAIN, _FIRST, _LAST = bindparam("chain_id"), bindparam("first"), bindparam("last")
_EVENTS = select(_EVENT.c.seq, _EVENT.c.record, _EVENT.c.received_s).where(_EVENT.c.chain == _CHAIN)
_BEFORE = _EVENTS.where(_EVENT.c.seq < _FIRST).order_by(_EVENT.c.seq.desc()).limit(1)
_BEHIND = _EVENTS.where(_EVENT.c.seq > _LAST).order_by(_EVENT.c.seq).limit(1)
_BEHIND_ALL = _EVENTS.where(_EVENT.c.seq > _LAST).order_by(_EVENT.c.seq).limit(_CHUNK)
_RECEIPTS = _BEHIND_ALL.where(_EVENT.c.kind == event.RECEIPT)
_RANGE = _EVENTS.where(_EVENT.c.seq.between(_FIRST, _LAST)).order_by(_EVENT.c.seq)
_RANGE_FROM = _RANGE.limit(_CHUNK)


def _last_of(kind: int) -> Any:
    return (
        select(_EVENT.c.seq, _EVENT.c.kind)
        .where(_EVENT.c.kind == kind, _EVENT.c.chain == _CHAIN, _EVENT.c.seq <= _LAST)
        .order_by(_EVENT.c.seq.desc())
        .limit(1)
        .subquery()
    )


_LAST_MOVES = union_all(*(select(_last_of(kind)) for kind in _MOVES))
_GAPS = select(_GAP.c.first_seq).where(_GAP.c.chain == _CHAIN, _GAP.c.first_seq > _FIRST, _GAP.c.first_seq <= _LAST)
_ROWS = (
    select(_VISIT, _EVENT.c.record, _EVENT.c.received_s)
    .join(_EVENT, (_EVENT.c.chain == _VISIT.c.chain) & (_EVENT.c.seq == _VISIT.c.seq))
    .where(_VISIT.c.chain == _CHAIN)
    .order_by(_VISIT.c.seq)
)
_ROW = _ROWS.where(_VISIT.c.seq == bindparam("access"))
_OPEN_ROWS = _ROWS.where(_VISIT.c.is_over == false())
_LATER_ROWS = _ROWS.where(
    _VISIT.c.seq <= bindparam("until"), (_VISIT.c.last_seq > bindparam("until")) | (_VISIT.c.is_over == false())
)
_ROWS_BETWEEN = _ROWS.where(_VISIT.c.seq.between(_FIRST, _LAST))
_VISIT_ROWS = select(_VISIT).where(_VISIT.c.chain == _CHAIN, _VISIT.c.seq > _LAST)
_CHANGE = (
    update(_VISIT)
    .where(_VISIT.c.chain == _CHAIN, _VISIT.c.seq == bindparam("access"))
    .values({name: bindparam(name) for name in COLUMNS})
)


class Named(Protocol):
    """What of a chain is needed here."""

    @property
    def id(self) -> int: ...

    @property
    def door(self) -> str: ...


def index_events(connection: Connection, chain: Named, door: Door | None, events: Iterable[event.Event]) -> None:
    """Takes the `events` that are new in `chain`, whose rows and gaps are written, into the index.

    `door` is the door's record, which knows the names of slots; without it those have none.
    """
    taken = sorted(events, key=lambda found: found.seq)
    record = _record_of(chain, door)
    if taken and record is not None:
        _Indexer(connection, chain.id, record).take(taken)


def reindex(connection: Connection, doors: dict[str, Door]) -> int:
    """Makes the whole index anew from the record, inside of the caller's transaction. Returns the number of visits.

    Rows that hold no event, which the audit names, are passed over.
    """
    connection.execute(delete(_VISIT))
    for chain in connection.execute(select(tables.chain).order_by(tables.chain.c.id)).all():
        record = _record_of(chain, doors.get(chain.door))
        if record is not None:
            _Indexer(connection, chain.id, record).take_all()
    return connection.execute(select(func.count()).select_from(_VISIT)).scalar_one()


def row_values(story: Story, received_s: int) -> dict[str, Any]:
    """Returns the columns of the row of `story`, whose access was received at `received_s`."""
    found = story.access
    details = found.details
    picture = story.picture
    return {
        "first_seq": story.first_seq,
        "last_seq": story.last_seq,
        "time_s": found.time_s,
        "shown_s": received_s if found.time_s is None else found.time_s,
        "role": _text(role_name(found)),
        "via": _text(_name(event_names.VIA_NAMES, details.get(event.VIA))),
        "reason": _text(_name(event_names.REASON_NAMES, details.get(event.REASON))),
        "person": _text(story.who),
        "kid": _bytes(details.get(event.KID)),
        "credential_id": _bytes(details.get(event.CREDENTIAL_ID)),
        "parent_id": _bytes(details.get(event.PARENT_ID)),
        "outcome": story.outcome,
        "is_over": story.is_over,
        # A number from elsewhere may be too long for a column.
        "picture": picture if is_number(picture) else None,
    }


def role_name(found: event.Event) -> str | None:
    """Returns the name of the role that an access tells, also where a code says it by its class alone."""
    role = found.details.get(event.ROLE)
    if isinstance(role, int):
        return _name(event_names.ROLE_NAMES, role)
    return event_names.ROLE_NAMES[DRIVER] if event.SLOT in found.details else None


def _record_of(chain: Any, door: Door | None) -> Door | None:
    """Returns the record of a chain's door, one that knows nobody if there is none, None if no door is called so."""
    if door is not None or not isinstance(chain.door, str) or not is_door(chain.door):
        return door
    return Door(*split_door(chain.door), 0, Options())


class _Indexer:
    """Follows one chain. The teller knows what is not over, and asks the index for the rest."""

    def __init__(self, connection: Connection, chain: int, door: Door) -> None:
        self._connection = connection
        self._chain = chain
        self._door = door
        # By the number of the access: when it was received, and the row that is there already.
        self._received: dict[int, int] = {}
        self._stored: dict[int, dict[str, Any]] = {}
        # What was told again up to where the new events begin, and is over.
        self._over: dict[int, Story] = {}

    def take_all(self) -> None:
        """Takes the whole chain, of which nothing is in the index."""
        teller = Teller(self._door, self._find)
        for rows in self._chunks(_BEHIND_ALL, last=0):
            for found in self._decode(rows):
                teller.take(found)
            self._write(teller.told.values())
            # What is over comes back from the index, should a receipt ask for it.
            teller.forget()
            self._received = {seq: self._received[seq] for seq in teller.told}
            self._stored = {seq: self._stored[seq] for seq in teller.told}

    def take(self, events: list[event.Event]) -> None:
        """Takes new events, in their order, wherever they belong."""
        first, last = events[0].seq, events[-1].seq
        rows = self._connection.execute(_RANGE, {"chain_id": self._chain, "first": first, "last": last}).all()
        # Others of the same message may have been there before.
        events = self._decode(rows)
        before, behind = self._one(_BEFORE, first=first), self._one(_BEHIND, last=last)
        teller = Teller(self._door, self._find, self._moment(before, is_end=behind is None))
        for found in events:
            teller.take(found)
        if behind is not None:
            self._go_on(teller, events, last)
        self._write(teller.told.values())

    # How things stood.

    def _moment(self, before: event.Event | None, *, is_end: bool) -> Moment | None:
        """Returns how things stood behind `before`, the last event that comes before the new ones."""
        if before is None:
            return None
        if is_end:
            rows = self._connection.execute(_OPEN_ROWS, {"chain_id": self._chain}).all()
            unfinished = [story for story in map(self._load, rows) if story is not None]
        else:
            unfinished = self._retell(before.seq)
        self._over = {story.access.seq: story for story in unfinished if story.is_over}
        waiting = tuple(story for story in unfinished if not story.is_over and story.outcome == UNKNOWN)
        inside = tuple(story for story in unfinished if not story.is_over and story.outcome != UNKNOWN)
        return Moment(before, waiting, inside, self._opened_seq(before))

    def _retell(self, until: int) -> list[Story]:
        """Returns, as they stood behind event `until`, the stories that something behind it has a part in."""
        rows = self._connection.execute(_LATER_ROWS, {"chain_id": self._chain, "until": until}).all()
        for row in rows:
            self._load(row)
        if not rows:
            return []
        teller = Teller(self._door)
        for chunk in self._chunks(_RANGE_FROM, first=min(row.first_seq for row in rows), last=until):
            for found in self._decode(chunk):
                teller.take(found)
        return [teller.told[row.seq] for row in rows if row.seq in teller.told]

    def _opened_seq(self, before: event.Event) -> int | None:
        """Returns which event opened the door that is open behind `before`."""
        values = {"chain_id": self._chain, "last": before.seq}
        moves = sorted((row.seq, row.kind) for row in self._connection.execute(_LAST_MOVES, values))
        if not moves or moves[-1][1] == event.DOOR_CLOSED:
            return None
        opened = self._one(_RANGE, first=moves[-1][0], last=moves[-1][0])
        if opened is None or opened.boot != before.boot:
            return None
        is_cut = self._connection.execute(_GAPS, {"chain_id": self._chain, "first": opened.seq, "last": before.seq})
        return opened.seq if is_cut.first() is None else None

    def _find(self, seq: int) -> Story | None:
        """Returns the story of an earlier access, from the index."""
        if seq in self._over:
            return self._over[seq]
        if not is_number(seq):
            return None
        row = self._connection.execute(_ROW, {"chain_id": self._chain, "access": seq}).first()
        return None if row is None else self._load(row)

    def _load(self, row: Row[Any]) -> Story | None:
        """Returns the story of a row, as far as an index needs it."""
        self._received[row.seq] = row.received_s
        self._stored[row.seq] = {name: getattr(row, name) for name in COLUMNS}
        (access, *_) = self._decode([row]) or [None]
        if access is None:
            return None
        story = Story(self._door.name, access, row.person, row.outcome)
        story.first_seq, story.last_seq, story.is_over = row.first_seq, row.last_seq, bool(row.is_over)
        return story

    # What is behind.

    def _go_on(self, teller: Teller, events: list[event.Event], last: int) -> None:
        """Takes again what is behind, since events before it came in between: all up to the lock's next start, and
        from there on what can still belong to an access of before."""
        boot = events[-1].boot
        for chunk in self._chunks(_BEHIND_ALL, last=last):
            self._load_between(chunk[0].seq, chunk[-1].seq)
            for found in self._decode(chunk):
                if found.boot != boot:
                    teller.meet(found)
                    return self._take_receipts(teller, found.seq)
                teller.take(found)

    def _take_receipts(self, teller: Teller, last: int) -> None:
        for chunk in self._chunks(_RECEIPTS, last=last):
            for found in self._decode(chunk):
                access_seq = found.details.get(event.ACCESS_SEQ)
                if found.kind == event.RECEIPT and isinstance(access_seq, int) and access_seq in teller.told:
                    teller.take(found)

    def _load_between(self, first: int, last: int) -> None:
        for row in self._connection.execute(_ROWS_BETWEEN, {"chain_id": self._chain, "first": first, "last": last}):
            self._load(row)

    # Reading and writing.

    def _chunks(self, statement: Any, **values: int) -> Iterator[list[Row[Any]]]:
        """Yields the rows of `statement` that lie behind `last`, or between `first` and `last`, some at a time."""
        while True:
            rows = self._connection.execute(statement, {"chain_id": self._chain, **values}).all()
            if rows:
                yield list(rows)
            if len(rows) < _CHUNK:
                return
            values["first" if "first" in values else "last"] = rows[-1].seq + ("first" in values)

    def _one(self, statement: Any, **values: int) -> event.Event | None:
        row = self._connection.execute(statement, {"chain_id": self._chain, **values}).first()
        return None if row is None else next(iter(self._decode([row])), None)

    def _decode(self, rows: Iterable[Row[Any]]) -> list[event.Event]:
        """Returns the events of rows. Those that hold none are passed over: the audit names them."""
        events = []
        for row in rows:
            found = decode_row(row.seq, row.record)
            if found is not None:
                self._received[row.seq] = row.received_s
                events.append(found)
        return events

    def _write(self, stories: Iterable[Story]) -> None:
        """Writes the rows of those stories that are new or other than they were."""
        added, changed = [], []
        for story in stories:
            seq = story.access.seq
            values = row_values(story, self._received[seq])
            stored = self._stored.get(seq)
            if stored is None:
                added.append({"chain": self._chain, "seq": seq, **values})
            elif values != stored:
                changed.append({"chain_id": self._chain, "access": seq, **values})
            self._stored[seq] = values
        if added:
            self._connection.execute(insert(_VISIT), added)
        if changed:
            self._connection.execute(_CHANGE, changed)


def decode_row(seq: object, record: object) -> event.Event | None:
    """Returns the event of a row, None if it holds none or another one. In an edited store both are of any type."""
    if not isinstance(record, bytes):
        return None
    try:
        found = event.decode(record)
    except cbor.CborError:
        return None
    return found if found.seq == seq else None


def compare_index(connection: Connection, chain: Named, door: Door | None) -> list[int]:
    """Returns, in order, the numbers of the accesses whose row in the index is not what the record tells: altered,
    gone, or made up."""
    record = _record_of(chain, door)
    found = set() if record is None else _Comparison(connection, chain.id, record).run()
    # In an edited store a number may be anything.
    return sorted({seq if is_number(seq) else 0 for seq in found})


class _Comparison:
    """Holds what differs so far: a later receipt may still belong to it."""

    def __init__(self, connection: Connection, chain: int, door: Door) -> None:
        self._connection = connection
        self._chain = chain
        self._rows: dict[int, Row[Any]] = {}
        self._door = door
        self._stories: dict[int, Story] = {}
        self._received: dict[int, int] = {}
        self._teller = Teller(door, self._stories.get)

    def run(self) -> set[int]:
        last = 0
        while True:
            values = {"chain_id": self._chain, "last": last}
            rows = self._connection.execute(_BEHIND_ALL, values).all()
            end = rows[-1].seq if len(rows) == _CHUNK else None
            between = _VISIT_ROWS if end is None else _VISIT_ROWS.where(_VISIT.c.seq <= end)
            self._rows.update((row.seq, row) for row in self._connection.execute(between, values))
            for row in rows:
                found = decode_row(row.seq, row.record)
                if found is not None:
                    self._received[row.seq] = row.received_s
                    self._teller.take(found)
            for story in self._teller.forget() if end is not None else list(self._teller.told.values()):
                self._stories[story.access.seq] = story
            self._drop_equal()
            if end is None:
                return self._rows.keys() | self._stories.keys()
            last = end

    def _drop_equal(self) -> None:
        for seq, story in list(self._stories.items()):
            row = self._rows.get(seq)
            if row is not None and differing_columns(row, story, self._received[seq], self._door) == []:
                del self._rows[seq], self._stories[seq]
        known = self._stories.keys() | self._teller.told.keys()
        self._received = {seq: at_s for seq, at_s in self._received.items() if seq in known}


def differing_columns(row: Any, story: Story, received_s: int, door: Door) -> list[str]:
    """Returns the columns of a visit's row that are not what `story`, told from the record, says."""
    differing = []
    for name, value in row_values(story, received_s).items():
        stored = getattr(row, name)
        if name == "person" and _is_renamed(stored, value, story, door):
            continue
        if stored != value or (isinstance(stored, bytes) != isinstance(value, bytes)):
            differing.append(name)
    return differing


def _is_renamed(stored: object, told: str | None, story: Story, door: Door) -> bool:
    """Whether a slot has got its name after the event came, or its owner was taken off the list since."""
    slot = story.access.details.get(event.SLOT)
    if slot is None:
        return False
    was_owner = any(driver.slot == slot and _text(driver.name) == stored for driver in door.drivers)
    return stored is None or (told is None and was_owner)


def _text(value: Any) -> str | None:
    """Returns what the database holds of a text, or of a number of a later version."""
    if isinstance(value, int):
        value = str(value)
    return _WORDS.process_bind_param(value, None) if isinstance(value, str) else None


def _bytes(value: Any) -> bytes | None:
    return value if isinstance(value, bytes) else None


def _name(names: tuple[str, ...], number: Any) -> Any:
    is_known = isinstance(number, int) and not isinstance(number, bool) and 0 <= number < len(names)
    return (names[number] or number) if is_known else number
