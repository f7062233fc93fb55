"""Keeps a collector subscribed to its broker, and reconnects with back-off when the broker goes away.

Messages are handled one by one as they are read, so the unread ones wait in the socket and memory stays bounded. The
session is a clean one: what is published meanwhile is not lost, because a lock sends again until it has the
collector's signed acknowledgement; the broker's own PUBACK means nothing to it.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Protocol

import aiomqtt
import paho.mqtt.client as paho

from lobbylock.address import Address
from lobbylock.collector import TOPICS, Reply
from lobbylock.errors import UserError
from lobbylock.verify import TOO_LONG, Refusal

# A longer packet from the broker ends the connection instead of being read: MQTT 3.1.1 allows 256 MB and has no way
# to decline one.
MAX_PACKET_BYTES = 2 << 20
_KEEPALIVE_S = 20
_ANSWER_S = 10
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 30.0
# A connection that lived this long was a good one: the next wait starts from the shortest again.
_GOOD_AFTER_S = 60.0
_OUTBOX_REPLIES = 256
_PUBLISHERS = 4
_FLUSH_S = 3.0
# MQTT 3.1.1 section 3.9.3: this code refuses a subscription.
_SUBACK_FAILURE = 0x80


class Watcher(Protocol):
    """Is told about the connection."""

    def connection(self, is_up: bool, reason: str = "", wait_s: float = 0) -> None: ...

    def refused(self, topic: str, refusal: Refusal) -> None: ...


class _Link(aiomqtt.Client):
    """One connection, whose messages go straight to `receive(topic, payload, is_retained)`.

    aiomqtt would put them on a queue, without bound or dropping what finds it full; its hook is taken instead, so that
    the next packet is read when this one is stored.
    """

    def __init__(self, address: Address, receive: Callable[[str, bytes, bool], None], watcher: Watcher) -> None:
        super().__init__(
            address.host,
            address.port,
            username=address.user,
            password=address.password,
            tls_context=address.tls,
            keepalive=_KEEPALIVE_S,
            timeout=_ANSWER_S,
            clean_session=True,
            logger=_quiet_logger(),
        )
        self._receive = receive
        self._watcher = watcher
        self._read = self._client._sock_recv
        self._client._sock_recv = self._read_bounded

    def _read_bounded(self, bufsize: int) -> bytes:
        # paho asks for the whole rest of a packet at once, on the word of its header.
        if bufsize > MAX_PACKET_BYTES:
            self._watcher.refused("", Refusal(TOO_LONG, f"packet of {bufsize} bytes, connection given up"))
            raise ConnectionAbortedError("packet too long")
        return self._read(bufsize)

    def _on_message(self, client: paho.Client, userdata: object, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "\N{REPLACEMENT CHARACTER}"
        self._receive(topic, bytes(message.payload), message.retain)

    def drop(self) -> None:
        """Closes the socket of an attempt that failed, which would otherwise live until its keep-alive ran out."""
        self._client._sock_close()


def _quiet_logger() -> logging.Logger:
    # What goes wrong is told once, by the Watcher; paho's own words would land on the terminal as well.
    logger = logging.getLogger("lobbylock.mqtt")
    logger.disabled = True
    return logger


class Subscription:
    """Feeds `handle(topic, payload, is_retained)` with what the broker has, and publishes what it answers."""

    def __init__(self, address: Address, handle: Callable[[str, bytes, bool], list[Reply]], watcher: Watcher) -> None:
        self._address = address
        self._handle = handle
        self._watcher = watcher
        self._was_up = False
        self._failure: Exception | None = None
        self._failed = asyncio.Event()
        self._outbox: asyncio.Queue[Reply] = asyncio.Queue(_OUTBOX_REPLIES)
        self._link: _Link | None = None

    async def run(self, stop: asyncio.Event, *, is_patient: bool) -> None:
        """Serves until `stop` is set. Unless `is_patient`, raises UserError if the very first attempt fails.

        Raises whatever `handle` raised, because a collector that cannot store must not look alive.
        """
        wait_s = _FIRST_WAIT_S
        while not stop.is_set():
            started_s = asyncio.get_running_loop().time()
            reason = await self._connect(stop)
            if self._failure is not None:
                raise self._failure
            if stop.is_set():
                return
            if not is_patient and not self._was_up:
                raise UserError(f"The broker at {self._address} does not serve: {reason}.")
            if asyncio.get_running_loop().time() - started_s > _GOOD_AFTER_S:
                wait_s = _FIRST_WAIT_S
            # Spread, so that many collectors do not come back in one wave.
            pause_s = wait_s * random.uniform(0.5, 1.0)  # noqa: S311 no secret
            self._watcher.connection(False, reason, pause_s)
            await _sleep_unless(stop, pause_s)
            wait_s = min(wait_s * 2, _LONGEST_WAIT_S)

    async def publish(self, topic: str, payload: bytes, *, is_retained: bool) -> None:
        """Publishes beside the answers, and returns once the broker has it; in the loop that runs this.

        Raises UserError if there is no broker or it does not answer.
        """
        if self._link is None:
            raise UserError(f"The broker at {self._address} is not there at this moment.")
        try:
            await self._link.publish(topic, payload, qos=1, retain=is_retained)
        except aiomqtt.MqttError:
            raise UserError(f"The broker at {self._address} did not take it.") from None

    async def _connect(self, stop: asyncio.Event) -> str:
        """Serves over one connection. Returns why it ended."""
        link = _Link(self._address, self._receive, self._watcher)
        try:
            async with link:
                codes = await link.subscribe([(topic, 1) for topic in TOPICS])
                if any(getattr(code, "value", code) >= _SUBACK_FAILURE for code in codes):
                    return "it refuses the subscription"
                self._was_up = True
                self._link = link
                self._watcher.connection(True)
                await self._serve(link, stop)
            return "stopped"
        except aiomqtt.MqttError as error:
            return str(error.__cause__ or error) or "no answer"
        finally:
            self._link = None
            link.drop()

    async def _serve(self, link: _Link, stop: asyncio.Event) -> None:
        tasks = [asyncio.create_task(self._publish(link)) for _ in range(_PUBLISHERS)]
        tasks += [asyncio.create_task(each) for each in (stop.wait(), self._failed.wait(), _await_end(link))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            if not self._failed.is_set():
                await asyncio.wait_for(self._outbox.join(), _FLUSH_S)
        except asyncio.TimeoutError:
            # The locks send again what has not been acknowledged.
            pass
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _receive(self, topic: str, payload: bytes, is_retained: bool) -> None:
        if self._failure is not None:
            return
        try:
            for reply in self._handle(topic, payload, is_retained):
                self._outbox.put_nowait(reply)
        except asyncio.QueueFull:
            # The broker takes nothing off us; the lock will ask again.
            pass
        except Exception as error:  # noqa: BLE001 inside paho's callback it would be lost; run() raises it
            self._failure = error
            self._failed.set()

    async def _publish(self, link: _Link) -> None:
        while True:
            topic, payload = await self._outbox.get()
            try:
                await link.publish(topic, payload, qos=1)
            finally:
                self._outbox.task_done()


async def _await_end(link: _Link) -> None:
    """Returns never; raises aiomqtt.MqttError when the connection is gone."""
    async for _ in link.messages:
        pass


async def _sleep_unless(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except asyncio.TimeoutError:
        pass
