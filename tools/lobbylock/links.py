"""Judges rows of a chain where they stand, without walking to them from its start: record, chain, tag and seal.

A tag holds only over the chain head of its own record, and a head only behind the whole history before it. So a row
whose tag fits proves itself and the head behind it, whatever has become of the rows around: one that was altered is
told apart from its neighbors.
"""

from dataclasses import dataclass, field
from functools import cached_property

from sqlalchemy import bindparam, func, select

from firmware.core import event
from lobbylock import tables
from lobbylock.acknowledgement import read_events_acknowledgement
from lobbylock.door import Door
from lobbylock.journalkey import MAX_STEPS, KeyLine
from lobbylock.receipt import Account, digest_gaps, read_receipt
from lobbylock.store import Chain, Entry, Store
from lobbylock.verify import HEAD_BYTES, MAX_NUMBER, Gap, is_number, seal_holds
from lobbylock.visits import decode_row

# A lock seals after 32 records at the latest; some more for older ones.
_SEAL_ROWS = (40, 1_024)

_PICTURE = tables.picture
_ARRIVED = select(func.count()).where(_PICTURE.c.chain == bindparam("of_chain"), _PICTURE.c.arrival.is_not(None))

# What of a row is judged.
RECORD = "record"
CHAIN = "chain"
TAG = "tag"
SEAL = "seal"


@dataclass(frozen=True)
class Fault:
    """What does not hold of a row, one of the names above, and the number of the row that is to blame."""

    name: str
    seq: int
    sentence: str


@dataclass
class Link:
    """One row: `seen` is its event, None if it holds none; `head` the chain head behind it, None if nobody can say it.

    `seal` is the number of the seal behind it, None without one; `is_tagged` is False for a row from before the
    enrolled key, whose tag nobody can check.
    """

    entry: Entry | None
    seen: event.Event | None = None
    head: bytes | None = None
    is_tagged: bool = True
    seal: int | None = None
    faults: list[Fault] = field(default_factory=list)


