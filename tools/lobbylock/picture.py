"""Puts pictures together from their pieces, docs/protocol.md section 5, topic `picture`.

Pieces are not signed, the event that announces a picture is: nothing is taken in that no verified event announced,
and nothing leaves whose length and SHA-256 are not the announced ones. Pure: no store, no network, no clock.
"""

from dataclasses import dataclass
from hashlib import sha256

import cbor

from firmware.core import event
from lobbylock.verify import BAD_HASH, BAD_PIECE, MALFORMED, TOO_LONG, Refusal, is_number

MAX_PICTURE_BYTES = 256 * 1024
MAX_PIECE_BYTES = 4096
# The array's head, version, three integers of up to nine bytes and the head of the byte string.
_MAX_PAYLOAD_BYTES = MAX_PIECE_BYTES + 2 + 3 * 9 + 3
# Pictures in progress at a time; 16 MB at most. A picture that is dropped for another comes again from its start.
MAX_OPEN = 64


@dataclass(frozen=True)
class Announcement:
    """What event `seq` says about the picture `number`."""

    seq: int
    number: int
    length: int
    sha256: bytes


@dataclass(frozen=True)
class Piece:
    """Bytes `offset` and following of the picture `number`, which is `length` bytes long altogether."""

    number: int
    length: int
    offset: int
    data: bytes

    @property
    def is_last(self) -> bool:
        return self.offset + len(self.data) == self.length


def is_jpeg(data: bytes) -> bool:
    """Whether `data` begins as a JPEG does, ITU-T T.81 section B.1.1.3: SOI, and another marker. Nothing decodes it."""
    return data[:3] == b"\xff\xd8\xff"


def announcement(found: event.Event) -> Announcement | None:
    """Returns what `found` announces, or None if it is of another kind or no picture could ever fit it."""
    number, length, digest = (found.details.get(key) for key in (event.PICTURE_NUMBER, event.LENGTH, event.SHA256))
    if found.kind != event.PICTURE or not is_number(number) or not is_number(length):
        return None
    if not 0 < length <= MAX_PICTURE_BYTES or not isinstance(digest, bytes) or len(digest) != 32:
        return None
    return Announcement(found.seq, number, length, digest)


def parse_piece(payload: bytes) -> Piece:
    """Returns the piece in the payload of a `picture` message. Raises Refusal for its form or size."""
    if len(payload) > _MAX_PAYLOAD_BYTES:
        raise Refusal(TOO_LONG, f"{len(payload)} bytes")
    try:
        fields = cbor.decode(payload, _MAX_PAYLOAD_BYTES)
    except cbor.CborError as error:
        raise Refusal(MALFORMED, str(error)) from None
    if not isinstance(fields, list) or len(fields) != 5 or not all(is_number(number) for number in fields[:4]):
        raise Refusal(MALFORMED, "not a picture message")
    version, number, length, offset, data = fields
    if version != 1 or not isinstance(data, bytes) or not 1 <= len(data) <= MAX_PIECE_BYTES:
        raise Refusal(MALFORMED, "not a picture message of version 1")
    if offset + len(data) > length:
        raise Refusal(MALFORMED, "a piece beyond the picture's end")
    return Piece(number, length, offset, data)


class Assembler:
    """Pictures in progress, at most one a chain and MAX_OPEN altogether."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[Announcement, bytearray]] = {}

    def add(self, chain: int, piece: Piece, announced: Announcement) -> bytes | None:
        """Returns the whole picture if `piece` completes it, else None. `chain` tells the doors apart.

        Pieces that are there already are passed over, so a lock that starts again from the first piece loses nothing.
        Raises Refusal if the piece does not go on where the last one ended, or if the picture is not the announced one.
        """
        if piece.number != announced.number or piece.length != announced.length:
            raise Refusal(BAD_PIECE, f"picture {piece.number} was announced with {announced.length} bytes")
        whole = self._buffer(chain, piece, announced)
        if piece.offset > len(whole):
            raise Refusal(BAD_PIECE, f"picture {piece.number} goes on at {len(whole)}, not at {piece.offset}")
        whole += piece.data[len(whole) - piece.offset :]
        if len(whole) < announced.length:
            return None
        del self._open[chain]
        if sha256(whole).digest() != announced.sha256:
            raise Refusal(BAD_HASH, f"picture {piece.number}")
        return bytes(whole)

    def _buffer(self, chain: int, piece: Piece, announced: Announcement) -> bytearray:
        known, whole = self._open.get(chain, (None, bytearray()))
        overlap = whole[piece.offset : piece.offset + len(piece.data)]
        if known != announced or not piece.data.startswith(overlap):
            # Another picture, or another content at a place that is filled: only a start may replace what is there.
            if piece.offset:
                raise Refusal(BAD_PIECE, f"picture {piece.number} has no start that leads to {piece.offset}")
            self._open.pop(chain, None)
            whole = bytearray()
        if chain not in self._open:
            if len(self._open) >= MAX_OPEN:
                # Dictionaries keep their order, so the first one is the oldest.
                del self._open[next(iter(self._open))]
            self._open[chain] = (announced, whole)
        return whole
