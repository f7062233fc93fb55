"""What happened at the doors, a page at a time, for whoever may see it.

The index of visits finds the rows. What is shown is told again from the records, each of them checked, and a reader
sees what readers.py says of the record: a row of the index that was edited shows nobody anything.
"""

import math
import re
import time
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cbor
from sqlalchemy import ColumnElement, and_, bindparam, func, or_, select, tuple_

from firmware.core import event, event_names
from lobbylock import tables
from lobbylock.database import Database
from lobbylock.door import Door
from lobbylock.errors import UserError
from lobbylock.keyring import Keyring
from lobbylock.links import Fault, Link, Links
from lobbylock.picture import announcement
from lobbylock.readers import (
    DELIVERY,
    NOTHING,
    OTHER_RESIDENT,
    OTHER_STAFF,
    OTHER_VISITOR,
    OWN,
    OWN_VISITOR,
    PERSONS,
    TABLE,
    WHOSE,
    Reader,
)
from lobbylock.register import Register
from lobbylock.rowproof import (
    BROKEN,
    LOST,
    NOT_HERE_YET,
    WAITING,
    Check,
    PictureState,
    Proof,
    RowProof,
    announced_row,
    check_row,
    picture_fault,
    picture_state,
    sum_up,
)
from lobbylock.store import Chain, Store
from lobbylock.story import OUTCOMES, REFUSED, UNKNOWN, Story, stories
from lobbylock.verify import MAX_NUMBER, is_number
from lobbylock.visits import decode_row, differing_columns

# A filter's outcome besides those of stories: whatever was not refused.
GRANTED = "granted"
MAX_LIMIT = 200
# The check whether the index says what the record says.
INDEX = "list of visits"
# So many chains are asked one by one, more of them together.
_FEW_CHAINS = 32
# A contact that is stuck makes windows as long as the record. Of those that are longer than _LONG_ROWS no more than
# _MOST_ROWS a board are read for a page; of the others the part around the access is, and nobody says that they hold.
_LONG_ROWS = 512
_PART_ROWS = 64
_MOST_ROWS = 20_000
_TOO_LONG = "Its story goes over {} events, too many to check here: the trail of the door shows each one."
# What of a row tells of the end of its story.
_OF_THE_END = frozenset(("first_seq", "last_seq", "outcome", "is_over"))
# A picture is often announced before the access that it is of.
_AHEAD_ROWS = 4
# Rows that lie between two visits are read along when there are no more of them.
_BETWEEN_ROWS = 16
# A picture is given up soon, at the lock's next start at the latest.
_MOST_FAILURES = 64
# Where a reader has a place on a door's list, accesses without a name may be theirs: a place may have got its name
# later. Of each board the newest so many are looked at. It is no bound on what is read for one page, for where that
# stops would tell of others, from page to page.
_MOST_UNNAMED = 5_000
_READ_ON_ROWS = 500
# Rows that say who may see them, and whose record says otherwise: there are many only where the index was edited.
_MOST_HIDDEN = 1_000
_MAX_IDS = 500
_MOST_NAMES = 20_000
_MOST_LATEST = 1_000
_IDS_FRESH_S = 60.0

