"""The reference phone's visit over Bluetooth: docs/protocol.md, sections 10, 14 and 15.

The carrier is whatever has a connection to the lock's service: bleak's on a laptop, bumble's in tests.
"""

import asyncio
import hmac
from hashlib import sha256
from typing import Protocol

from lobbylock.ble_chunks import ChunkError, Joiner, Splitter
from lobbylock.channel import ChannelError, PhoneHalf
from lobbylock.phone import Phone, challenged_door

SERVICE = "f0bb0001-4c4f-4242-594c-4f434b000000"
WRITE = "f0bb0002-4c4f-4242-594c-4f434b000000"
NOTIFY = "f0bb0003-4c4f-4242-594c-4f434b000000"

# Types of what goes through the channel.
SHOW = 0
ECHO = 1
PROVE = 2
RESULT = 3
RECEIPT = 4
FETCH = 5
NO = 127

# What act_ms says when nobody pressed anything, and the most that it can say otherwise.
NO_ACT = 0xFFFF
_ECHO_BYTES = 8
_FETCH_BYTES = 7
_MOST_FETCHED = 1_024
_HELLO_S = 5.0
# A lock that is busy with three others still answers in that time, or hangs up.
_COMMAND_S = 30.0
_QUIET_S = 5.0
_SALT_BYTES = 4
_BEACON_BYTES = 8


class CarrierLost(Exception):
    """The connection is gone."""


class StrangeLock(Exception):
    """What came is not what the door says: another one, or somebody in between."""


class Carrier(Protocol):
    """One connection to the lock's service, with notifications on. `mtu` is ATT's."""

    mtu: int

    async def write(self, chunk: bytes) -> None:
        """Writes to the write characteristic. Raises CarrierLost."""
        ...

    async def receive(self) -> bytes:
        """Returns the next notification. Raises CarrierLost."""
        ...

    async def close(self) -> None:
        """Ends the connection; one that is gone already is no error."""
        ...


def is_beacon(service_data: bytes, door_key: bytes) -> bool:
    """Whether the service data of an advertisement are those of the door with the public key `door_key`."""
    salt, tag = service_data[:_SALT_BYTES], service_data[_SALT_BYTES:]
    if len(service_data) != _BEACON_BYTES:
        return False
    expected = hmac.new(door_key, b"lobbylock beacon 1" + salt, sha256).digest()[: len(tag)]
    return hmac.compare_digest(tag, expected)


class BleVisit:
    """One visit of `phone` at the door whose public key is `door_key` (32 bytes), over a connection of its own.

    `door` is the door's full name if it is known; no proof is then made for another one. Time is that of the running
    event loop, and so is `pressed_s`: when the person acted, if that was before.
    """

    def __init__(
        self,
        phone: Phone,
        carrier: Carrier,
        door_key: bytes,
        door: str | None = None,
        pressed_s: float | None = None,
    ) -> None:
        self._phone = phone
        self._carrier = carrier
        self._door_key = door_key
        self._door = door
        self._pressed_s = pressed_s
        self._may_prove = True
        self._has_result = False
        self._splitter = Splitter()
        self._joiner = Joiner()

    def press(self) -> None:
        """The person acts, now: at most ten seconds may pass until the phone signs."""
        self._pressed_s = asyncio.get_running_loop().time()

    async def run(self) -> int | None:
        """Returns the reason that the lock told, None if it hung up without a word. Raises StrangeLock.

        The connection is closed in any case.
        """
        self._phone.reason = None
        try:
            await self._serve()
        except CarrierLost:
            pass
        except (ChunkError, ChannelError) as error:
            raise StrangeLock(str(error)) from None
        finally:
            await self._carrier.close()
        return self._phone.reason

    async def _serve(self) -> None:
        half = PhoneHalf()
        await self._write(half.hello)
        answer = await self._read(_HELLO_S)
        if answer is None:
            return
        self._channel = half.open_channel(answer, self._door_key)
        await self._say(SHOW, self._phone.introduce(2) + self._phone.credential)
        while True:
            record = await self._read(_QUIET_S if self._has_result else _COMMAND_S)
            if record is None:
                return
            command = self._channel.open(record)
            if not command:
                raise StrangeLock("an empty command")
            answer = self._answer(command[0], command[1:])
            if answer is None:
                await self._say(NO, b"")
            else:
                await self._say(command[0], answer)

    def _answer(self, kind: int, body: bytes) -> bytes | None:
        """Returns the body of the answer to a command, None if the phone says no."""
        if kind == ECHO:
            return body if len(body) == _ECHO_BYTES else None
        if kind == PROVE:
            return self._prove(body)
        if kind == RESULT and self._phone.hear(body):
            self._has_result = True
            return b""
        if kind == RECEIPT and self._phone.take(body):
            return b""
        if kind == FETCH and len(body) == _FETCH_BYTES:
            most = min(int.from_bytes(body[5:], "big"), _MOST_FETCHED)
            # Nothing is no piece.
            return self._phone.piece(body[0], int.from_bytes(body[1:5], "big"), most) or None
        return None

    def _prove(self, challenge: bytes) -> bytes | None:
        door = challenged_door(challenge)
        # One proof for each visit, and for this door only.
        if not self._may_prove or door is None or self._door not in (None, door):
            return None
        self._may_prove = False
        act_ms = NO_ACT
        if self._pressed_s is not None:
            act_ms = min(round((asyncio.get_running_loop().time() - self._pressed_s) * 1_000), NO_ACT - 1)
        proof = self._phone.prove(challenge, self._channel.hash, act_ms)
        return None if proof is None else act_ms.to_bytes(2, "big") + proof

    async def _say(self, kind: int, body: bytes) -> None:
        await self._write(self._channel.seal(bytes([kind]) + body))

    async def _write(self, message: bytes) -> None:
        for chunk in self._splitter.split(message, self._carrier.mtu):
            await self._carrier.write(chunk)

    async def _read(self, limit_s: float) -> bytes | None:
        """Returns the next message, None if none has come after `limit_s` seconds."""
        try:
            return await asyncio.wait_for(self._message(), limit_s)
        except (TimeoutError, asyncio.TimeoutError):
            return None

    async def _message(self) -> bytes:
        while True:
            message = self._joiner.take(await self._carrier.receive())
            if message is not None:
                return message
