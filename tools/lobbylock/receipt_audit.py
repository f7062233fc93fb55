"""Compares the receipts that people walked off with with what the doors recorded: docs/protocol.md section 17.

The record has been verified before. A receipt proves an entry only together with its event, and an event of a receipt
only together with that receipt, so whatever stands alone is named.
"""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from firmware.core import event
from lobbylock.door import Door
from lobbylock.moment import format_utc
from lobbylock.store import Chain, Store
from lobbylock.visit_receipt import VisitReceipt, read_visit_receipt

# What can be wrong with a receipt.
NO_RECEIPT = "not a receipt"
UNKNOWN_DOOR = "unknown door"
OTHER_DOOR = "receipt of another door"
NOT_SIGNED = "not signed by the door"
OTHER_BOARD = "receipt of another board"
EVENT_IN_GAP = "its event is in a gap"
EVENT_NOT_HERE = "its event is not here"
EVENT_OTHER = "its event is another"
NOT_HANDED_OUT = "no event says that it was given"
OTHER_RECEIPT = "another receipt was given"
# What can be wrong with an event.
RECEIPT_NOT_HERE = "its receipt is not here"
ACCESS_OTHER = "a receipt was given for no entry"
# Not wrong: the phone may have wanted none, or have been gone.
WITHOUT = "no receipt was given"

_BY_PHONE = (event.PHONE, event.BLE)


@dataclass(frozen=True)
class ReceiptFinding:
    """One discrepancy. `file` is empty where an event stands alone, `door` where a file tells of none; `seq` is that of
    the event, 0 if there is none."""

    file: str
    door: str
    seq: int
    what: str
    detail: str

    def __str__(self) -> str:
        of = f"{self.door} #{self.seq}" if self.door else ""
        return ": ".join(part for part in (self.file, of, f"{self.what} ({self.detail})") if part)

    def values(self) -> dict[str, Any]:
        """Returns the same as JSON values."""
        return {"file": self.file, "door": self.door, "seq": self.seq, "what": self.what, "detail": self.detail}


@dataclass
class ReceiptAudit:
    """`held` are the receipts whose event is there and as they say, (file, receipt); `without` the entries by phone for
    which no receipt was given."""

    held: list[tuple[str, VisitReceipt]] = field(default_factory=list)
    findings: list[ReceiptFinding] = field(default_factory=list)
    without: list[ReceiptFinding] = field(default_factory=list)


@dataclass(frozen=True)
class _Given:
    """An event 43: it says that the receipt with `digest` was given for the access `access_seq`."""

    seq: int
    access_seq: object
    digest: object


class _History:
    """What one chain says of entries and receipts."""

    def __init__(self, store: Store, chain: Chain) -> None:
        self.gaps = store.gaps(chain)
        self.last_seq = 0
        self._starts: list[int] = []
        self.accesses: dict[int, tuple[bytes, event.Event]] = {}
        self.given: list[_Given] = []
        for entry in store.events(chain):
            self.last_seq = entry.seq
            if entry.kind == event.BOOT:
                self._starts.append(entry.seq)
            if entry.kind == event.ACCESS:
                self.accesses[entry.seq] = entry.record, event.decode(entry.record)
            elif entry.kind == event.RECEIPT:
                details = event.decode(entry.record).details
                self.given.append(_Given(entry.seq, details.get(event.ACCESS_SEQ), details.get(event.SHA256)))

    def is_in_gap(self, seq: int) -> bool:
        return any(gap.first_seq <= seq <= gap.last_seq for gap in self.gaps)

    def may_miss_after(self, access: event.Event) -> bool:
        """Whether an event that followed `access` before the lock's next start may be in a gap."""
        start = next((seq for seq in self._starts if seq > access.seq), self.last_seq)
        return any(access.seq < gap.first_seq < start for gap in self.gaps)


def audit_receipts(
    store: Store, doors: dict[str, Door], files: list[tuple[str, bytes]], only: str | None = None, *, is_all: bool
) -> ReceiptAudit:
    """Returns what comes of the receipts in `files`, (name, content) each, against the verified `store`.

    With `is_all` these are all that were ever given: an event, of the door `only`, whose receipt is not among them is
    named as well.
    """
    found = ReceiptAudit()
    histories = {(chain.door, chain.public_key): _History(store, chain) for chain in store.chains()}
    for name, data in files:
        problem = _check(data, name, doors, histories)
        if isinstance(problem, ReceiptFinding):
            found.findings.append(problem)
        else:
            found.held.append((name, problem))
    digests = {sha256(data).digest() for _, data in files}
    for (door, _), history in histories.items():
        if only in (None, door):
            _check_events(found, door, history, digests, is_all=is_all)
    return found