_VISIT = tables.visit
# In an edited SQLite store a column may be of any type. The watchman names such a row; here nobody can find it.
_NUMBERS = (_VISIT.c.shown_s.between(-MAX_NUMBER, MAX_NUMBER), _VISIT.c.seq.between(0, MAX_NUMBER))
_UNNAMED = (_VISIT.c.person.is_(None), _VISIT.c.role.is_not(None))
_OF_CHAIN = bindparam("of_chain")
_NAMES = select(func.min(_VISIT.c.person).label("person")).where(_VISIT.c.chain == _OF_CHAIN)
_NAMES = _NAMES.cte("names", recursive=True)
_LATER = _VISIT.alias("later")
_NEXT = select(func.min(_LATER.c.person)).where(_LATER.c.chain == _OF_CHAIN, _LATER.c.person > _NAMES.c.person)
# Each name once, from one to the next along the index of names.
_NAMES = _NAMES.union_all(
    select(_NEXT.correlate(_NAMES).scalar_subquery()).where(_NAMES.c.person.is_not(None)),
)
_ALL_NAMES = select(_NAMES.c.person).where(_NAMES.c.person.is_not(None)).limit(_MOST_NAMES)
_WORDS = tables.Words()
_PLACE = re.compile(r"(-?[0-9]{1,19})\.([0-9]{1,19})\.([0-9]{1,19})")
_ORDER = (_VISIT.c.shown_s.desc(), _VISIT.c.chain.desc(), _VISIT.c.seq.desc())
_EVENT = tables.event
_FAILURES = (
    select(_EVENT.c.seq, _EVENT.c.record)
    .where(_EVENT.c.kind == event.CAMERA_FAILED, _EVENT.c.chain == bindparam("of_chain"))
    .where(_EVENT.c.seq > bindparam("after_seq"))
    .order_by(_EVENT.c.seq)
    .limit(_MOST_FAILURES)
)
_ONE = select(_VISIT).where(_VISIT.c.chain == bindparam("of_chain"), _VISIT.c.seq == bindparam("of_seq"))


@dataclass(frozen=True)
class Filter:
    """Which visits: at `doors` (full names), of people whose name begins with `person`, in whatever case, shown from
    `since_s` to before `until_s` (Unix time), with an outcome of story.OUTCOMES, or GRANTED. `spans` are other times
    (since, until) for some of the doors, whose zones differ. `is_pictured`: only those that a picture was taken of."""

    doors: tuple[str, ...]
    person: str | None = None
    since_s: int | None = None
    until_s: int | None = None
    outcome: str | None = None
    spans: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    is_pictured: bool = False

    def span(self, door: str) -> tuple[int | None, int | None]:
        """Returns from when to when visits at `door` are wanted."""
        return self.spans.get(door, (self.since_s, self.until_s))


@dataclass(frozen=True)
class Shown:
    """One visit as its reader may see it. `shown_s` is its time, or when it was received. `picture` is None where there
    is none to be seen."""

    story: Story
    door: Door
    chain: int
    shown_s: int
    proof: Proof
    picture: PictureState | None

    @property
    def seq(self) -> int:
        return self.story.access.seq


@dataclass(frozen=True)
class Page:
    """Visits, the newest first; `next` is where the following page begins, None at the end."""

    stories: list[Shown]
    next: str | None


