"""Finds the journal in its ring after a start, and what a power cut left to be wiped there. Needed once, then let go.

A sector counts with a sound header and either a sound key in it or an entry behind. The newest one that counts leads
back through the others: each header says in which sector the key before it was.
"""

from binascii import crc32
from struct import unpack

from constant import const

from firmware.core import event
from firmware.store import entry, sector

# From store.entry, as are what is wiped of an entry that was cut, and of the last one of a sector with its key's field.
_KEY_AT = const(52)
_FIRST_AT = const(88)
_FIELD_BYTES = const(36)
_TAG_BYTES = const(16)
_CUT_BYTES = const(256)
_REST_BYTES = const(286)


def find(flash, count: int) -> tuple:
    """Returns (highest generation, live sectors, places to wipe, newest sector or -1, state in it).

    A live sector, oldest first, is one number: its first seq times `count`, plus the sector's number. A place, (sector,
    offset, size), may still hold a used key. The state is (offset behind the last entry or of the sector's end if
    nothing may follow there, offset of the key in use, that key, seq, seq of the last seal, head); without a usable key
    that is empty. Writes nothing. Raises FlashError.
    """
    highest = 0
    places = []
    newest = None
    newest_number = -1
    for number in range(count):
        field = bytes(sector.read(flash, number, _KEY_AT, _FIELD_BYTES))
        if field not in (bytes(_FIELD_BYTES), b"\xff" * _FIELD_BYTES):
            places.append((number, _KEY_AT, _FIELD_BYTES))
        header = entry.header_at(flash, number)
        if header:
            highest = max(highest, header[0])
            is_newer = not newest or header[0] > newest[0]
            if is_newer and (_key_in(field) or entry.body_from(flash, number, _FIRST_AT)[1]):
                newest = header
                newest_number = number
    if not newest:
        return highest, [], places, -1, (sector.SECTOR_BYTES, 0, b"", 0, 0, b"")
    # Whether the key in that header is used yet is for the walk to say.
    places = [place for place in places if place[0] != newest_number]
    live = _link(flash, count, newest_number, newest, places)
    return highest, live, places, newest_number, _walk(flash, newest_number, newest, places)


def _key_in(field: bytes) -> bytes:
    """Returns the key in a key field; nothing if that is not sound."""
    key = field[:-4]
    return key if crc32(key) == unpack(">I", field[-4:])[0] else b""


def _link(flash, count: int, number: int, header: tuple, places: list) -> list:
    """Returns the live sectors from the newest one, `number`, back; adds what to wipe in the one before it."""
    live = []
    end_seq = 0
    while True:
        generation, first_seq, before, before_at, _ = header
        # An erase that was cut may have left the header of the oldest sector and not its entries.
        if end_seq and not _is_whole(flash, number, end_seq - first_seq):
            return live
        live.insert(0, first_seq * count + number)
        older = entry.header_at(flash, before) if before < count else None
        # Another generation has taken the place of the one before.
        if not older or older[0] >= generation or older[1] > first_seq:
            return live
        if not end_seq:
            _note(flash, before, before_at, _REST_BYTES, places)
        header = older
        number = before
        end_seq = first_seq


def _is_whole(flash, number: int, records: int) -> bool:
    """Whether a sector still has as many sound records, in front of which nothing is missing."""
    at = _FIRST_AT
    for _ in range(records):
        at, body = entry.body_from(flash, number, at)
        if not body:
            return False
        at += len(body) + sector.OVERHEAD_BYTES + _FIELD_BYTES
    return True


def _note(flash, number: int, at: int, size: int, places: list) -> None:
    """Adds a place to wipe, unless it is all zeros."""
    size = min(size, sector.SECTOR_BYTES - at)
    if size > 0 and any(sector.read(flash, number, at, size)):
        places.append((number, at, size))


def _walk(flash, number: int, header: tuple, places: list) -> tuple:
    """Follows the entries of the newest sector; returns the state behind the last one that counts, as `find` does."""
    seq = header[1] - 1
    head = header[4]
    sealed_seq = 0
    at = _FIRST_AT
    key_at = _KEY_AT
    used_at = 0
    end_at = sector.SECTOR_BYTES
    state = _KEY_AT, b"", seq, sealed_seq, head
    while True:
        cut_at = at
        at, body = entry.body_from(flash, number, at)
        while cut_at < at:
            # Its wiping may have been cut as well.
            _note(flash, number, cut_at, _CUT_BYTES, places)
            cut_at += _CUT_BYTES
        key = _key_in(bytes(sector.read(flash, number, key_at, _FIELD_BYTES)))
        if key or body:
            if used_at:
                _note(flash, number, used_at, _FIELD_BYTES, places)
            used_at = key_at
            end_at = at
            state = key_at, key, seq, sealed_seq, head
        if not body:
            break
        at += len(body) + sector.OVERHEAD_BYTES + _FIELD_BYTES
        key_at = at - _FIELD_BYTES
        seq += 1
        head = event.next_head(head, body[:-_TAG_BYTES])
        if event.kind_of(body) == event.SEAL:
            sealed_seq = seq
    if not sector.is_erased_from(flash, number, end_at):
        if state[1]:
            # An entry that was cut: it may hold the key of the record after next.
            _note(flash, number, end_at, _CUT_BYTES, places)
        end_at += _CUT_BYTES
        if not state[1] or end_at > sector.SECTOR_BYTES or not sector.is_erased_from(flash, number, end_at):
            end_at = sector.SECTOR_BYTES
    return (end_at,) + state
