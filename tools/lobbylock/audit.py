"""Recomputes what the collector stored: every chain, every seal, every picture.

Trusts the enrolled keys only. Whoever edits the store cannot sign for a door, nor for the collector, whose last
acknowledgement shows where a chain must end.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import cbor

from firmware.core import event
from lobbylock.acknowledgement import read_events_acknowledgement
from lobbylock.picture import MAX_PICTURE_BYTES, Announcement, announcement
from lobbylock.store import Chain, Store
from lobbylock.verify import Gap, is_number, seal_holds

# What can be wrong with a link.
EDITED = "edited"
MISSING_ROW = "missing row"
REORDERED = "reordered"
BAD_SEAL = "bad seal"
PICTURE_MISSING = "picture missing"
PICTURE_OTHER = "picture is another"
UNKNOWN_KEY = "unknown key"


class BrokenLink(Exception):
    """The first thing that is not as the door sealed it; `seq` is 0 if it concerns a whole chain."""

    def __init__(self, door: str, seq: int, what: str, detail: str) -> None:
        super().__init__(f"{door} #{seq}: {what} ({detail})")
        self.door = door
        self.seq = seq
        self.what = what
        self.detail = detail

    def values(self) -> dict[str, Any]:
        """Returns the same as JSON values."""
        return {"ok": False, "door": self.door, "seq": self.seq, "what": self.what, "detail": self.detail}


@dataclass
class ChainSum:
    """What was found in a sound chain. `lost` are the gaps that the lock itself reported, `gaps` all of them."""

    door: str
    public_key: bytes
    events: int = 0
    last_seq: int = 0
    seals: int = 0
    pictures: int = 0
    pending_pictures: list[int] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    lost: list[tuple[int, int]] = field(default_factory=list)

    def is_reported(self, gap: Gap) -> bool:
        """Whether the lock said that it had no room left for these events."""
        return any(first <= gap.first_seq and gap.last_seq < first + count for first, count in self.lost)

    def values(self) -> dict[str, Any]:
        """Returns the same as JSON values."""
        gaps = [
            {"first_seq": gap.first_seq, "last_seq": gap.last_seq, "reported": self.is_reported(gap)}
            for gap in self.gaps
        ]
        return {
            "door": self.door,
            "public_key": self.public_key.hex(),
            "events": self.events,
            "last_seq": self.last_seq,
            "seals": self.seals,
            "pictures": self.pictures,
            "pending_pictures": self.pending_pictures,
            "gaps": gaps,
        }


def audit_chain(store: Store, chain: Chain, collector_key: bytes) -> ChainSum:
    """Returns the sum of a sound chain. Raises BrokenLink at the first thing that is not sound."""
    found = ChainSum(chain.door, chain.public_key, gaps=_gaps(store, chain))
    files = store.picture_files(chain)
    head = event.genesis(chain.public_key)
    is_sealed = True
    for seen, record, head_before in _links(store, chain, found.gaps):
        head = event.next_head(head_before, record)
        found.events += 1
        found.last_seq = seen.seq
        is_sealed = seen.kind == event.SEAL
        if is_sealed:
            if not seal_holds(seen, chain.door, chain.public_key, head_before):
                raise BrokenLink(chain.door, seen.seq, BAD_SEAL, "its signature does not fit what is before it")
            found.seals += 1
        if seen.kind == event.EVENTS_LOST:
            first, count = seen.details.get(event.FIRST_SEQ), seen.details.get(event.COUNT)
            if is_number(first) and is_number(count):
                found.lost.append((first, count))
        announced = announcement(seen)
        if announced is not None:
            _check_picture(store, chain, announced, files, found)
    if not is_sealed:
        raise BrokenLink(chain.door, found.last_seq + 1, MISSING_ROW, "the seal behind the last event is not there")
    _check_end(chain, collector_key, found.last_seq, head)
    return found


def _links(store: Store, chain: Chain, gaps: list[Gap]) -> Iterator[tuple[event.Event, bytes, bytes]]:
    """Yields (event, record, head before it) of each row that fits its record, its neighbors and the chain."""
    open_gaps = {gap.first_seq: gap for gap in gaps}
    expected = 1
    head = event.genesis(chain.public_key)
    was_seal = True
    for seq, kind, time_s, record, stored_head in store.events(chain):
        seen = _decode(chain.door, expected, record)
        if seen.seq != seq:
            raise BrokenLink(chain.door, expected, REORDERED, f"row {seq} holds event {seen.seq}")
        if seq != expected:
            gap = open_gaps.pop(expected, None)
            if gap is None or gap.last_seq != seq - 1:
                raise BrokenLink(chain.door, expected, MISSING_ROW, f"the next row is {seq}")
            if not was_seal:
                raise BrokenLink(chain.door, expected, MISSING_ROW, "the seal before a gap is not there")
            head = gap.head
        behind = event.next_head(head, record)
        if (kind, time_s, stored_head) != (seen.kind, seen.time_s, behind):
            raise BrokenLink(chain.door, seen.seq, EDITED, "the row is not what the chain says")
        yield seen, record, head
        head = behind
        was_seal = seen.kind == event.SEAL
        expected = seen.seq + 1
    if open_gaps:
        raise BrokenLink(chain.door, min(open_gaps), EDITED, "a gap is noted where there is none")


def _gaps(store: Store, chain: Chain) -> list[Gap]:
    gaps = store.gaps(chain)
    for gap in gaps:
        if not is_number(gap.first_seq) or not is_number(gap.last_seq) or not isinstance(gap.head, bytes):
            raise BrokenLink(chain.door, 0, EDITED, "a gap is not one")
    return gaps


def _decode(door: str, expected: int, record: bytes) -> event.Event:
    # SQLite keeps whatever type somebody writes.
    if isinstance(record, bytes):
        try:
            return event.decode(record)
        except cbor.CborError:
            pass
    raise BrokenLink(door, expected, EDITED, "the row holds no record")


def _check_picture(
    store: Store, chain: Chain, announced: Announcement, files: dict[object, object], found: ChainSum
) -> None:
    """Compares the picture's file with the event that announced it, whatever the store's picture row says."""
    seq = announced.seq
    if seq not in files:
        raise BrokenLink(chain.door, seq, PICTURE_MISSING, "its row is not there")
    if files[seq] is None:
        found.pending_pictures.append(announced.number)
        return
    path = store.picture_path(files[seq])
    if path is None:
        raise BrokenLink(chain.door, seq, PICTURE_OTHER, "its row names no file of the store")
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_PICTURE_BYTES + 1)
    except OSError as error:
        raise BrokenLink(chain.door, seq, PICTURE_MISSING, f"{path}: {error.strerror}") from None
    if len(data) != announced.length:
        raise BrokenLink(chain.door, seq, PICTURE_OTHER, f"{path} has another length than {announced.length}")
    if sha256(data).digest() != announced.sha256:
        raise BrokenLink(chain.door, seq, PICTURE_OTHER, f"{path} has another SHA-256")
    found.pictures += 1


def _check_end(chain: Chain, collector_key: bytes, last_seq: int, head: bytes) -> None:
    """Compares the chain's end with the collector's own signed acknowledgement of it."""
    acknowledged = read_events_acknowledgement(chain.ack, collector_key, chain.door)
    if acknowledged is None:
        raise BrokenLink(chain.door, last_seq, EDITED, "the collector's acknowledgement of the last event is not there")
    if acknowledged[0] > last_seq:
        raise BrokenLink(
            chain.door, last_seq + 1, MISSING_ROW, f"events up to {acknowledged[0]} were stored and acknowledged"
        )
    if acknowledged != (last_seq, head):
        raise BrokenLink(chain.door, last_seq, EDITED, "the collector acknowledged another end")