class History:
    """What the store in `database` holds of the doors that `doors` returns by name. May be asked in any thread.

    Raises StoreFailed when the database fails. `home_path` is the issuer's folder, whose list of credentials says which
    ones are a resident's.
    """

    def __init__(
        self,
        database: Database,
        doors: Callable[[], dict[str, Door]],
        collector_key: bytes,
        home_path: Path | None = None,
    ) -> None:
        self._database = database
        self._doors = doors
        self._collector_key = collector_key
        self._keyring = Keyring()
        self._identities = _Identities(home_path)

    def page(self, reader: Reader, wanted: Filter, before: str | None = None, limit: int = 25) -> Page:
        """Returns what `reader` may see of the visits that are `wanted`, from the place `before` on. A page may hold
        fewer than `limit` although others follow. Neither `next` nor whether there is one says anything of visits that
        the reader may not see. Raises UserError for a place or an outcome that is none."""
        limit = max(1, min(limit, MAX_LIMIT))
        doors = self._doors()
        place = _parse_place(before)
        with self._database.connect() as connection:
            store = Store(self._database, connection)
            chains = _chains_of(store, doors, wanted.doors)
            self._identities.teach(reader, store, chains, doors, self._links)
            groups: dict[tuple[int | None, int | None], list[int]] = {}
            for chain in sorted(chains.values(), key=lambda found: found.id):
                groups.setdefault(wanted.span(chain.door), []).append(chain.id)
            unnamed = _unnamed(reader, store, chains, doors)
            conditions = _conditions(reader, wanted, _names(store, chains, wanted.person), unnamed)
            if _sees_all(reader):
                rows = _newest(store, groups, conditions, place, limit + 1)
                shown = self._tell(reader, store, chains, doors, rows[:limit])
                following = rows[limit - 1] if len(rows) > limit else None
            else:
                shown = self._read_on(reader, store, chains, doors, (groups, conditions, place), limit + 1)
                following = shown[limit - 1] if len(shown) > limit else None
        # The name of a slot may be a later one than the row's.
        found = [each for each in shown[:limit] if _begins(each.story.who, wanted.person) or each.proof.is_broken]
        return Page(found, _write_place(following) if following is not None else None)

    def _read_on(
        self, reader: Reader, store: Store, chains: dict[int, Chain], doors: dict[str, Door], query: Any, limit: int
    ) -> list[Shown]:
        """Returns the first `limit` that `reader` may see, past those that they may not."""
        groups, conditions, place = query
        shown: list[Shown] = []
        count, hidden = limit, 0
        while True:
            rows = _newest(store, groups, conditions, place, count)
            rest = _without_others(reader, store, chains, doors, rows)
            while rest and len(shown) < limit:
                part, rest = rest[: limit - len(shown)], rest[limit - len(shown) :]
                told = self._tell(reader, store, chains, doors, part)
                shown += told
                hidden += len(part) - len(told)
            if len(rows) < count or len(shown) >= limit or hidden > _MOST_HIDDEN:
                return shown
            place = _parse_place(_write_place(rows[-1]))
            count = _READ_ON_ROWS

    def people(self, reader: Reader, door_names: Iterable[str]) -> list[str] | None:
        """Returns who came to those doors lately, by name; None for a reader who may not see everybody."""
        if not _sees_all(reader):
            return None
        with self._database.connect() as connection:
            store = Store(self._database, connection)
            chains = list(_chains_of(store, self._doors(), tuple(door_names)))
            latest = select(_VISIT.c.person).where(*_NUMBERS).order_by(*_ORDER).limit(_MOST_LATEST)
            few = [_VISIT.c.chain == chain for chain in chains]
            parts = few if len(chains) <= _FEW_CHAINS else [_VISIT.c.chain.in_(chains)]
            found = {name for part in parts for name in connection.execute(latest.where(part)).scalars()}
        return sorted((name for name in found if isinstance(name, str)), key=_fold)

    def teach(self, reader: Reader, door_names: Iterable[str]) -> None:
        """Has `reader` learn which credentials are their own, as for a page of those doors."""
        doors = self._doors()
        with self._database.connect() as connection:
            store = Store(self._database, connection)
            self._identities.teach(reader, store, _chains_of(store, doors, tuple(door_names)), doors, self._links)

    def story(self, reader: Reader, door_name: str, chain: int | bytes, seq: int) -> Shown | None:
        """Returns the visit whose access is event `seq` of the chain with that number or public key, None if there is
        none that the reader may see."""
        doors = self._doors()
        if not is_number(seq):
            return None
        with self._database.connect() as connection:
            store = Store(self._database, connection)
            chains = _chains_of(store, doors, (door_name,))
            found = _pick(chains, chain)
            if found is None:
                return None
            self._identities.teach(reader, store, chains, doors, self._links)
            rows = connection.execute(_ONE, {"of_chain": found.id, "of_seq": seq}).all()
            shown = self._tell(reader, store, chains, doors, rows)
        return shown[0] if shown else None

    def check(self, door_name: str, chain: int | bytes, seq: int) -> RowProof | None:
        """Returns what can be checked of one row, for those who may see all of a door's record."""
        door = self._doors().get(door_name)
        if door is None:
            return None
        with self._database.connect() as connection:
            store = Store(self._database, connection)
            found = _pick(_chains_of(store, {door_name: door}, (door_name,)), chain)
            if found is None:
                return None
            keys = self._keyring.line(door, found.public_key)
            proof = check_row(store, found, door, seq, self._collector_key, keys)
            if proof is not None and proof.kind == event.ACCESS:
                self._check_index(store, found, door, proof)
            return proof

    def _check_index(self, store: Store, chain: Chain, door: Door, proof: RowProof) -> None:
        """Adds whether the list of visits says what the record says of an access."""
        rows = store.connection.execute(_ONE, {"of_chain": chain.id, "of_seq": proof.seq}).all()
        shown = self._tell(Reader("manager"), store, {chain.id: chain}, {door.name: door}, rows)
        told = shown[0].proof if shown else Proof(BROKEN, f"The list of visits lacks event {proof.seq}.", proof.seq)
        if told.is_broken and told.seq == proof.seq and not proof.proof.is_broken:
            proof.checks.append(Check(INDEX, False, told.sentence))
            proof.proof = told
        else:
            proof.checks.append(Check(INDEX, True if shown else None, "The list of visits finds it by what it says."))

    def prepare(self) -> None:
        """Counts on the keys of all boards, once, so that the first page of a long record need not wait for that: 2 s
        for a million events. To be called in a thread of its own."""
        doors = self._doors()
        with self._database.connect() as connection:
            store = Store(self._database, connection)
            for chain in _chains_of(store, doors, tuple(doors)).values():
                links = self._links(store, chain, doors[chain.door])
                if links.acknowledged is not None and is_number(links.acknowledged[0]):
                    links.judge(links.acknowledged[0], links.acknowledged[0])

    def links(self, store: Store, chain: Chain, door: Door) -> Links:
        """Returns the rows of `chain`, to be judged."""
        return self._links(store, chain, door)

    @property
    def database(self) -> Database:
        return self._database

    @property
    def doors(self) -> dict[str, Door]:
        return self._doors()

    def _links(self, store: Store, chain: Chain, door: Door) -> Links:
        return Links(store, chain, door, self._keyring.line(door, chain.public_key), self._collector_key)

    def _tell(
        self, reader: Reader, store: Store, chains: dict[int, Chain], doors: dict[str, Door], rows: Iterable[Any]
    ) -> list[Shown]:
        rows = [row for row in rows if is_number(row.seq)]
        tellings: dict[int, _Telling] = {}
        for number in {row.chain for row in rows}:
            chain = chains[number]
            door = doors[chain.door]
            tellings[number] = _Telling(store, chain, door, self._links(store, chain, door))
            tellings[number].read([row for row in rows if row.chain == number])
        told = (tellings[row.chain].tell(row, reader) for row in rows)
        return [shown for shown in told if shown is not None]


