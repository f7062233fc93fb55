"""What proves a row of the record, one check at a time, and what proves a story."""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from sqlalchemy import bindparam, select

from lobbylock import tables
from lobbylock.deletion import Deletion, deletion_holds
from lobbylock.door import Door
from lobbylock.eventline import event_values
from lobbylock.journalkey import KeyLine
from lobbylock.links import CHAIN, RECORD, SEAL, TAG, Fault, Link, Links
from lobbylock.picture import Announcement, announcement
from lobbylock.store import Chain, PictureRow, Store, read_picture
from lobbylock.verify import is_number

# States of a proof.
HOLDS = "holds"
WAITING = "waiting"
BROKEN = "broken"

# States of a picture.
HERE = "here"
NOT_HERE_YET = "not_here_yet"
# The lock says that it gave it up.
LOST = "lost"
DELETED = "deleted"
MISSING = "missing"
OTHER = "other"
NOT_JPEG = "not_jpeg"

# Checks of a row besides those of links.py.
ACKNOWLEDGEMENT = "acknowledgement"
RECEIPT = "receipt"
PICTURE = "picture"

_JPEG = b"\xff\xd8\xff"

_PICTURE = tables.picture
_ROWS = select(
    _PICTURE.c.seq,
    _PICTURE.c.number,
    _PICTURE.c.length,
    _PICTURE.c.sha256,
    _PICTURE.c.file,
    _PICTURE.c.arrival,
    _PICTURE.c.digest,
).where(_PICTURE.c.chain == bindparam("of_chain"))
_ANNOUNCED_AT = _ROWS.where(_PICTURE.c.seq == bindparam("of_seq"))
_NOTE = tables.deletion
_DELETION = select(_NOTE.c.seq, _NOTE.c.deleted_s, _NOTE.c.rule, _NOTE.c.signature).where(
    _NOTE.c.chain == bindparam("of_chain"), _NOTE.c.seq == bindparam("of_seq")
)
_ANNOUNCED = _ROWS.where(_PICTURE.c.number == bindparam("of_number")).order_by(_PICTURE.c.seq.desc()).limit(1)


@dataclass(frozen=True)
class Proof:
    """Whether what is shown is what the lock recorded: HOLDS, WAITING (no seal is behind it yet) or BROKEN; then `seq`
    is the row that is wrong."""

    state: str
    sentence: str
    seq: int

    @property
    def is_broken(self) -> bool:
        return self.state == BROKEN


@dataclass(frozen=True)
class PictureState:
    """The picture `number`, which event `seq` of the chain announced (0 if none did yet), and whether it is HERE."""

    number: int
    seq: int
    chain: int
    state: str
    sha256: bytes | None


@dataclass(frozen=True)
class Check:
    """One check of a row; `holds` is None where there is nothing to check yet, or nobody can."""

    name: str
    holds: bool | None
    sentence: str


@dataclass
class RowProof:
    """A row with everything that was checked of it. `record` is as it is stored, in hex, and `values` what it says,
    None if it is none; `proof` sums the checks up."""

    door: str
    chain: int
    seq: int
    record: str | None
    values: dict[str, Any] | None
    proof: Proof
    checks: list[Check] = field(default_factory=list)
    kind: int | None = None


def sum_up(links: dict[int, Link], seq: int) -> Proof:
    """Returns what the rows `links` together prove of the story or event `seq`, which is among them."""
    faults = [fault for number in sorted(links) for fault in links[number].faults]
    if faults:
        worst = min(faults, key=lambda fault: fault.seq)
        return Proof(BROKEN, worst.sentence, worst.seq)
    seals = [link.seal for link in links.values()]
    if not seals or None in seals:
        return Proof(WAITING, "No seal is behind it yet.", seq)
    seal = max(number for number in seals if number is not None)
    if any(not link.is_tagged for link in links.values()):
        text = f"Record and chain hold up to the lock's seal in row {seal}; nobody can check tags from before the key."
        return Proof(HOLDS, text, seq)
    return Proof(HOLDS, f"Record, chain and tag hold, and the lock's seal in row {seal} covers them.", seq)


