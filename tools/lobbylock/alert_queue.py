"""The queue of alerts in the store: what was gathered for whom, when it is due, what became of it.

There is at most one waiting row for each person, kind and door, so ten thousand events make no more rows than ten. Rows
that are being sent, or that one of the person's addresses took, are left alone: what comes then begins a new one.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select, update

from lobbylock.alert_faults import Fault, Key
from lobbylock.alert_text import Heap
from lobbylock.tables import alert_fault, alert_mark, notice

_FIRST_WAIT_S = 30
_LONGEST_WAIT_S = 3_600
# For urgent kinds, and for what is new at an address that failed.
SHORT_WAIT_S = 300
_KEPT_S = 30 * 86_400
# When a row is tried again at an address where it was given up.
NEVER_S = 1 << 40


@dataclass(frozen=True)
class Waiting:
    """A row that was not sent yet. `tries` counts the attempts that failed."""

    id: int
    person: str
    kind: str
    about: str
    at_s: int
    due_s: int
    heap: Heap
    is_digest: bool
    tries: int


@dataclass
class Gathered:
    """What one pass found for one person, kind and `about`; `due_s` as the person's rule says."""

    heap: Heap
    due_s: int
    is_digest: bool


def wait_s(tries: int, longest_s: int = _LONGEST_WAIT_S) -> int:
    """Returns how long to wait after so many attempts that failed."""
    return min(_FIRST_WAIT_S << min(tries - 1, 10), longest_s)


def add(
    connection: Connection,
    key: tuple[str, str, str],
    gathered: Gathered,
    now_s: int,
    again_s: int,
    busy: Collection[int] = (),
) -> None:
    """Puts something gathered into the queue. `key` is (person, kind, about); `busy` are ids of rows being sent.

    What was told less than `again_s` ago waits for that time to be over, and is told as what came since.
    """
    person, kind, about = key
    same = (notice.c.person == person, notice.c.kind == kind, notice.c.about == about)
    is_waiting = (*same, notice.c.sent_s.is_(None), notice.c.failed.is_(None))
    # When somebody was told last, and the line it was.
    told: list[tuple[int, str | None]] = []
    for row in connection.execute(select(notice.c.id, notice.c.text).where(*is_waiting)).all():
        heap = Heap.load(row.text)
        if heap.taken:
            told.append((max(heap.taken.values()), _first(heap)))
        elif row.id in busy:
            told.append((now_s, None))
        else:
            heap.join(gathered.heap)
            connection.execute(update(notice).where(notice.c.id == row.id).values(text=heap.dump()))
            return
    due_s = gathered.due_s
    if not gathered.is_digest:
        sent = select(notice.c.sent_s, notice.c.text).where(*same, notice.c.sent_s > now_s - again_s)
        last = connection.execute(sent.order_by(notice.c.sent_s.desc()).limit(1)).first()
        if last is not None:
            told.append((last.sent_s, _first(Heap.load(last.text))))
        told_s, base = max(told, key=lambda each: each[0], default=(now_s - again_s, None))
        if told_s > now_s - again_s:
            gathered.heap.base = base
            due_s = max(due_s, told_s + again_s)
    connection.execute(
        insert(notice).values(
            person=person,
            kind=kind,
            about=about,
            at_s=now_s,
            due_s=due_s,
            text=gathered.heap.dump(),
            digest=gathered.is_digest,
            tries=0,
        )
    )


def _first(heap: Heap) -> str | None:
    return (heap.lines or [heap.base])[0]


def due(connection: Connection, now_s: int, limit: int = 1_000) -> list[Waiting]:
    """Returns what is to be sent now, the oldest first."""
    found = select(notice).where(notice.c.sent_s.is_(None), notice.c.failed.is_(None), notice.c.due_s <= now_s)
    rows = connection.execute(found.order_by(notice.c.at_s, notice.c.id).limit(limit)).all()
    return [_waiting(row) for row in rows]


def waiting(connection: Connection) -> list[Waiting]:
    """Returns all that waits."""
    found = select(notice).where(notice.c.sent_s.is_(None), notice.c.failed.is_(None))
    return [_waiting(row) for row in connection.execute(found.order_by(notice.c.due_s, notice.c.id))]


def _waiting(row) -> Waiting:
    heap = Heap.load(row.text)
    return Waiting(row.id, row.person, row.kind, row.about, row.at_s, row.due_s, heap, row.digest, row.tries)


def next_due_s(connection: Connection) -> int | None:
    """Returns when the next row is due, None if none waits."""
    found = select(func.min(notice.c.due_s)).where(notice.c.sent_s.is_(None), notice.c.failed.is_(None))
    return connection.execute(found).scalar()


def was_told(connection: Connection, key: tuple[str, str, str], line: str) -> bool:
    """Whether a row of (person, kind, about) has `line`, sent or not."""
    person, kind, about = key
    found = select(notice.c.text).where(notice.c.person == person, notice.c.kind == kind, notice.c.about == about)
    return any(line in Heap.load(row.text).lines for row in connection.execute(found))


def put_off(connection: Connection, row: Waiting, due_s: int) -> None:
    connection.execute(update(notice).where(notice.c.id == row.id).values(due_s=due_s))


def mark_sent(connection: Connection, rows: Iterable[Waiting], now_s: int) -> None:
    for row in rows:
        connection.execute(update(notice).where(notice.c.id == row.id).values(sent_s=now_s))