class _Telling:
    """Tells the visits of one chain from its rows, which are read in as few pieces as possible."""

    def __init__(self, store: Store, chain: Chain, door: Door, links: Links) -> None:
        self._store = store
        self._chain = chain
        self._door = door
        self._links = links
        self._judged: dict[int, Link] = {}
        # The accesses whose windows are not read.
        self._too_long: set[int] = set()

    def read(self, rows: list[Any]) -> None:
        """Reads what the visits of `rows` are made of."""
        spans: list[tuple[int, int]] = []
        room, reached = _MOST_ROWS, 0
        for row in sorted(rows, key=lambda row: row.first_seq if self._is_span(row) else 0):
            if not self._is_span(row):
                spans.append((row.seq, row.seq))
                continue
            count = row.last_seq - max(row.first_seq - 1, reached)
            is_long = row.last_seq - row.first_seq >= _LONG_ROWS
            if is_long and count > room:
                self._too_long.add(row.seq)
                spans.append((max(row.first_seq, row.seq - _PART_ROWS), min(row.last_seq, row.seq + _PART_ROWS)))
                continue
            if is_long:
                # Windows of a door that stays open lie one over the other.
                room -= max(count, 0)
                reached = max(reached, row.last_seq)
            spans.append((row.first_seq, row.last_seq))
        spans.sort()
        merged: list[tuple[int, int]] = []
        for first, last in spans:
            first = max(1, first - _AHEAD_ROWS)
            if merged and first <= merged[-1][1] + _BETWEEN_ROWS:
                merged[-1] = (merged[-1][0], max(merged[-1][1], last))
            else:
                merged.append((first, last))
        for first, last in merged:
            self._judged.update(self._links.judge(first, last))

    def tell(self, row: Any, reader: Reader) -> Shown | None:
        """Returns the visit of a row, None if the reader may not see it."""
        story, links = self._story(row)
        picture, announced = self._picture(story)
        if picture is not None:
            story.picture_sha256 = picture.sha256
        fault = picture_fault(picture)
        proof = sum_up({**links, **announced}, story.access.seq)
        if not proof.is_broken:
            if row.seq in self._too_long:
                proof = Proof(WAITING, _TOO_LONG.format(row.last_seq - row.first_seq + 1), row.seq)
            if fault is None and self._is_other(row, story, links):
                text = f"The list of visits does not say what the record says of event {row.seq}."
                fault = Fault(INDEX, row.seq, text)
            if fault is not None:
                proof = Proof(BROKEN, fault.sentence, fault.seq)
        opener = self._judged.get(story.shared_with or 0)
        seen = reader.show(self._door, story, opener.seen if opener is not None else None)
        if seen is None:
            return None
        return Shown(
            seen, self._door, self._chain.id, row.shown_s, proof, picture if seen.picture is not None else None
        )

    def _story(self, row: Any) -> tuple[Story, dict[int, Link]]:
        """Returns the story and the rows that it is made of."""
        seqs: Iterable[int] = [row.seq]
        if row.seq in self._too_long:
            part = range(row.seq - _PART_ROWS, row.seq + _PART_ROWS + 1)
            seqs = [seq for seq in part if row.first_seq <= seq <= row.last_seq]
        elif self._is_span(row):
            seqs = range(row.first_seq, row.last_seq + 1)
        links = {seq: self._judged[seq] for seq in seqs if seq in self._judged}
        links.setdefault(row.seq, self._judged.get(row.seq, Link(None)))
        events = [links[seq].seen for seq in sorted(links)]
        told = stories(self._door, [found for found in events if found is not None])
        story = next((story for story in told if story.access.seq == row.seq), None)
        if story is None:
            time_s = row.time_s if is_number(row.time_s) else None
            story = Story(self._door.name, event.Event(row.seq, event.ACCESS, 0, 0, time_s, {}), None)
            if not links[row.seq].faults:
                text = f"Event {row.seq} is no access, as the list of visits says."
                links[row.seq] = Link(links[row.seq].entry, faults=[Fault(INDEX, row.seq, text)])
        elif row.seq in self._too_long and story.is_granted:
            # What became of it may stand in the part that was left out.
            known = {name: getattr(story, name) for name in ("receipt", "picture_sha256", "first_seq", "last_seq")}
            story = Story(story.door, story.access, story.who, UNKNOWN, **known)
        return story, links

    def _is_span(self, row: Any) -> bool:
        """Whether a row tells from where to where its story goes; in an edited store it may tell anything."""
        if not is_number(row.first_seq) or not is_number(row.last_seq):
            return False
        acknowledged = self._links.acknowledged
        return row.first_seq <= row.seq <= row.last_seq and (acknowledged is None or row.last_seq <= acknowledged[0])

    def _is_other(self, row: Any, story: Story, links: dict[int, Link]) -> bool:
        """Whether the row does not say what the story does, as far as that was read."""
        entry = links[row.seq].entry
        if entry is None:
            return False
        # Where it begins was taken from the row.
        unknown = _OF_THE_END if row.seq in self._too_long else {"first_seq"}
        return bool(set(differing_columns(row, story, entry.received_s, self._door)) - unknown)

    def _picture(self, story: Story) -> tuple[PictureState | None, dict[int, Link]]:
        number = story.picture
        if number is None:
            return None, {}
        row = announced_row(self._store, self._chain, number) if is_number(number) else None
        if row is None:
            return self._unlisted(story.access.seq, number)
        seq = row[0]
        if is_number(seq) and seq not in self._judged:
            self._judged.update(self._links.judge(seq, seq))
        link = self._judged.get(seq, Link(None))
        announced = announcement(link.seen) if link.seen is not None else None
        if announced is None:
            text = f"Row {seq} announces no picture, as the list of pictures says."
            faults = link.faults or [Fault("picture", seq, text)]
            return PictureState(number, seq, self._chain.id, "missing", None), {seq: Link(link.entry, faults=faults)}
        return picture_state(self._store, self._chain, announced, row[1], self._links), {seq: link}

    def _unlisted(self, access_seq: int, number: int) -> tuple[PictureState | None, dict[int, Link]]:
        """Looks for the announcement of a picture that the list of pictures does not name."""
        for seq in range(max(1, access_seq - _AHEAD_ROWS), access_seq + _PART_ROWS):
            link = self._judged.get(seq)
            announced = announcement(link.seen) if link is not None and link.seen is not None else None
            if link is not None and announced is not None and announced.number == number:
                return picture_state(self._store, self._chain, announced, None, self._links), {seq: link}
        lost = self._given_up(access_seq, number)
        if lost is not None:
            # What says so has to hold as well.
            return PictureState(number, lost, self._chain.id, LOST, None), {lost: self._judged[lost]}
        return PictureState(number, 0, self._chain.id, NOT_HERE_YET, None), {}

    def _given_up(self, access_seq: int, number: int) -> int | None:
        """Returns which event says that the lock gave up a picture, after a power cut for example."""
        given = {"of_chain": self._chain.id, "after_seq": access_seq - _AHEAD_ROWS}
        for row in self._store.connection.execute(_FAILURES, given):
            if not is_number(row.seq) or _picture_number(row.record) != number:
                continue
            if row.seq not in self._judged:
                self._judged.update(self._links.judge(row.seq, row.seq))
            seen = self._judged.get(row.seq, Link(None)).seen
            if seen is not None and seen.kind == event.CAMERA_FAILED:
                return row.seq
        return None