class Links:
    """The rows of one `chain` at the door with the record `door`; `keys` are the board's, None if none are enrolled."""

    def __init__(self, store: Store, chain: Chain, door: Door, keys: KeyLine | None, collector_key: bytes) -> None:
        self._store = store
        self._chain = chain
        # In an edited store a key may be anything.
        self._public_key = chain.public_key if isinstance(chain.public_key, bytes) else b""
        self._keys = keys if self._public_key in door.public_keys else None
        self.collector_key = collector_key

    @cached_property
    def account(self) -> Account | None:
        """What the collector signed of the chain, None if that is not there or is another chain's."""
        found = read_receipt(self._chain.receipt, self.collector_key)
        is_own = found is not None and (found.door, found.public_key) == (self._chain.door, self._chain.public_key)
        return found if is_own else None

    @cached_property
    def acknowledged(self) -> tuple[int, bytes] | None:
        """The number and head of the last event that the collector acknowledged."""
        return read_events_acknowledgement(self._chain.ack, self.collector_key, self._chain.door)

    @cached_property
    def gaps(self) -> list[Gap]:
        """The gaps that the collector signed for; none if these are others."""
        gaps = [
            gap
            for gap in self._store.gaps(self._chain)
            if is_number(gap.first_seq) and is_number(gap.last_seq) and isinstance(gap.head, bytes)
        ]
        return gaps if self.account is not None and self.account.gaps == digest_gaps(gaps) else []

    @cached_property
    def lacks_pictures(self) -> bool:
        """Whether the collector signed for more pictures than the store says have come."""
        arrived = self._store.connection.execute(_ARRIVED, {"of_chain": self._chain.id}).scalar_one()
        return self.account is not None and arrived < self.account.pictures

    def gap_at(self, seq: int) -> Gap | None:
        """Returns the gap that event `seq` lies in."""
        return next((gap for gap in self.gaps if gap.first_seq <= seq <= gap.last_seq), None)

    def judge(self, first: int, last: int) -> dict[int, Link]:
        """Returns the rows from `first` to `last` by number, those that are missing too, but not what lies in gaps."""
        links: dict[int, Link] = {}
        for more in _SEAL_ROWS:
            entries = self._store.rows(self._chain, max(first - 2, 0), min(last + more, MAX_NUMBER))
            rows = {entry.seq: entry for entry in entries if is_number(entry.seq)}
            end = max([last, *rows])
            links = self._follow(rows, first - 1, last, last)
            seal = self._seal_behind(rows, last, end)
            if seal is not None:
                # Tags prove the head before it; what lies between needs no look.
                links.update(self._follow(rows, max(seal - 1, last + 1), seal, seal))
            if seal is None or links[seal].seen is None or links[seal].faults:
                # By columns alone nothing is decided.
                links = self._follow(rows, first - 1, last, end)
            if self._find_seals(links, last, is_end=len(rows) < last - first + 3 + more):
                break
        return {seq: link for seq, link in links.items() if first <= seq <= last}

    def _seal_behind(self, rows: dict[int, Entry], last: int, end: int) -> int | None:
        """Returns which row from `last` on seems to be the next seal, None if none before the next gap does."""
        end = min([end, *(gap.first_seq - 1 for gap in self.gaps if gap.first_seq > last)])
        return next((seq for seq in range(last, end + 1) if seq in rows and rows[seq].kind == event.SEAL), None)

    def _follow(self, rows: dict[int, Entry], first: int, last: int, end: int) -> dict[int, Link]:
        """Judges the rows from `first` to the seal behind `last`, which lies before `end` if it is there."""
        links: dict[int, Link] = {}
        heads = {gap.last_seq: gap.head for gap in self.gaps}
        heads[0] = event.genesis(self._public_key)
        for seq in range(max(first, 1), end + 1):
            entry = rows.get(seq)
            if entry is None:
                if self.gap_at(seq) is None:
                    links[seq] = Link(None, faults=[Fault(RECORD, seq, f"Row {seq} is not there.")])
                continue
            before = links[seq - 1].head if seq - 1 in links else heads.get(seq - 1)
            if before is None and seq - 1 in rows and seq - 1 not in links:
                before = _head(rows[seq - 1])
            links[seq] = link = self._judge_row(seq, entry, before)
            if seq >= last and link.seen is not None and link.seen.kind == event.SEAL:
                break
        return links

    def _judge_row(self, seq: int, entry: Entry, before: bytes | None) -> Link:
        link = Link(entry, decode_row(seq, entry.record))
        behind = event.next_head(before, entry.record) if before and isinstance(entry.record, bytes) else None
        if self._keys is None:
            link.faults.append(Fault(TAG, seq, "No journal key of that board is enrolled."))
            link.head = behind
            return link
        stored = _head(entry)
        link.is_tagged = self._keys.covers(seq)
        if not link.is_tagged:
            link.head = behind if behind == stored else None
            is_told, holds = behind is not None, link.head is not None
        else:
            is_near = seq - self._keys.enrolled.seq <= self._reach
            heads = dict.fromkeys(head for head in (behind, stored) if head is not None)
            fitting = [head for head in heads if is_near and self._keys.fits(seq, head, entry.tag)]
            link.head = fitting[0] if fitting else None
            is_told, holds = behind is not None or not fitting, bool(fitting) and fitting[0] == behind
        self._name(link, seq, is_told=is_told, holds=holds, before=before)
        if not link.faults and stored != behind:
            link.faults.append(Fault(CHAIN, seq, f"Row {seq} holds another chain head than its record gives."))
        return link

    @cached_property
    def _reach(self) -> int:
        """How far keys are counted on at most: no number in an edited store makes anybody count for hours."""
        last = self.acknowledged[0] if self.acknowledged is not None else 0
        return (last if is_number(last) else 0) + MAX_STEPS

    def _name(self, link: Link, seq: int, *, is_told: bool, holds: bool, before: bytes | None) -> None:
        entry, seen = link.entry, link.seen
        if seen is None:
            link.faults.append(Fault(RECORD, seq, f"Row {seq} does not hold the record of event {seq}."))
        elif entry is not None and (entry.kind, entry.time_s) != (seen.kind, seen.time_s):
            link.faults.append(Fault(RECORD, seq, f"The columns of row {seq} are not what its record says."))
        elif not is_told or before is None:
            text = f"Row {seq - 1} is missing or altered, so nobody can say what row {seq} followed."
            link.faults.append(Fault(CHAIN, seq - 1, text))
        elif not holds:
            if link.is_tagged and link.head is None:
                link.faults.append(Fault(TAG, seq, f"The tag of row {seq} is not of its content."))
            else:
                text = f"Row {seq} does not follow the row before it: its record is not what the lock wrote."
                link.faults.append(Fault(CHAIN, seq, text))

    # Seals.

    def _find_seals(self, links: dict[int, Link], last: int, *, is_end: bool) -> bool:
        """Judges the seal behind each row up to `last`. Returns False if more rows are needed for that."""
        seal = None
        fault: Fault | None = None
        for seq in sorted(links, reverse=True):
            link = links[seq]
            if seq + 1 not in links and self.gap_at(seq + 1) is not None:
                seal, fault = None, Fault(SEAL, seq + 1, f"The seal before the gap at event {seq + 1} is not there.")
            if link.seen is not None and link.seen.kind == event.SEAL:
                seal, fault = seq, self._judge_seal(links, seq, link.seen)
            elif link.entry is None and seal == seq + 1 and fault is not None:
                fault = Fault(SEAL, seq, f"Row {seq} is not there, so the seal behind it cannot be checked.")
            if seq > last:
                continue
            link.seal = seal
            if fault is not None:
                link.faults.append(fault)
            elif seal is None:
                if not is_end:
                    return False
                self._judge_end(link, max(links))
        return True

    def _judge_seal(self, links: dict[int, Link], seq: int, seal: event.Event) -> Fault | None:
        before = links[seq - 1].head if seq - 1 in links else None
        gap = self.gap_at(seq - 1)
        if gap is not None:
            before = gap.head
        elif seq == 1:
            before = event.genesis(self._public_key)
        if before is None:
            if seq - 1 not in links:
                # Judged only as what is before the first row that is asked for.
                return None
            return Fault(
                SEAL, seq - 1, f"Row {seq - 1} is missing or altered, so the seal behind it cannot be checked."
            )
        if seal_holds(seal, self._chain.door, self._public_key, before):
            return None
        return Fault(SEAL, seq, f"The signature of the seal in row {seq} does not hold.")

    def _judge_end(self, link: Link, end: int) -> None:
        acknowledged = self.acknowledged
        if acknowledged is not None and is_number(acknowledged[0]) and acknowledged[0] > end:
            text = f"Events up to {acknowledged[0]} were stored, and this record ends at {end}."
            link.faults.append(Fault(SEAL, end + 1, text))


def _head(entry: Entry) -> bytes | None:
    head = entry.head
    return head if isinstance(head, bytes) and len(head) == HEAD_BYTES else None
