"""Finds the journal in its ring after a start, and what a power cut left to be wiped there. Needed once, then let go.

A sector counts with a sound header and either a sound key in it or an entry behind. The newest one that counts leads
back through the others: each header says in which sector the key before it was.
"""

from binascii import crc32
from struct import unpack

from constant import const

from firmware.core import event
from firmware.store import entry, sector

# The key field in use and the longest entry behind it: all that a sector left behind may still hold of a key.
_REST_BYTES = const(286)


class Found:
    """What is there. `sector` is -1 if nothing counts; `key` is empty if none of the newest sector is sound.

    `live` holds (first seq, sector) of the sectors that belong together, oldest first, as one number each: first seq
    times number of sectors, plus sector. `unwiped` holds (sector, offset, size) of what may still be a used key.
    """

    def __init__(self) -> None:
        self.generation = 0
        self.live = []
        self.sector = -1
        self.at = sector.SECTOR_BYTES
        self.key_at = 0
        self.key = b""
        self.seq = 0
        self.sealed_seq = 0
        self.head = b""
        self.unwiped = []


def find(flash, count: int) -> Found:
    """Returns what lies in the ring of `count` sectors; writes nothing. Raises FlashError."""
    found = Found()
    newest = None
    for number in range(count):
        field = bytes(sector.read(flash, number, entry.KEY_AT, entry.FIELD_BYTES))
        if field not in (bytes(entry.FIELD_BYTES), b"\xff" * entry.FIELD_BYTES):
            found.unwiped.append((number, entry.KEY_AT, entry.FIELD_BYTES))
        header = entry.header_at(flash, number)
        if header:
            found.generation = max(found.generation, header[0])
            is_newer = not newest or header[0] > newest[0]
            if is_newer and (_key_in(field) or entry.body_at(flash, number, entry.FIRST_AT)):
                newest = header
                found.sector = number
    if newest:
        # Whether that header's key is used yet is for the walk to say.
        found.unwiped = [place for place in found.unwiped if place[0] != found.sector]
        _link(found, flash, count, newest)
        _walk(found, flash, newest)
    return found


def _key_in(field: bytes) -> bytes:
    """Returns the key in a key field; nothing if that is not sound."""
    key = field[:-4]
    return key if crc32(key) == unpack(">I", field[-4:])[0] else b""


def _link(found: Found, flash, count: int, header: tuple) -> None:
    """Collects the sectors from the newest one back, and what to wipe in the one before it."""
    number = found.sector
    end_seq = 0
    while True:
        generation, first_seq, before, before_at, _ = header
        # An erase that was cut may have left the header of the oldest sector and not its entries.
        if end_seq and not _is_whole(flash, number, end_seq - first_seq):
            return
        found.live.insert(0, first_seq * count + number)
        older = entry.header_at(flash, before) if before < count else None
        # Another generation has taken the place of the one before.
        if not older or older[0] >= generation or older[1] > first_seq:
            return
        header = older
        if not end_seq:
            _note(found, flash, before, before_at, _REST_BYTES)
        number = before
        end_seq = first_seq


def _is_whole(flash, number: int, records: int) -> bool:
    """Whether a sector still has as many sound records, in front of which nothing is missing."""
    at = entry.FIRST_AT
    for _ in range(records):
        body = entry.body_at(flash, number, at)
        if not body:
            return False
        at += len(body) + sector.OVERHEAD_BYTES + entry.FIELD_BYTES
    return True


def _note(found: Found, flash, number: int, at: int, size: int) -> None:
    """Takes note of a place to wipe, unless it is all zeros."""
    size = min(size, sector.SECTOR_BYTES - at)
    if size > 0 and any(sector.read(flash, number, at, size)):
        found.unwiped.append((number, at, size))


def _walk(found: Found, flash, header: tuple) -> None:
    """Follows the entries of the newest sector up to the last one that counts."""
    number = found.sector
    seq = header[1] - 1
    head = header[4]
    sealed_seq = 0
    at = entry.FIRST_AT
    used_at = 0
    while True:
        body = entry.body_at(flash, number, at)
        key = _key_in(bytes(sector.read(flash, number, at - entry.FIELD_BYTES, entry.FIELD_BYTES)))
        if key or body:
            if used_at:
                _note(found, flash, number, used_at, entry.FIELD_BYTES)
            found.seq, found.head, found.sealed_seq, found.key = seq, head, sealed_seq, key
            found.key_at = used_at = at - entry.FIELD_BYTES
        if not body:
            break
        at += len(body) + sector.OVERHEAD_BYTES + entry.FIELD_BYTES
        seq += 1
        head = entry.head_behind(head, body)
        if event.kind_of(body) == event.SEAL:
            sealed_seq = seq
    at = found.key_at + entry.FIELD_BYTES
    if sector.is_erased_from(flash, number, at):
        found.at = at
    elif found.key:
        # An entry that was cut: nothing goes behind it, and it may hold the key of the record after next.
        _note(found, flash, number, at, entry.MOST_BYTES)