def _picture_number(record: object) -> object:
    try:
        return event.decode(record).details.get(event.PICTURE_NUMBER) if isinstance(record, bytes) else None
    except cbor.CborError:
        return None


# Finding rows.


def _chains_of(store: Store, doors: dict[str, Door], names: tuple[str, ...]) -> dict[int, Chain]:
    wanted = set(names)
    return {chain.id: chain for chain in store.chains() if chain.door in wanted and chain.door in doors}


def _pick(chains: dict[int, Chain], chain: int | bytes) -> Chain | None:
    if isinstance(chain, bytes):
        return next((found for found in chains.values() if found.public_key == chain), None)
    return chains.get(chain)


def _parse_place(text: str | None) -> tuple[int, int, int] | None:
    if text is None:
        return None
    match = _PLACE.fullmatch(text)
    numbers = tuple(int(group) for group in match.groups()) if match else ()
    if len(numbers) != 3 or not all(abs(number) < 1 << 63 for number in numbers):
        raise UserError("That is no place in the list of visits.")
    return numbers[0], numbers[1], numbers[2]


def _write_place(found: Any) -> str:
    # SQLite keeps fractions too, where somebody writes them.
    return ".".join(str(math.floor(number)) for number in (found.shown_s, found.chain, found.seq))


def _fold(name: str) -> str:
    # As the index has it, which cannot keep every character.
    return unicodedata.normalize("NFC", _WORDS.process_bind_param(name, None)).casefold()


