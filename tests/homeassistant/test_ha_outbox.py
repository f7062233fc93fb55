"""What is published for good, when a publish is cut off in the middle."""

import asyncio

import pytest

from lobbylock.home_assistant_device import OFFLINE, ONLINE, Names
from lobbylock.home_assistant_link import Outbox

NAMES = Names(bytes(32))


class Broker:
    """Takes what is published, and never says so for one payload."""

    def __init__(self, unanswered: bytes) -> None:
        self.taken: list[bytes] = []
        self._unanswered = unanswered

    async def publish(self, _topic, payload, **_options) -> None:
        self.taken.append(payload)
        if payload == self._unanswered:
            await asyncio.Event().wait()


def test_what_was_cut_off_is_not_taken_for_what_was_there_before():
    async def stop_in_the_middle() -> list[bytes]:
        broker = Broker(ONLINE.encode())
        outbox = Outbox(broker, NAMES)  # pyright: ignore[reportArgumentType] publishing is all it does
        await outbox.put(NAMES.service, OFFLINE.encode())
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(outbox.put(NAMES.service, ONLINE.encode()), 0.01)
        await outbox.put(NAMES.service, OFFLINE.encode())
        return broker.taken

    assert asyncio.run(stop_in_the_middle()) == [OFFLINE.encode(), ONLINE.encode(), OFFLINE.encode()]
