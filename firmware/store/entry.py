"""How the journal lies in a flash sector: one header, then entries, each with the key of the record behind it.

    header    = magic | generation (4) | first seq (4) | where the key before lies: sector (2), offset (2)
                | chain head before (32) | CRC-32 of all this (4) | key field
    entry     = length (2) | CRC-32 of length, record and tag (4) | record | tag (16) | key field
    key field = key (32) | CRC-32 of it (4), programmed to zeros once the key has been used

So the key field of a header is at 52, the first entry at 88, and the longest entry has 250 bytes. What a power cut left
of an entry is programmed to zeros, 256 bytes or up to the end of the sector, and the entries go on behind it.

An entry but for its key field is a record of `store.sector`. One that is the last counts only with a sound key field.
"""

from binascii import crc32
from struct import pack, unpack

from constant import const

from firmware.core import event
from firmware.store import sector

_HEADER = const(">4sIIHH32s")
_HEADER_BYTES = const(48)
_KEY_AT = const(52)
_MAGIC = const(b"LBJ2")
_TAG_BYTES = const(16)
_CUT_BYTES = const(256)
# Behind it there is not even room for the head of an entry.
_LAST_AT = const(4090)


def field(key: bytes) -> bytes:
    """Returns the key field that holds `key`."""
    return key + pack(">I", crc32(key))


def header(generation: int, first_seq: int, before: int, before_at: int, head: bytes, key: bytes) -> bytes:
    """Returns the header of a sector with its key field; the key before lies in sector `before`."""
    fixed = pack(_HEADER, _MAGIC, generation, first_seq, before, before_at, head)
    return fixed + pack(">I", crc32(fixed)) + field(key)


def header_at(flash, number: int):
    """Returns (generation, first seq, sector and offset of the key before, head before) of a sector, or None."""
    raw = bytes(sector.read(flash, number, 0, _KEY_AT))
    if raw[:4] != _MAGIC or crc32(raw[:_HEADER_BYTES]) != unpack(">I", raw[_HEADER_BYTES:])[0]:
        return None
    return unpack(_HEADER, raw[:_HEADER_BYTES])[1:]


def body_from(flash, number: int, at: int) -> tuple:
    """Returns (offset, record || tag) of the entry at `at` or behind what was cut there, or (offset, None)."""
    while True:
        body = sector.record_at(flash, number, at, event.MAX_RECORD_BYTES + _TAG_BYTES)
        if body and len(body) > _TAG_BYTES:
            return at, body
        if at > _LAST_AT or any(sector.read(flash, number, at, sector.OVERHEAD_BYTES)):
            return at, None
        at = min(at + _CUT_BYTES, sector.SECTOR_BYTES)