def check_row(
    store: Store, chain: Chain, door: Door, seq: int, collector_key: bytes, keys: KeyLine | None
) -> RowProof | None:
    """Returns what can be checked of row `seq`, None if there is none and never was."""
    links = Links(store, chain, door, keys, collector_key)
    if not is_number(seq) or seq == 0:
        return None
    gap = links.gap_at(seq)
    if gap is not None:
        text = f"Events {gap.first_seq} to {gap.last_seq} never came."
        proof = Proof(WAITING, text, seq)
        return RowProof(door.name, chain.id, seq, None, None, proof, [Check(RECORD, None, text)])
    link = links.judge(seq, seq).get(seq)
    if link is None or (link.entry is None and _is_beyond(store, chain, links, seq)):
        return None
    picture = picture_of_event(store, chain, link, links)
    proof = sum_up({seq: link}, seq)
    fault = picture_fault(picture)
    if not proof.is_broken and fault is not None:
        proof = Proof(BROKEN, fault.sentence, fault.seq)
    entry, seen = link.entry, link.seen
    record = entry.record.hex() if entry is not None and isinstance(entry.record, bytes) else None
    values = None if seen is None else event_values(door, seen)
    checks = [_check(link, name, seq) for name in (RECORD, CHAIN, TAG, SEAL)]
    checks += [_acknowledgement(links, seq, link), _receipt(links, seq, link)]
    if picture is not None:
        checks.append(_picture_check(picture, fault))
    return RowProof(door.name, chain.id, seq, record, values, proof, checks, None if seen is None else seen.kind)


def _is_beyond(store: Store, chain: Chain, links: Links, seq: int) -> bool:
    """Whether nothing ever said that there were as many events."""
    last = links.acknowledged[0] if links.acknowledged is not None else 0
    return seq > last and not store.rows(chain, seq, seq + 1)


def _check(link: Link, name: str, seq: int) -> Check:
    fault = next((fault for fault in link.faults if fault.name == name), None)
    if fault is not None:
        return Check(name, False, fault.sentence)
    if link.entry is None or (name == CHAIN and link.seen is None):
        return Check(name, None, "There is nothing to check.")
    if name == RECORD:
        return Check(name, True, f"Row {seq} holds the record of event {seq}, and its columns say the same.")
    if name == CHAIN:
        return Check(name, True, f"The chain head behind row {seq} is the hash of the head before it and the record.")
    if name == TAG:
        if not link.is_tagged:
            return Check(name, None, "It is from before the enrolled journal key, so its tag cannot be checked.")
        if link.head is None:
            return Check(name, None, "The tag cannot be checked.")
        return Check(name, True, "The tag is by the key that the lock had for this event alone.")
    if link.seal is None:
        return Check(name, None, "No seal is behind it yet.")
    return Check(name, True, f"The lock signed everything up to here with its seal in row {link.seal}.")


def _acknowledgement(links: Links, seq: int, link: Link) -> Check:
    acknowledged = links.acknowledged
    if acknowledged is None:
        return Check(ACKNOWLEDGEMENT, False, "The collector's acknowledgement of the last event is not there.")
    last, head = acknowledged
    if seq == last and link.head is not None and link.head != head:
        return Check(ACKNOWLEDGEMENT, False, "The collector acknowledged another end of the record.")
    if seq > last:
        return Check(ACKNOWLEDGEMENT, None, f"The collector acknowledged events up to {last}.")
    return Check(ACKNOWLEDGEMENT, True, f"The collector acknowledged all events up to {last}.")


