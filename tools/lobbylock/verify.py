"""Decides whether an `events` message is a door's own history: docs/protocol.md section 5, "What a collector checks".

Pure: no store, no network, no clock. `parse_batch` looks at form; the caller then fetches what it has stored around
those numbers, and `check_batch` looks at heads, records, seals and tags.
"""

from dataclasses import dataclass, field
from typing import TypeGuard

import cbor
import cose

from firmware.core import event, ratchet
from lobbylock.journalkey import MAX_STEPS, KeyLine
from lobbylock.names import NO_DOOR
from lobbylock.signature import is_signed

MAX_BATCH_BYTES = 8192
MAX_BATCH_RECORDS = 48
HEAD_BYTES = 32
# SQLite's integers end here. A lock that counts one event each millisecond gets there in 292 million years.
MAX_NUMBER = (1 << 63) - 1
# More than a lock has room for: a key beyond that is nobody's who has cut a history back.
_LOOK_AHEAD = 4096

# Reasons of a refusal. Few and fixed, so that counting them takes bounded memory.
UNKNOWN_TOPIC = "not a topic of a door"
UNKNOWN_DOOR = "no such door is enrolled"
TOO_LONG = "too long"
RETAINED = "retained message"
MALFORMED = "not of the protocol's form"
OUT_OF_ORDER = "records not in order"
TWO_HISTORIES = "two histories"
BAD_SEAL = "seal does not hold"
BAD_TAG = "tag does not hold"
NO_JOURNAL_KEY = "no journal key is enrolled for this door"
TOO_FAR = "too far ahead of what is known"
UNANNOUNCED = "picture was not announced"
BAD_PIECE = "piece does not fit the picture"
BAD_HASH = "picture is not the announced one"


class Refusal(Exception):
    """A message that is neither stored nor acknowledged. `reason` is one of the constants above.

    `conflict_seq` is where a message under the door's own seal tells of another history, so that it is worth keeping.
    """

    def __init__(self, reason: str, detail: str = "", conflict_seq: int | None = None) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail
        self.conflict_seq = conflict_seq


@dataclass(frozen=True)
class Gap:
    """Events `first_seq` to `last_seq` of a door that never came; `head` is the chain head behind the last of them."""

    first_seq: int
    last_seq: int
    head: bytes


@dataclass(frozen=True)
class Batch:
    """A well-formed `events` message: `head` is the chain head before `events[0]`."""

    first_seq: int
    head: bytes
    records: list[bytes]
    tags: list[bytes]
    events: list[event.Event]

    @property
    def last_seq(self) -> int:
        return self.first_seq + len(self.records) - 1


