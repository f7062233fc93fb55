"""What is written to a badge: NDEF messages, and how they lie in a Type 2 tag. docs/protocol.md, section 9."""

from typing import NamedTuple

from firmware.core import proof
from lobbylock.errors import UserError

URI = 1
MEDIA = 2

_BEGIN, _END, _SHORT = 0x80, 0x40, 0x10
# "https://" in a record of the NFC Forum's well-known type "U".
_HTTPS = b"\x04"
# Data areas of the tags that the badges are made of, NXP's data sheet, section 8.5.
AREA_BYTES = {"NTAG213": 144, "NTAG215": 496, "NTAG216": 872}


class Record(NamedTuple):
    """`tnf` is the kind of type, 0 to 5: 1 well-known, 2 media type, 4 external."""

    tnf: int
    type: bytes
    payload: bytes


def encode(records: list[Record]) -> bytes:
    """Returns the NDEF message of one or more records, none of them chunked or with an id."""
    message = bytearray()
    for number, record in enumerate(records):
        is_short = len(record.payload) < 256
        flags = record.tnf | (_SHORT if is_short else 0)
        flags |= (0 if number else _BEGIN) | (_END if number == len(records) - 1 else 0)
        message += bytes([flags, len(record.type)]) + len(record.payload).to_bytes(1 if is_short else 4, "big")
        message += record.type + record.payload
    return bytes(message)


def compose(credential: bytes, page: str = "") -> bytes:
    """Returns the message of a badge; `page` is what an https:// link for people leads to, without the scheme."""
    records = [Record(MEDIA, proof.MEDIA_TYPE, credential)]
    if page:
        records.insert(0, Record(URI, b"U", _HTTPS + page.encode()))
    return encode(records)


def type2_data(message: bytes, area_bytes: int) -> bytes:
    """Returns the data area, all of it, of a Type 2 tag with `message`. Raises UserError if it does not fit."""
    size = len(message)
    head = bytes([3, size]) if size < 255 else b"\x03\xff" + size.to_bytes(2, "big")
    data = head + message
    if len(data) > area_bytes:
        raise UserError(f"The tag has room for {area_bytes} bytes, and the badge needs {len(data)}.")
    # The terminator is left out where there is no room for it.
    return (data + b"\xfe").ljust(area_bytes, b"\0")[:area_bytes]