def mark_taken(connection: Connection, rows: Iterable[Waiting], way: str, ways: Collection[str], now_s: int) -> None:
    """Notes that the address `way` took rows; they are sent when all `ways` of the person did, or were given up."""
    for row in rows:
        heap = _heap(connection, row)
        heap.refused.pop(way, None)
        heap.taken[way] = now_s
        values: dict[str, object] = {"text": heap.dump()}
        if _is_over(heap, ways):
            values["sent_s"] = now_s
        connection.execute(update(notice).where(notice.c.id == row.id).values(values))


def mark_failed(
    connection: Connection,
    rows: Iterable[Waiting],
    way: str,
    ways: Collection[str],
    why: str,
    now_s: int,
    give_up_s: int,
    urgent: Collection[str] = (),
) -> int:
    """Puts rows off at the address `way` after an attempt that failed, or gives them up there. Returns how many were
    given up at the last of the person's `ways`. Kinds that are `urgent` are tried more often."""
    given_up = 0
    for row in rows:
        heap = _heap(connection, row)
        tries = heap.refused.get(way, (0, 0))[0] + 1
        longest_s = SHORT_WAIT_S if row.kind in urgent else _LONGEST_WAIT_S
        is_late = now_s - row.at_s >= give_up_s
        heap.refused[way] = (tries, NEVER_S if is_late else now_s + wait_s(tries, longest_s))
        values: dict[str, object] = {"tries": max(row.tries, tries), "text": heap.dump()}
        if is_late and _is_over(heap, ways):
            given_up += 1
            values |= _ended(heap, f"Given up after {tries} attempts: {why}")
        connection.execute(update(notice).where(notice.c.id == row.id).values(values))
    return given_up


def _is_over(heap: Heap, ways: Collection[str]) -> bool:
    return all(way in heap.taken or heap.refused.get(way, (0, 0))[1] >= NEVER_S for way in ways)


def _ended(heap: Heap, why: str) -> dict[str, object]:
    # Whom another address told knows of it.
    return {"failed": why, **({"sent_s": max(heap.taken.values())} if heap.taken else {})}


def give_up(connection: Connection, row: Waiting, why: str) -> None:
    """Gives a row up that is tried at no address any more."""
    connection.execute(update(notice).where(notice.c.id == row.id).values(_ended(row.heap, why)))


def _heap(connection: Connection, row: Waiting) -> Heap:
    """Returns a row's heap as it is now: another address may have taken it since."""
    text = connection.execute(select(notice.c.text).where(notice.c.id == row.id)).scalar()
    return row.heap if text is None else Heap.load(text)


def drop(connection: Connection, rows: Iterable[Waiting], why: str, now_s: int) -> None:
    """Ends rows that nobody is to get any more."""
    for row in rows:
        connection.execute(update(notice).where(notice.c.id == row.id).values(failed=why, sent_s=now_s))


def given_up(connection: Connection, person: str) -> int:
    """Returns how many of a person's alerts were given up on without their being told so."""
    found = select(func.count()).select_from(notice)
    return connection.execute(found.where(*_given_up(person))).scalar() or 0


def tell_given_up(connection: Connection, person: str, now_s: int) -> None:
    """Notes that the person knows of those that were given up."""
    connection.execute(update(notice).where(*_given_up(person)).values(sent_s=now_s))


def _given_up(person: str) -> tuple:
    return notice.c.person == person, notice.c.failed.is_not(None), notice.c.sent_s.is_(None)


def counts(connection: Connection) -> dict[str, int]:
    """Returns how many rows are "waiting", of these "late" ones that failed at least once, and "given_up"."""
    is_open = notice.c.sent_s.is_(None)
    found = select(
        func.count().filter(is_open, notice.c.failed.is_(None)),
        func.count().filter(is_open, notice.c.failed.is_(None), notice.c.tries > 0),
        func.count().filter(notice.c.failed.is_not(None)),
    )
    waits, late, lost = connection.execute(found.select_from(notice)).one()
    return {"waiting": waits, "late": late, "given_up": lost}


def forget_old(connection: Connection, now_s: int) -> None:
    """Deletes what was sent, or given up, long ago."""
    is_old = notice.c.sent_s < now_s - _KEPT_S, notice.c.at_s < now_s - 3 * _KEPT_S
    connection.execute(delete(notice).where(is_old[0] | is_old[1]))


def marks(connection: Connection) -> dict[int, int]:
    """Returns how far each chain was looked at."""
    return {row.chain: row.seq for row in connection.execute(select(alert_mark))}


def set_marks(connection: Connection, reached: Mapping[int, int]) -> None:
    for chain, seq in reached.items():
        changed = connection.execute(update(alert_mark).where(alert_mark.c.chain == chain).values(seq=seq))
        if not changed.rowcount:
            connection.execute(insert(alert_mark).values(chain=chain, seq=seq))


def faults(connection: Connection) -> list[tuple[Key, Fault]]:
    """Returns what was out of order when it was last written down."""
    rows = connection.execute(select(alert_fault))
    return [((row.door, row.what), Fault(row.since_s, row.last_s, row.good_s, row.is_told)) for row in rows]


def set_fault(connection: Connection, key: Key, fault: Fault | None) -> None:
    """Writes down one part's state, None for one in order."""
    door, what = key
    connection.execute(delete(alert_fault).where(alert_fault.c.door == door, alert_fault.c.what == what))
    if fault is not None:
        values = {"since_s": fault.since_s, "last_s": fault.last_s, "good_s": fault.good_s, "is_told": fault.is_told}
        connection.execute(insert(alert_fault).values(door=door, what=what, **values))