@dataclass(frozen=True)
class Known:
    """What is stored of one chain around a batch: `records`, `tags` and `heads` by seq, and the highest seq of all.

    `heads` must hold the one before the batch's first seq if that is stored or ends a gap; the genesis head is added
    by `check_batch`.
    """

    last_seq: int = 0
    records: dict[int, bytes] = field(default_factory=dict)
    heads: dict[int, bytes] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    tags: dict[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """A batch that may be stored: the head behind each record, the gaps afterwards, and which records are new."""

    batch: Batch
    heads: list[bytes]
    gaps: list[Gap]
    new_seqs: list[int]


def parse_batch(payload: bytes) -> Batch:
    """Returns the batch in the payload of an `events` message. Raises Refusal for its form, size or order."""
    if len(payload) > MAX_BATCH_BYTES:
        raise Refusal(TOO_LONG, f"{len(payload)} bytes")
    try:
        fields = cbor.decode(payload, MAX_BATCH_BYTES)
    except cbor.CborError as error:
        raise Refusal(MALFORMED, str(error)) from None
    if not isinstance(fields, list) or len(fields) != 4 or not is_number(fields[0]) or fields[0] != 2:
        raise Refusal(MALFORMED, "not an events message of version 2")
    _, first_seq, head, entries = fields
    if not is_number(first_seq) or first_seq < 1 or not isinstance(head, bytes) or len(head) != HEAD_BYTES:
        raise Refusal(MALFORMED, "first seq or head")
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_BATCH_RECORDS:
        raise Refusal(MALFORMED, f"a message has 1 to {MAX_BATCH_RECORDS} entries")
    records, tags = [], []
    for entry in entries:
        if not isinstance(entry, bytes) or len(entry) <= ratchet.TAG_BYTES:
            raise Refusal(MALFORMED, "an entry is a byte string of a record and its tag")
        records.append(entry[: -ratchet.TAG_BYTES])
        tags.append(entry[-ratchet.TAG_BYTES :])
    events = [_parse_record(record) for record in records]
    if any(each.seq != first_seq + at for at, each in enumerate(events)):
        raise Refusal(OUT_OF_ORDER)
    if events[-1].kind != event.SEAL:
        raise Refusal(BAD_SEAL, "the last record is not a seal")
    return Batch(first_seq, head, records, tags, events)


def is_number(value: object) -> TypeGuard[int]:
    """Whether `value` is an unsigned integer that the store can hold."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_NUMBER


def _parse_record(record: bytes) -> event.Event:
    try:
        found = event.decode(record)
    except cbor.CborError as error:
        raise Refusal(MALFORMED, str(error)) from None
    if not all(is_number(number) for number in (found.seq, found.kind, found.boot, found.uptime_ms, found.time_s or 0)):
        raise Refusal(MALFORMED, "number out of range")
    return found


def check_batch(batch: Batch, door: str, public_key: bytes, known: Known, keys: KeyLine) -> Verdict:
    """Returns what to store of `batch`, sent for `door` ("building/door") whose board has `public_key` and the journal
    `keys`.

    Raises Refusal if it contradicts what is `known`, or if a seal or a tag does not hold.
    """
    if batch.last_seq > max(known.last_seq, keys.enrolled.seq) + MAX_STEPS:
        raise Refusal(TOO_FAR, f"event {batch.last_seq}")
    bad_seal, after = follow_seals(batch, door, public_key)
    found = _find_conflict(batch, {0: event.genesis(public_key), **known.heads}, after, known)
    if found is not None:
        conflict_seq, detail = found
        # Without a seal that holds anybody may have made it up.
        raise Refusal(TWO_HISTORIES, detail, conflict_seq if bad_seal is None else None)
    if bad_seal is not None:
        raise Refusal(BAD_SEAL, f"event {bad_seal}")
    _check_tags(batch, after, known, keys)
    new_seqs = [found.seq for found in batch.events if found.seq not in known.records]
    return Verdict(batch, after, gaps_after(batch, known), new_seqs)


def follow_seals(batch: Batch, door: str, public_key: bytes) -> tuple[int | None, list[bytes]]:
    """Returns the seq of the first seal that does not hold, None if all do, and the chain head behind each record."""
    bad_seal = None
    before = batch.head
    after = []
    for found, record in zip(batch.events, batch.records, strict=True):
        if found.kind == event.SEAL and bad_seal is None and not seal_holds(found, door, public_key, before):
            bad_seal = found.seq
        before = event.next_head(before, record)
        after.append(before)
    return bad_seal, after


def _find_conflict(batch: Batch, heads: dict[int, bytes], after: list[bytes], known: Known) -> tuple[int, str] | None:
    """Returns (seq, what) where `batch` first contradicts what is stored, or None."""
    if heads.get(batch.first_seq - 1, batch.head) != batch.head:
        return batch.first_seq, f"another chain head before event {batch.first_seq}"
    for seq, record, tag, head in zip(
        range(batch.first_seq, batch.last_seq + 1), batch.records, batch.tags, after, strict=True
    ):
        if known.records.get(seq, record) != record:
            return seq, f"event {seq} is stored with other content"
        if known.tags.get(seq, tag) != tag:
            return seq, f"event {seq} is stored with another tag"
        if heads.get(seq, head) != head:
            # Possible only where a gap ends: the chain goes on from another head than this one.
            return seq, f"another chain head behind event {seq}"
    return None


def _check_tags(batch: Batch, after: list[bytes], known: Known, keys: KeyLine) -> None:
    for seq, tag, head in zip(range(batch.first_seq, batch.last_seq + 1), batch.tags, after, strict=True):
        if seq in known.records or not keys.covers(seq) or keys.fits(seq, head, tag):
            continue
        owner = keys.owner(head, tag, seq, seq + _LOOK_AHEAD)
        raise Refusal(BAD_TAG, f"event {seq}" + (f" has one by the key of event {owner}" if owner else ""))


def seal_holds(seal: event.Event, door: str, public_key: bytes, head_before: bytes) -> bool:
    """Whether the seal record's signature is the door's own over everything before it (section 4)."""
    signature = seal.details.get(event.SIGNATURE)
    # The signature covers all of the seal but its details: a stranger could add to those.
    if not isinstance(signature, bytes) or len(seal.details) != 1:
        return False
    # Until it has settings, and again if it loses them, a lock does not know its name and still has to seal.
    for name in (door, NO_DOOR):
        payload = event.seal_payload(name, seal, head_before)
        if is_signed(public_key, cose.to_be_signed(payload), signature):
            return True
    return False


def gaps_after(batch: Batch, known: Known) -> list[Gap]:
    """Returns the gaps that are left once `batch` is stored, in order.

    A batch opens a gap when it starts beyond the next seq expected, and fills, shortens or parts an older one when it
    brings events that were missing.
    """
    gaps = list(known.gaps)
    if batch.first_seq > known.last_seq + 1:
        gaps.append(Gap(known.last_seq + 1, batch.first_seq - 1, batch.head))
    left = []
    for gap in gaps:
        if gap.last_seq < batch.first_seq or gap.first_seq > batch.last_seq:
            left.append(gap)
            continue
        if gap.first_seq < batch.first_seq:
            left.append(Gap(gap.first_seq, batch.first_seq - 1, batch.head))
        if gap.last_seq > batch.last_seq:
            left.append(Gap(batch.last_seq + 1, gap.last_seq, gap.head))
    return left