def _check(
    data: bytes, name: str, doors: dict[str, Door], histories: dict[tuple[str, bytes], _History]
) -> VisitReceipt | ReceiptFinding:
    said = read_visit_receipt(data, None)
    if said is None:
        return ReceiptFinding(name, "", 0, NO_RECEIPT, "it has another form")

    def problem(what: str, detail: str) -> ReceiptFinding:
        return ReceiptFinding(name, said.door, said.seq, what, detail)

    door = doors.get(said.door)
    if door is None:
        return problem(UNKNOWN_DOOR, "no such door is listed here")
    key = next((key for key in door.public_keys if read_visit_receipt(data, key) is not None), None)
    if key is None:
        signer = next((each.name for each in doors.values() if _is_by(data, each)), None)
        if signer is not None:
            return problem(OTHER_DOOR, f"the board of {signer} signed it")
        return problem(NOT_SIGNED, "it was altered, or a board signed it that was never enrolled there")
    history = histories.get((said.door, key))
    if history is None:
        return problem(OTHER_BOARD, "that board was enrolled there, and nothing of its history is in this record")
    return _compare(said, history, problem)


def _is_by(data: bytes, door: Door) -> bool:
    return any(read_visit_receipt(data, key) is not None for key in door.public_keys)


def _compare(said: VisitReceipt, history: _History, problem: Any) -> VisitReceipt | ReceiptFinding:
    """Compares a receipt that its board signed with that board's history."""
    if history.is_in_gap(said.seq):
        return problem(EVENT_IN_GAP, "nothing of that time ever came to the collector")
    access = history.accesses.get(said.seq)
    if access is None:
        if said.seq > history.last_seq:
            return problem(EVENT_NOT_HERE, f"this record ends at #{history.last_seq}")
        return problem(EVENT_OTHER, "the record has no access there")
    record, seen = access
    if sha256(record).digest() != said.record_sha256:
        return problem(EVENT_OTHER, "the record there has another hash")
    details = seen.details
    told = (seen.time_s, details.get(event.KID), details.get(event.CREDENTIAL_ID))
    if details.get(event.REASON) != event.GRANTED:
        return problem(EVENT_OTHER, "that access was refused")
    if told != (said.time_s, said.kid, said.credential_id):
        return problem(EVENT_OTHER, "it tells of another time or another credential")
    given = [each for each in history.given if each.access_seq == said.seq]
    if not given:
        if history.may_miss_after(seen):
            return problem(EVENT_IN_GAP, "the one that says that it was given; the entry itself is here")
        return problem(NOT_HANDED_OUT, f"this record ends at #{history.last_seq}")
    if all(each.digest != said.sha256 for each in given):
        return problem(OTHER_RECEIPT, f"event #{given[0].seq} names it")
    return said


def _check_events(found: ReceiptAudit, door: str, history: _History, digests: set[bytes], *, is_all: bool) -> None:
    for given in history.given:
        access = history.accesses.get(given.access_seq) if isinstance(given.access_seq, int) else None
        if access is None or access[1].details.get(event.REASON) != event.GRANTED:
            if not isinstance(given.access_seq, int) or not history.is_in_gap(given.access_seq):
                detail = f"event #{given.seq} names {given.access_seq}"
                found.findings.append(ReceiptFinding("", door, given.seq, ACCESS_OTHER, detail))
        elif is_all and given.digest not in digests:
            detail = f"event #{given.seq} says that one was given"
            found.findings.append(ReceiptFinding("", door, access[1].seq, RECEIPT_NOT_HERE, detail))
    with_receipt = {given.access_seq for given in history.given}
    for seq, (_, seen) in history.accesses.items():
        is_entry = seen.details.get(event.REASON) == event.GRANTED and seen.details.get(event.VIA) in _BY_PHONE
        if is_entry and seq not in with_receipt and not history.may_miss_after(seen):
            when = "at a time that the lock did not know" if seen.time_s is None else f"at {format_utc(seen.time_s)}"
            found.without.append(ReceiptFinding("", door, seq, WITHOUT, f"an entry by phone {when}"))
