"""Reads the NDEF message of a Type 2 tag (NFC Forum; NTAG213, 215, 216) over `exchange`, an async bytes -> bytes.

    pages 0 to 2   UID, locks          page 3   capability container: E1, version, data area / 8, access
    pages 4 on     data area: TLV blocks, one of them the message

READ (30, page) gives four pages of four bytes. Of bigger tags only the first sector is looked at.
"""

import ndef
from constant import const
from ndef import TagError

_PIECE_BYTES = const(16)
_FIRST_PAGE = const(4)
# Pages 4 to 255.
_SECTOR_BYTES = const(1_008)


async def read_message(exchange) -> bytes:
    """Returns the message. Raises TagError, and whatever `exchange` raises.

    The head of the message, its length and first bytes, is read once more at the end, so it was the same at both
    times. What lies between may have changed meanwhile: a credential is told from two halves by its signature.
    """
    head = await _read(exchange, 0)
    if head[12] != 0xE1 or head[13] >> 4 != 1 or head[15] >> 4:
        raise TagError("not a readable Type 2 tag")
    area = min(head[14] * 8, _SECTOR_BYTES)
    data = bytearray()
    place = None
    while place is None or len(data) < place[1]:
        data.extend(await _read(exchange, _FIRST_PAGE + len(data) // 4))
        place = place or ndef.locate(data, area)
    start, end = place
    page = max(start - 4, 0) // 4
    again = await _read(exchange, _FIRST_PAGE + page)
    if data[page * 4 : page * 4 + _PIECE_BYTES] != again[: len(data) - page * 4]:
        raise TagError("tag changes while it is read")
    return bytes(memoryview(data)[start:end])


async def _read(exchange, page: int) -> bytes:
    data = await exchange(bytes((0x30, page)))
    if len(data) != _PIECE_BYTES:
        raise TagError("READ gives %d bytes" % len(data))
    return data
