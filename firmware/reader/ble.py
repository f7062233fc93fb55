"""A phone that is connected by Bluetooth: chunks to messages, records of the channel, the lock's commands.

docs/protocol.md, section 15. Whatever goes wrong is PhoneGone or PhoneStrange, and the end of the connection.
"""

import asyncio
import time
from typing import TYPE_CHECKING

from constant import const

from firmware.core import proof
from firmware.core.channel import ChannelError
from firmware.core.errors import PhoneGone, PhoneStrange

if TYPE_CHECKING:
    from typing import Any

# A message in chunks: the head of each has its number, and whether it is the first or the last one.
_FIRST = const(0x80)
_LAST = const(0x40)
_NUMBERS = const(64)
_MAX_MESSAGE_BYTES = const(1_200)
_ATT_BYTES = const(3)

# Types of records.
_SHOW = const(0)
_ECHO = const(1)
_PROVE = const(2)
_RESULT = const(3)
_RECEIPT = const(4)
_FETCH = const(5)

_VISIT_MS = const(60_000)
_GREETING_MS = const(5_000)
_ANSWER_MS = const(3_000)
# The stack's buffers are full: it sends some packets at each connection event.
_RETRY_MS = const(15)

_OFFER_BYTES = const(8)
_ACT_BYTES = const(2)
_PROOF_BYTES = const(73)


class BlePhone:
    """One phone at `link`, a place of `ble` (`firmware.board.ble`), or something like it.

    `channel` is the hash of the conversation once `open_channel` is through; `wants_receipt`, `has_token` and
    `list_version` are known after `credential`, `act_ms` after `prove`. `took_ms` is how long the last answer took.
    """

    is_remote = True
    version = proof.VERSION_2

    def __init__(self, ble, link, uptime) -> None:
        self._ble = ble
        self.link = link
        self._uptime = uptime
        self._end_ms = uptime.now_ms() + _VISIT_MS
        self._out = self._in = 0
        self._message: Any = None
        self._sealed: Any = None
        self._is_over = False
        self.channel = b""
        self.wants_receipt = self.has_token = False
        self.list_version = self.took_ms = 0
        self.act_ms: Any = None

    # Messages.

    async def receive(self, limit_ms: int) -> bytes:
        """Returns the next message. Raises PhoneGone if it does not come within `limit_ms`, PhoneStrange."""
        now_ms = self._uptime.now_ms()
        end_ms = min(now_ms + limit_ms, self._end_ms)
        while True:
            chunk = self._ble.take(self.link)
            if chunk is not None:
                message = self._join(chunk)
                if message is not None:
                    return message
                continue
            now_ms = self._uptime.now_ms()
            if self.link.is_gone or now_ms >= end_ms:
                raise PhoneGone
            await self.link.changed.wait(end_ms - now_ms)

    def _join(self, chunk: bytes):
        """Returns the message that ends with `chunk`, None if it goes on."""
        head = chunk[0] if chunk else -1
        is_first = self._message is None
        if len(chunk) < 2 or head & (_NUMBERS - 1) != self._in or bool(head & _FIRST) != is_first:
            raise PhoneStrange
        self._in = (self._in + 1) % _NUMBERS
        if is_first:
            self._message = bytearray()
        self._message += memoryview(chunk)[1:]
        if len(self._message) > _MAX_MESSAGE_BYTES:
            raise PhoneStrange
        if not head & _LAST:
            return None
        message, self._message = self._message, None
        return message

    async def send(self, message: bytes) -> None:
        """Sends `message` in chunks. Raises PhoneGone."""
        most = self.link.mtu - _ATT_BYTES - 1
        end_ms = min(self._uptime.now_ms() + _ANSWER_MS, self._end_ms)
        for at in range(0, len(message), most):
            head = self._out | (0 if at else _FIRST) | (_LAST if at + most >= len(message) else 0)
            self._out = (self._out + 1) % _NUMBERS
            chunk = bytes((head,)) + message[at : at + most]
            while not self._ble.send(self.link, chunk):
                if self._uptime.now_ms() >= end_ms:
                    raise PhoneGone
                await asyncio.sleep_ms(_RETRY_MS)
        if self.link.is_gone:
            raise PhoneGone

    # Records.

    def use(self, channel) -> None:
        """From now on everything goes through `channel`, a core.channel.Channel."""
        self._sealed = channel
        self.channel = channel.hash

    async def _record(self, kind: int, limit_ms: int):
        """Returns the body of the next record. Raises PhoneStrange if it is none of this `kind`, or the phone's NO."""
        try:
            plain = self._sealed.open(await self.receive(limit_ms))
        except ChannelError:
            raise PhoneStrange
        if plain[:1] == b"\x7f":
            # It says no, and may be asked for something else.
            self._is_over = False
            raise PhoneGone
        if plain[:1] != bytes((kind,)):
            raise PhoneStrange
        return plain[1:]

    async def _ask(self, kind: int, body: bytes, most: int):
        """Returns what the phone answers to a command, at most `most` bytes. Raises PhoneGone, PhoneStrange."""
        if self._is_over:
            raise PhoneGone
        # Unless all goes well.
        self._is_over = True
        await self.send(self._sealed.seal(bytes((kind,)) + body))
        asked = time.ticks_ms()
        answer = await self._record(kind, _ANSWER_MS)
        if len(answer) > most:
            raise PhoneStrange
        # By when the radio had it: somebody else may have been computing since.
        self.took_ms = max(0, time.ticks_diff(self.link.arrived, asked))
        self._is_over = False
        return answer

    async def credential(self) -> bytes:
        """Returns the credential or chain that the phone shows."""
        shown = await self._record(_SHOW, _GREETING_MS)
        offer = proof.read_offer(shown[:_OFFER_BYTES])
        if offer is None or offer[0] != len(shown) - _OFFER_BYTES:
            raise PhoneStrange
        _, self.wants_receipt, self.has_token, self.list_version = offer
        return shown[_OFFER_BYTES:]

    async def echo(self, data: bytes) -> int:
        """Returns how many milliseconds `data` was under way to the phone and back."""
        if await self._ask(_ECHO, data, len(data)) != data:
            raise PhoneStrange
        return self.took_ms

    async def prove(self, challenge: bytes) -> bytes:
        """Returns what the phone says to `challenge`, unchecked."""
        said = await self._ask(_PROVE, challenge, _ACT_BYTES + _PROOF_BYTES)
        if len(said) != _ACT_BYTES + _PROOF_BYTES:
            raise PhoneStrange
        self.act_ms = int.from_bytes(said[:_ACT_BYTES], "big")
        return said[_ACT_BYTES:]

    async def tell(self, result: bytes) -> None:
        """Tells the phone what became of it."""
        await self._ask(_RESULT, result, 0)

    async def give(self, receipt: bytes) -> None:
        """Hands the receipt out; the phone has it then."""
        await self._ask(_RECEIPT, receipt, 0)

    async def fetch(self, what: int, offset: int, most: int) -> bytes:
        """Returns 1 to `most` bytes of what the phone brings, from `offset` on."""
        where = bytes((what,)) + offset.to_bytes(4, "big") + most.to_bytes(2, "big")
        piece = await self._ask(_FETCH, where, most)
        if not piece:
            raise PhoneStrange
        return piece
