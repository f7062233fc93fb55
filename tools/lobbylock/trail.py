"""The record of one board row by row, the newest first, each row with its proof: what the trail page shows."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select

from firmware.core import event
from lobbylock import tables
from lobbylock.door import Door
from lobbylock.errors import UserError
from lobbylock.history import MAX_LIMIT, History
from lobbylock.links import Link, Links
from lobbylock.readers import PERSONS, Reader
from lobbylock.rowproof import BROKEN, WAITING, Proof, picture_fault, picture_of_event, sum_up
from lobbylock.store import Chain, Store
from lobbylock.verify import MAX_NUMBER, Gap, is_number

# A picture is announced so near to the access that it is of.
_NEAR_ROWS = 64

_EVENT = tables.event
_VISIT = tables.visit
_OLDER = (
    select(_EVENT.c.seq)
    .where(_EVENT.c.chain == bindparam("of_chain"), _EVENT.c.seq < bindparam("before"))
    .order_by(_EVENT.c.seq.desc())
    .limit(bindparam("count"))
)
_OF_KIND = _OLDER.where(_EVENT.c.kind == bindparam("of_kind"))
_PICTURED = select(_VISIT.c.seq).where(
    _VISIT.c.chain == bindparam("of_chain"),
    _VISIT.c.seq.between(bindparam("first"), bindparam("last")),
    _VISIT.c.picture == bindparam("number"),
)


@dataclass(frozen=True)
class TrailRow:
    """Row `seq` as its reader may see it: `event` is None where the row holds none or is not there, `received_s` where
    there is no row. With `gap` it stands for events that never came, of which `seq` is the last."""

    seq: int
    event: event.Event | None
    proof: Proof
    received_s: int | None
    gap: Gap | None = None


@dataclass(frozen=True)
class Trail:
    """Rows of the board `chain`; `chains` are all of the door's boards, the oldest first, and `next` is where the
    following rows begin, None at the end."""

    rows: list[TrailRow]
    next: str | None
    chain: int | None
    chains: list[int]


def trail(
    history: History,
    reader: Reader,
    door_name: str,
    chain: int | None,
    before: str | None = None,
    limit: int = 50,
    kinds: frozenset[int] | None = None,
) -> Trail:
    """Returns what `reader` may see of the record of `chain`, the door's latest board if it is None, from before event
    `before` on; only events of `kinds` if there are any. Raises UserError if `before` is no number."""
    if before is not None and not (before.isascii() and before.isdigit() and is_number(int(before[:30]))):
        raise UserError("That is no place in the trail.")
    limit = max(1, min(limit, MAX_LIMIT))
    door = history.doors.get(door_name)
    with history.database.connect() as connection:
        store = Store(history.database, connection)
        chains = sorted(store.chains(door_name), key=lambda found: found.id) if door is not None else []
        numbers = [found.id for found in chains]
        asked = [each for each in chains if chain in (None, each.id)]
        found = asked[-1] if asked else None
        if found is None or door is None:
            return Trail([], None, None, numbers)
        rows, following = _Walk(store, found, door, history.links(store, found, door), reader).take(
            MAX_NUMBER if before is None else int(before), limit, kinds
        )
    return Trail(rows, following, found.id, numbers)


class _Walk:
    """Goes back along one chain."""

    def __init__(self, store: Store, chain: Chain, door: Door, links: Links, reader: Reader) -> None:
        self._store = store
        self._chain = chain
        self._door = door
        self._links = links
        self._reader = reader
        self._judged: dict[int, Link] = {}

    def take(self, before: int, limit: int, kinds: frozenset[int] | None) -> tuple[list[TrailRow], str | None]:
        seqs = self._find(before, limit + 1, kinds)
        following = str(seqs[limit - 1]) if len(seqs) > limit else None
        seqs = seqs[:limit]
        self._judge(seqs)
        rows: list[TrailRow] = []
        # What is missing is shown where everything is.
        expected = before - 1 if kinds is None and before < MAX_NUMBER else None
        for seq in seqs:
            if kinds is None:
                rows += self._between(seq, seqs[0] if expected is None else expected, is_top=expected is None)
            row = self._row(seq)
            if row is not None:
                rows.append(row)
            expected = seq - 1
        if kinds is None and following is None and seqs and expected:
            rows += self._between(0, expected, is_top=False)
        return rows, following

    def _find(self, before: int, count: int, kinds: frozenset[int] | None) -> list[int]:
        values = {"of_chain": self._chain.id, "before": before, "count": count}
        found: set[Any] = set()
        if kinds is None:
            found.update(self._store.connection.execute(_OLDER, values).scalars())
        for kind in kinds or ():
            found.update(self._store.connection.execute(_OF_KIND, {**values, "of_kind": kind}).scalars())
        return sorted((seq for seq in found if is_number(seq)), reverse=True)[:count]

    def _judge(self, seqs: list[int]) -> None:
        runs: list[list[int]] = []
        for seq in reversed(seqs):
            if runs and seq <= runs[-1][1] + _NEAR_ROWS:
                runs[-1][1] = seq
            else:
                runs.append([seq, seq])
        for first, last in runs:
            self._judged.update(self._links.judge(first, last))

    def _between(self, seq: int, expected: int, *, is_top: bool) -> list[TrailRow]:
        """Returns a row for what is not there between row `seq` and `expected`, the newest that could be there."""
        if is_top:
            acknowledged = self._links.acknowledged
            expected = acknowledged[0] if acknowledged is not None and is_number(acknowledged[0]) else seq
        rows = []
        while expected > seq:
            gap = self._links.gap_at(expected)
            if gap is None:
                # Of several that are gone the oldest is named, as the audit does.
                first = max([seq, *(gap.last_seq for gap in self._links.gaps if seq < gap.last_seq < expected)]) + 1
                text = f"Row {first} is not there." if first == expected else f"Rows {first} to {expected} are gone."
                rows.append(TrailRow(first, None, Proof(BROKEN, text, first), None))
                expected = first - 1
            else:
                text = f"Events {gap.first_seq} to {gap.last_seq} never came."
                rows.append(TrailRow(gap.last_seq, None, Proof(WAITING, text, gap.last_seq), None, gap))
                expected = gap.first_seq - 1
        return rows

    def _row(self, seq: int) -> TrailRow | None:
        link = self._judged.get(seq, Link(None))
        shown = None
        if link.seen is not None:
            shown = self._reader.show_event(self._door, link.seen, self._access(link.seen))
        if shown is None and (link.seen is not None or self._reader.role in PERSONS):
            return None
        proof = sum_up({seq: link}, seq)
        if not proof.is_broken:
            picture = picture_of_event(self._store, self._chain, link, self._links)
            fault = picture_fault(picture)
            proof = proof if fault is None else Proof(BROKEN, fault.sentence, fault.seq)
        return TrailRow(seq, shown, proof, None if link.entry is None else link.entry.received_s)

    def _access(self, found: event.Event) -> event.Event | None:
        """Returns the access that an event is about, as far as readers who may not see everything need it."""
        if self._reader.role not in PERSONS:
            return None
        seq = found.details.get(event.ACCESS_SEQ)
        number = found.details.get(event.PICTURE_NUMBER)
        if found.kind == event.PICTURE and is_number(number):
            near = {"first": found.seq - _NEAR_ROWS, "last": found.seq + _NEAR_ROWS, "number": number}
            seq = self._store.connection.execute(_PICTURED, {"of_chain": self._chain.id, **near}).scalars().first()
        if not is_number(seq) or seq == 0:
            return None
        if seq not in self._judged:
            self._judged.update(self._links.judge(seq, seq))
        link = self._judged.get(seq)
        access = link.seen if link is not None else None
        return access if access is not None and access.kind == event.ACCESS else None
