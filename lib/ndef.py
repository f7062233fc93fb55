"""NDEF messages (NFC Forum, NDEF 1.0), and where one lies in the memory of a Type 2 tag.

A message is records of

    flags (MB ME CF SR IL TNF)   type length   payload length (1 or 4)   [id length]   type   [id]   payload

Nothing is allocated on the word of a length: every length is held against what is there first. Chunked records are
refused. Runs on MicroPython and CPython.
"""

from constant import const

# More than any credential in its record needs.
MAX_BYTES = 1024
_MOST_RECORDS = const(8)

_BEGIN = const(0x80)
_END = const(0x40)
_CHUNK = const(0x20)
_SHORT = const(0x10)
_HAS_ID = const(0x08)
_TNF = const(7)
_MEDIA = const(2)
_EXTERNAL = const(4)
_UNKNOWN = const(5)

# TLV blocks of a Type 2 tag; control blocks and proprietary ones are skipped by their length.
_NULL = const(0x00)
_MESSAGE = const(0x03)
_TERMINATOR = const(0xFE)


class TagError(Exception):
    """A card does not say what a card of its type says; its sentence is for people."""


class NdefError(TagError):
    """The bytes are not one NDEF message inside the bounds."""


def find(message: bytes, media_type: bytes):
    """Returns the payload of the one record of `media_type` (in lower case), or None if there is none.

    Raises NdefError if `message` is not exactly one message, or has two such records: which of them counts must not
    depend on who reads.
    """
    if len(message) > MAX_BYTES:
        raise NdefError("message too long")
    found = None
    at = 0
    expected = _BEGIN
    for _ in range(_MOST_RECORDS):
        head, type_at, payload_at, end = _record(message, at)
        if head & _BEGIN != expected:
            raise NdefError("begin of a message elsewhere")
        expected = 0
        # Media types are compared without regard to case (RFC 2045 section 5.1).
        if head & _TNF == _MEDIA and message[type_at : type_at + message[at + 1]].lower() == media_type:
            if found is not None:
                raise NdefError("two records of the type")
            found = message[payload_at:end]
        if head & _END:
            if end != len(message):
                raise NdefError("bytes left over")
            return found
        at = end
    raise NdefError("too many records")


def _record(message: bytes, at: int) -> tuple:
    """Returns (flags, offset of the type, of the payload, behind the payload) of the record at `at`."""
    if at + 2 > len(message):
        raise NdefError("cut short")
    head = message[at]
    tnf = head & _TNF
    if head & _CHUNK or tnf > _UNKNOWN:
        raise NdefError("chunked or reserved record")
    id_at = at + (3 if head & _SHORT else 6)
    type_at = id_at + 1 if head & _HAS_ID else id_at
    if type_at > len(message):
        raise NdefError("cut short")
    type_size = message[at + 1]
    id_size = message[id_at] if head & _HAS_ID else 0
    size = int.from_bytes(message[at + 2 : id_at], "big")
    payload_at = type_at + type_size + id_size
    if size > len(message) - payload_at:
        raise NdefError("cut short")
    # Empty and unknown records have no type, all others do; an empty one has nothing at all.
    if (type_size > 0) != (1 <= tnf <= _EXTERNAL) or not tnf and id_size + size:
        raise NdefError("lengths do not go with the kind of record")
    return head, type_at, payload_at, payload_at + size


def locate(data, area: int):
    """Returns (start, end) of the message in a Type 2 tag's data area of `area` bytes, which begins with `data`.

    Returns None if more of it has to be read to tell; with the whole area there is always an answer. Raises NdefError.
    """
    at = 0
    while at < area:
        if at + 4 > len(data) and len(data) < area:
            return None
        kind = data[at]
        at += 1
        if kind == _NULL:
            continue
        if kind == _TERMINATOR:
            break
        size = data[at] if at < area else 0
        at += 1
        if size == 255:
            if at + 2 > area:
                break
            size = data[at] << 8 | data[at + 1]
            at += 2
            if not 255 <= size < 65_535:
                break
        if size > area - at:
            break
        if kind == _MESSAGE:
            return at, at + size
        at += size
    raise NdefError("no message in the tag")
