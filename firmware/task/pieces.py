"""A list of revoked credentials from the broker: retained messages, fetched one after the other. docs/protocol.md, 16.

Loaded when a list is announced. What takes it in wants a session like a phone's.
"""

import asyncio

from micropython import const

from firmware.core import bulletin
from firmware.core.errors import PhoneGone
from firmware.store import intake

_SOURCE = const("mqtt")
_PIECE_BYTES = const(896)
_VERSION_BYTES = const(4)
_LOOK_MS = const(200)
_LOOKS = const(50)


class Pieces:
    """The list with `head`, as `courier` brings it. `is_our_turn()` says whether nobody at the door has to wait."""

    is_remote = True

    def __init__(self, head: bytes, version: int, courier, is_our_turn) -> None:
        self.list_version = version
        self._head = head
        self._courier = courier
        self._is_our_turn = is_our_turn
        self._number = -1
        self._piece = b""

    async def fetch(self, what: int, offset: int, most: int) -> bytes:
        """Returns bytes of the list from `offset` on. Raises PhoneGone when they do not come, or are another list's."""
        offset -= len(self._head)
        if offset < 0:
            return self._head[offset:][:most]
        number = offset // _PIECE_BYTES
        if number != self._number:
            self._piece = await self._get("list/%d" % number)
            self._number = number
        at = _VERSION_BYTES + offset - number * _PIECE_BYTES
        return self._piece[at : at + most]

    async def _get(self, topic: str) -> bytes:
        courier = self._courier
        courier.ask(topic)
        for _ in range(_LOOKS):
            await asyncio.sleep_ms(_LOOK_MS)
            piece = courier.take_post(topic)
            if piece is not None:
                if int.from_bytes(piece[:_VERSION_BYTES], "big") != self.list_version:
                    # The next list is being published: its head comes last.
                    break
                # It may be the last one, and then signature and hash are looked at.
                while not self._is_our_turn():
                    await asyncio.sleep_ms(_LOOK_MS)
                return piece
            if not courier.is_connected:
                break
        raise PhoneGone()


async def take(news, head: bytes, courier, is_our_turn) -> None:
    """Takes the list that `head` announces, if it is newer than the one in force."""
    try:
        version = bulletin.read_head(head, news.config.building, None)[0]
    except bulletin.BulletinError as error:
        intake.note_refusal(news, error.args[0], _SOURCE, head)
        return
    await news.collect(Pieces(head, version, courier, is_our_turn), _SOURCE)
    courier.ask(None)
