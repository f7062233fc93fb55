"""Short APDUs (ISO/IEC 7816-4) over `exchange`, an async bytes -> bytes, and Type 4 NDEF tags (NFC Forum) by them.

What a card answers is bounded in size, and so is the number of answers.
"""

import ndef
from constant import const
from ndef import TagError

_DONE = const(0x9000)
_MOST_STEPS = const(6)
# PN532 takes 262 bytes in one exchange; stacks of phones differ near 256.
PIECE_BYTES = 240
# Of 15 bytes each, the least a Type 4 tag may ask for, for 1,024.
_MOST_PIECES = const(70)

_SELECT_NDEF = const(b"\x00\xa4\x04\x00\x07\xd2\x76\x00\x00\x85\x01\x01\x00")
_SELECT_FILE = const(b"\x00\xa4\x00\x0c\x02")
_READ_BINARY = const(b"\x00\xb0")
_CONTAINER = const(b"\xe1\x03")
_CONTAINER_BYTES = const(15)


class StatusError(TagError):
    """The card refuses a command, by a status word."""


async def transmit(exchange, command: bytes, most: int = 256) -> bytes:
    """Returns the data, at most `most` bytes, that answers the short APDU `command`.

    More of it is fetched as 61xx says, and a wrong expected length is put right as 6Cxx says. Raises StatusError for
    any other status than 9000, TagError for an answer of impossible length, and whatever `exchange` raises.
    """
    data = b""
    for _ in range(_MOST_STEPS):
        answer = await exchange(command)
        size = len(answer) - 2
        if size < 0 or len(data) + size > most:
            raise TagError("answer too short or too long")
        data += answer[:size]
        status = answer[size] << 8 | answer[size + 1]
        if status == _DONE:
            return data
        if status >> 8 == 0x61:
            command = b"\x00\xc0\x00\x00" + answer[-1:]
        elif status >> 8 == 0x6C and not size and _has_expected_length(command):
            command = command[:-1] + answer[-1:]
        else:
            raise StatusError("status %04x" % status)
    raise TagError("answer without an end")


def _has_expected_length(command: bytes) -> bool:
    return len(command) == 5 or len(command) == command[4] + 6


async def read(exchange, head: bytes, offset: int, size: int, piece: int = PIECE_BYTES) -> bytes:
    """Returns `size` bytes from `offset` on, by commands `head` (CLA, INS) || offset (2 bytes) || length.

    The card may give fewer bytes than it was asked for, but not none. Raises what `transmit` raises.
    """
    data = b""
    for _ in range(_MOST_PIECES):
        if len(data) == size:
            return data
        left = min(piece, size - len(data))
        got = await transmit(exchange, head + (offset + len(data)).to_bytes(2, "big") + bytes((left,)), left)
        if not got:
            break
        data += got
    raise TagError("pieces too small")


async def read_message(exchange) -> bytes:
    """Returns the NDEF message of a Type 4 tag. Raises TagError, and whatever `exchange` raises.

    Its length was the same before and after; see type2 on what that is worth.
    """
    await transmit(exchange, _SELECT_NDEF)
    await transmit(exchange, _SELECT_FILE + _CONTAINER, 0)
    container = await read(exchange, _READ_BINARY, 0, _CONTAINER_BYTES)
    piece = min(int.from_bytes(container[3:5], "big"), PIECE_BYTES)
    # Mapping version 2 or 3; then the first block must be the control block of an NDEF file that anybody may read.
    if container[2] >> 4 not in (2, 3) or piece < _CONTAINER_BYTES or container[7:9] != b"\x04\x06" or container[13]:
        raise TagError("not a readable Type 4 tag")
    await transmit(exchange, _SELECT_FILE + container[9:11], 0)
    head = await read(exchange, _READ_BINARY, 0, 2)
    size = int.from_bytes(head, "big")
    if size > min(int.from_bytes(container[11:13], "big") - 2, ndef.MAX_BYTES):
        raise TagError("message longer than its file")
    message = await read(exchange, _READ_BINARY, 2, size, piece)
    if await read(exchange, _READ_BINARY, 0, 2) != head:
        raise TagError("tag changes while it is read")
    return message