def _receipt(links: Links, seq: int, link: Link) -> Check:
    account = links.account
    if account is None:
        return Check(RECEIPT, False, "The collector's receipt of this chain is not there.")
    if seq == account.last_seq and link.head is not None and link.head != account.head:
        return Check(RECEIPT, False, "The collector's receipt is of another end of the record.")
    if seq > account.last_seq:
        return Check(RECEIPT, False, f"The collector's receipt ends at event {account.last_seq}.")
    return Check(RECEIPT, True, f"The collector signed for the record up to event {account.last_seq}.")


# Pictures.


def picture_of_event(store: Store, chain: Chain, link: Link, links: Links) -> PictureState | None:
    """Returns the state of the picture that a row announces, None if it announces none."""
    announced = announcement(link.seen) if link.seen is not None else None
    if announced is None:
        return None
    row = store.connection.execute(_ANNOUNCED_AT, {"of_chain": chain.id, "of_seq": announced.seq}).first()
    return picture_state(store, chain, announced, None if row is None else PictureRow(*row[1:]), links)


def announced_row(store: Store, chain: Chain, number: int) -> tuple[int, PictureRow] | None:
    """Returns (seq of the announcement, its row) of the picture `number`, the latest if there are several."""
    row = store.connection.execute(_ANNOUNCED, {"of_chain": chain.id, "of_number": number}).first()
    # In an edited store a number may be anything.
    return None if row is None or not is_number(row[0]) else (row[0], PictureRow(*row[1:]))


def picture_state(
    store: Store, chain: Chain, announced: Announcement, row: PictureRow | None, links: Links
) -> PictureState:
    """Returns the state of an announced picture, its file read and hashed."""

    def is_deleted() -> bool:
        row = store.connection.execute(_DELETION, {"of_chain": chain.id, "of_seq": announced.seq}).first()
        # A picture may go by rule behind the moment that is read.
        note = store.later_deletion(chain, announced.seq) if row is None else Deletion(*row)
        if note is None:
            return False
        return deletion_holds(note, chain.door, chain.public_key, announced.sha256, links.collector_key)

    def state(name: str) -> PictureState:
        return PictureState(announced.number, announced.seq, chain.id, name, announced.sha256)

    if row is None:
        return state(MISSING)
    if (row.number, row.length, row.sha256) != (announced.number, announced.length, announced.sha256):
        return state(OTHER)
    if row.file is None:
        if row.arrival is None:
            # One that had come and is noted as if it had not: nobody can tell which one.
            return state(MISSING if links.lacks_pictures else NOT_HERE_YET)
        return state(DELETED if is_deleted() else MISSING)
    path = store.picture_path(row.file)
    if path is None:
        return state(OTHER)
    try:
        data = read_picture(path)
    except OSError:
        return state(DELETED if is_deleted() else MISSING)
    if sha256(data).digest() != announced.sha256:
        return state(OTHER)
    return state(HERE if data.startswith(_JPEG) else NOT_JPEG)


def picture_fault(picture: PictureState | None) -> Fault | None:
    """Returns what is wrong with a picture."""
    if picture is None or picture.state not in (MISSING, OTHER):
        return None
    if picture.state == MISSING:
        return Fault(PICTURE, picture.seq, f"The picture that event {picture.seq} announced had come and is gone.")
    return Fault(PICTURE, picture.seq, f"The picture of event {picture.seq} is not the one that the lock took.")


def _picture_check(picture: PictureState, fault: Fault | None) -> Check:
    if fault is not None:
        return Check(PICTURE, False, fault.sentence)
    sentences = {
        HERE: "The picture's SHA-256 is the one in the record.",
        NOT_JPEG: "The picture's SHA-256 is the one in the record; it is no JPEG.",
        DELETED: "The picture was deleted by rule; its SHA-256 stays in the record.",
        NOT_HERE_YET: "The picture has not come yet.",
        LOST: "The lock lost the picture before it was stored.",
    }
    return Check(PICTURE, True if picture.state in (HERE, NOT_JPEG) else None, sentences[picture.state])
