"""What is published for good, when a publish is cut off in the middle."""

import asyncio
import time
from hashlib import sha256

import aiomqtt
import pytest

from lobbylock import home_assistant_link
from lobbylock.address import Address
from lobbylock.home_assistant_device import OFFLINE, ONLINE, STRIKE, Names
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


class Retaining:
    """A client whose broker holds a message: it lies there while this side is not let compute for a while."""

    def __init__(self, topic: str) -> None:
        self._queue: asyncio.Queue[aiomqtt.Message] = asyncio.Queue()
        self._message = aiomqtt.Message(topic, ONLINE.encode(), qos=1, retain=True, mid=1, properties=None)

    @property
    async def messages(self):
        while True:
            yield await self._queue.get()

    async def subscribe(self, _topic, **_options) -> None:
        loop = asyncio.get_running_loop()
        # Behind the first look that the sweep takes, so both are due when the machine is there again.
        loop.call_later(home_assistant_link._QUIET_S / 2, time.sleep, 2 * home_assistant_link._QUIET_S)
        # A single look that is as long would end right before it.
        loop.call_later(1.01 * home_assistant_link._QUIET_S, self._queue.put_nowait, self._message)

    async def unsubscribe(self, _topic) -> None:
        pass


def test_a_slow_machine_still_hears_what_the_broker_holds(monkeypatch):
    monkeypatch.setattr(home_assistant_link, "_QUIET_S", 0.06)

    async def sweep() -> bool:
        link = home_assistant_link.Link(Address("127.0.0.1", 1), NAMES, lambda: None)
        link.client = Retaining(NAMES.topic("maple-12/front", STRIKE))  # pyright: ignore[reportAttributeAccessIssue] all that a sweep does
        listening = asyncio.create_task(link.listen())
        await link.sweep()
        listening.cancel()
        return link.outbox.holds(NAMES.topic("maple-12/front", STRIKE), sha256(ONLINE.encode()).digest())

    assert asyncio.run(sweep())
