"""A phone, or whatever answers to our application: docs/protocol.md, section 10, the lock's side over APDUs."""

import isodep
from constant import const
from ndef import TagError

from firmware.core import credential, proof

_SELECT = const(b"\x00\xa4\x04\x00")
_GET = const(b"\x80\xca")
_PROVE = const(b"\x80\x88\x00\x00")
_TELL = const(b"\x80\xc4\x00\x00")
_MOST_PROOF_BYTES = const(128)


class PhoneSession:
    """One phone in the field, over `exchange`. Its methods raise ndef.TagError, and whatever `exchange` raises."""

    def __init__(self, exchange) -> None:
        self._exchange = exchange

    async def credential(self) -> bytes:
        """Returns the credential. Raises isodep.StatusError if the card does not know our application."""
        head = await isodep.transmit(self._exchange, _SELECT + _with_length(proof.AID) + b"\x00", 16)
        size = int.from_bytes(head[1:], "big")
        if len(head) != 3 or head[0] != proof.VERSION or not 0 < size <= credential.MAX_BYTES:
            raise TagError("phone says something else")
        return await isodep.read(self._exchange, _GET, 0, size)

    async def prove(self, challenge: bytes) -> bytes:
        """Returns what the phone says to `challenge`, unchecked."""
        return await isodep.transmit(self._exchange, _PROVE + _with_length(challenge) + b"\x00", _MOST_PROOF_BYTES)

    async def tell(self, reason: int) -> None:
        """Tells the phone what became of it; its answer does not matter."""
        await self._exchange(_TELL + _with_length(proof.result(reason)))


def _with_length(data: bytes) -> bytes:
    return bytes((len(data),)) + data