def _begins(name: str | None, start: str | None) -> bool:
    """Whether a name begins so, in whatever case; all do with None."""
    return start is None or (isinstance(name, str) and _fold(name).startswith(_fold(start)))


def _names(store: Store, chains: Iterable[int], start: str | None) -> list[str]:
    """Returns the names in the index that begin so. Databases differ in what they take for the same letter."""
    if start is None:
        return []
    found: set[str] = set()
    for chain in chains:
        names = store.connection.execute(_ALL_NAMES, {"of_chain": chain}).scalars()
        found.update(name for name in names if _begins(name, start))
    return sorted(found)[:_MOST_NAMES]


def _unnamed(
    reader: Reader, store: Store, chains: dict[int, Chain], doors: dict[str, Door]
) -> list[ColumnElement[bool]]:
    """Returns which rows without a name may be the reader's own: those of boards where a place is theirs."""
    if reader.name is None or reader.role not in PERSONS:
        return []
    own_role = event_names.ROLE_NAMES[PERSONS[reader.role]]
    listed = [
        chain.id for chain in chains.values() if any(each.name == reader.name for each in doors[chain.door].drivers)
    ]
    whole, parts = [], []
    for chain in sorted(listed):
        of_chain = (_VISIT.c.chain == chain, _VISIT.c.person.is_(None), _VISIT.c.role == own_role)
        times = select(_VISIT.c.shown_s).where(*of_chain, _NUMBERS[0]).order_by(_VISIT.c.shown_s.desc())
        from_s = store.connection.execute(times.offset(_MOST_UNNAMED - 1).limit(1)).scalar()
        if from_s is None:
            whole.append(chain)
        else:
            parts.append(and_(*of_chain, _VISIT.c.shown_s >= from_s))
    return [*([and_(_VISIT.c.chain.in_(whole), _VISIT.c.person.is_(None))] if whole else []), *parts]


