"""A phone, or whatever answers to our application: docs/protocol.md, section 10, the lock's side over APDUs."""

import isodep
from constant import const
from ndef import TagError
from pn532 import CardLost, ReaderError

from firmware.core import credential, event, proof
from firmware.core.errors import PhoneGone, PhoneStrange

_SELECT = const(b"\x00\xa4\x04\x00")
_GET = const(b"\x80\xca")
_PROVE = const(b"\x80\x88\x00\x00")
_TELL = const(b"\x80\xc4\x00\x00")
_GIVE = const(b"\x80\xc6\x00\x00")
_FETCH_LIST = const(b"\x80\xcc")
_FETCH_TOKEN = const(b"\x80\xce\x00\x00\xf0")
_MOST_PROOF_BYTES = const(128)


class PhoneSession:
    """One phone in the field, over `exchange`: a session of `task.visit`.

    What it wants and brings is known after `credential`. From then on a phone that goes, says no or speaks otherwise
    raises PhoneGone or PhoneStrange.
    """

    is_remote = False
    channel = b""
    act_ms = None

    def __init__(self, exchange) -> None:
        self._exchange = exchange
        self.version = proof.VERSION
        self.wants_receipt = self.has_token = False
        self.list_version = 0

    async def credential(self) -> bytes:
        """Returns the credential or chain. Raises ndef.TagError, and whatever `exchange` raises.

        isodep.StatusError if the card does not know our application.
        """
        head = await isodep.transmit(self._exchange, _SELECT + _with_length(proof.AID) + b"\x00", 16)
        offered = proof.read_offer(head)
        if offered:
            self.version = proof.VERSION_2
            size, self.wants_receipt, self.has_token, self.list_version = offered
        else:
            size = int.from_bytes(head[1:], "big")
            if len(head) != 3 or head[0] != proof.VERSION or not 0 < size <= credential.MAX_BYTES:
                raise TagError("phone says something else")
        return await isodep.read(self._exchange, _GET, 0, size)

    async def prove(self, challenge: bytes) -> bytes:
        """Returns what the phone says to `challenge`, unchecked."""
        return await self._ask(_PROVE + _with_length(challenge) + b"\x00", _MOST_PROOF_BYTES)

    async def tell(self, result: bytes) -> None:
        """Tells the phone what became of it; its answer does not matter."""
        try:
            await self._ask(_TELL + _with_length(result), 256)
        except PhoneStrange:
            pass

    async def give(self, receipt: bytes) -> None:
        """Returns once the phone has confirmed that it has the receipt, at most 240 bytes."""
        await self._ask(_GIVE + _with_length(receipt), 0)

    async def fetch(self, what: int, offset: int, most: int) -> bytes:
        """Returns 1 to `most` bytes (240 or less) of proof.LIST from `offset` on; of proof.TOKEN all of it."""
        command = _FETCH_TOKEN
        if what == proof.LIST:
            command = _FETCH_LIST + offset.to_bytes(2, "big") + bytes((most,))
        data = await self._ask(command, most)
        if not data:
            raise PhoneStrange()
        return data

    async def _ask(self, command: bytes, most: int) -> bytes:
        try:
            return await isodep.transmit(self._exchange, command, most)
        except (CardLost, isodep.StatusError):
            raise PhoneGone()
        except TagError:
            raise PhoneStrange()
        except ReaderError:
            # The next command finds out that the chip is gone.
            raise PhoneGone(event.READER)


def _with_length(data: bytes) -> bytes:
    return bytes((len(data),)) + data