def _without_others(
    reader: Reader, store: Store, chains: dict[int, Chain], doors: dict[str, Door], rows: list[Any]
) -> list[Any]:
    """Returns rows without those whose record, checked or not, is of an access without a name that is another's."""
    others: set[tuple[int, int]] = set()
    unnamed = [row for row in rows if row.person is None and is_number(row.seq)]
    for number in {row.chain for row in unnamed}:
        seqs = [row.seq for row in unnamed if row.chain == number]
        records = select(_EVENT.c.seq, _EVENT.c.record).where(_EVENT.c.chain == number, _EVENT.c.seq.in_(seqs))
        for seq, record in store.connection.execute(records).tuples():
            found = decode_row(seq, record)
            if found is not None and reader.level(doors[chains[number].door], found) == NOTHING:
                others.add((number, seq))
    return [row for row in rows if (row.chain, row.seq) not in others]


def _conditions(
    reader: Reader, wanted: Filter, names: list[str], unnamed: list[ColumnElement[bool]]
) -> list[list[ColumnElement[bool]]]:
    """Returns what the rows must fulfil, all of one of the lists; none if there can be none."""
    whose = _may_see(reader, unnamed)
    if whose is None:
        return []
    conditions = list(whose)
    if wanted.is_pictured:
        conditions.append(_VISIT.c.picture.is_not(None))
    if wanted.outcome == GRANTED:
        conditions.append(_VISIT.c.outcome != REFUSED)
    elif wanted.outcome is not None:
        if wanted.outcome not in OUTCOMES:
            raise UserError(f"An outcome is one of {', '.join((GRANTED, *OUTCOMES))}.")
        conditions.append(_VISIT.c.outcome == wanted.outcome)
    if wanted.person is None:
        return [conditions]
    # A slot may have got its name later than the event came.
    of_name = _VISIT.c.person == names[0] if len(names) == 1 else _VISIT.c.person.in_(names)
    return [*([[*conditions, of_name]] if names else []), [*conditions, *_UNNAMED]]


def _sees_all(reader: Reader) -> bool:
    return all(TABLE[reader.role][whose] > NOTHING for whose in WHOSE)


def _may_see(reader: Reader, unnamed: list[ColumnElement[bool]]) -> list[ColumnElement[bool]] | None:
    """Returns, for the reader's levels in readers.TABLE, which rows may hold something for them; `unnamed` are those
    that may be their own."""
    levels = TABLE[reader.role]
    if _sees_all(reader):
        return []
    roles = {DELIVERY: "driver", OTHER_RESIDENT: "resident", OTHER_STAFF: "staff", OTHER_VISITOR: "visitor"}
    seen: list[ColumnElement[bool]] = [
        _VISIT.c.role == role for whose, role in roles.items() if levels[whose] > NOTHING
    ]
    if levels[OWN] > NOTHING and reader.role in PERSONS and reader.name is not None:
        own_role = event_names.ROLE_NAMES[PERSONS[reader.role]]
        seen.append(and_(or_(_VISIT.c.person == reader.name, *unnamed), _VISIT.c.role == own_role))
    if levels[OWN_VISITOR] > NOTHING:
        ids = sorted(reader.ids)[-_MAX_IDS:]
        seen += [
            and_(_VISIT.c.role == "visitor", _VISIT.c.kid == kid, _VISIT.c.parent_id == number) for kid, number in ids
        ]
    return [or_(*seen)] if seen else None


def _newest(
    store: Store,
    groups: dict[tuple[int | None, int | None], list[int]],
    alternatives: list[list[ColumnElement[bool]]],
    place: tuple[int, int, int] | None,
    limit: int,
) -> list[Any]:
    """Returns the newest rows that fulfil one of `alternatives`, in each group of chains those of its span of time;
    those of few chains each along its own index."""
    rows: list[Any] = []
    for (since_s, until_s), chains in groups.items():
        conditions: list[ColumnElement[bool]] = [*_NUMBERS]
        if since_s is not None:
            conditions.append(_VISIT.c.shown_s >= since_s)
        if until_s is not None:
            conditions.append(_VISIT.c.shown_s < until_s)
        if place is not None:
            conditions.append(tuple_(_VISIT.c.shown_s, _VISIT.c.chain, _VISIT.c.seq) < place)
        few = [_VISIT.c.chain == chain for chain in chains]
        for of_chains in few if len(chains) <= _FEW_CHAINS else [_VISIT.c.chain.in_(chains)]:
            for others in alternatives:
                statement = select(_VISIT).where(of_chains, *conditions, *others).order_by(*_ORDER).limit(limit)
                rows += store.connection.execute(statement).all()
    rows.sort(key=lambda row: (row.shown_s, row.chain, row.seq), reverse=True)
    return rows[:limit]


class _Identities:
    """Which credentials are a reader's own, by which their visitors are known."""

    def __init__(self, home_path: Path | None) -> None:
        self._home_path = home_path
        self._minted: tuple[object, dict[str, list[Any]]] = (None, {})
        self._found: dict[tuple[Any, ...], tuple[float, list[tuple[bytes, bytes]]]] = {}

    def teach(
        self,
        reader: Reader,
        store: Store,
        chains: dict[int, Chain],
        doors: dict[str, Door],
        links: Callable[[Store, Chain, Door], Links],
    ) -> None:
        """Has `reader` learn them, from the list of what was made and from what was shown at the doors."""
        if reader.role not in PERSONS or reader.name is None:
            return
        buildings = {doors[chain.door].building for chain in chains.values()}
        for minted in self._registered(reader.name):
            if minted.building in buildings and minted.role in ("", reader.role):
                reader.learn_id(bytes.fromhex(minted.kid), bytes.fromhex(minted.id))
        key = (reader.role, reader.name, tuple(sorted(chains)))
        known = self._found.get(key)
        if known is None or time.monotonic() - known[0] > _IDS_FRESH_S:
            if len(self._found) > _MAX_IDS:
                self._found.clear()
            known = self._found[key] = (time.monotonic(), self._shown(reader, store, chains, doors, links))
        for kid, number in known[1]:
            reader.learn_id(kid, number)

    def _registered(self, name: str) -> list[Any]:
        if self._home_path is None:
            return []
        try:
            state = (self._home_path / "minted.jsonl").stat()
        except OSError:
            return []
        version = (state.st_mtime_ns, state.st_size, state.st_ino)
        if self._minted[0] != version:
            by_name: dict[str, list[Any]] = {}
            for minted in Register(self._home_path).all():
                by_name.setdefault(minted.subject, []).append(minted)
            self._minted = (version, by_name)
        return self._minted[1].get(name, [])

    def _shown(
        self,
        reader: Reader,
        store: Store,
        chains: dict[int, Chain],
        doors: dict[str, Door],
        links: Callable[[Store, Chain, Door], Links],
    ) -> list[tuple[bytes, bytes]]:
        """Returns the ids in accesses that are the reader's own by their records, whatever the index says."""
        role = event_names.ROLE_NAMES[PERSONS[reader.role]]
        rows = store.connection.execute(
            select(_VISIT.c.chain, _VISIT.c.kid, _VISIT.c.credential_id, func.max(_VISIT.c.seq).label("seq"))
            .where(_VISIT.c.chain.in_(list(chains)), _VISIT.c.person == reader.name, _VISIT.c.role == role)
            .where(_VISIT.c.credential_id.is_not(None))
            .group_by(_VISIT.c.chain, _VISIT.c.kid, _VISIT.c.credential_id)
            .limit(_MAX_IDS)
        ).all()
        learned = Reader(reader.role, reader.name)
        for row in rows:
            chain = chains.get(row.chain)
            if chain is None:
                continue
            door = doors[chain.door]
            link = links(store, chain, door).judge(row.seq, row.seq).get(row.seq) if is_number(row.seq) else None
            if link is not None and link.seen is not None and not link.faults:
                learned.learn(door, [link.seen])
        return sorted(learned.ids)
