"""One connection to Home Assistant's broker: a last will, what the broker holds of this side, and what goes out."""

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any

import aiomqtt

from lobbylock import home_assistant_device as device
from lobbylock.address import Address

_KEEPALIVE_S = 20
_ANSWER_S = 10
_MAX_WAITING = 2_000
# What a broker holds comes right behind its answer to a subscription, and there is no sign of its end. Quiet is what so
# many looks in a row heard nothing in: one alone may be a moment in which this side was not let compute.
_QUIET_S = 0.3
_QUIET_LOOKS = 3
_LONGEST_SWEEP_S = 10.0
_MAX_CONFIG_BYTES = 65_536


class Outbox:
    """What the broker is given by this side; `held` is what it is known to hold, as SHA-256 by topic."""

    def __init__(self, client: aiomqtt.Client, names: device.Names) -> None:
        self._client = client
        self._names = names
        self._held: dict[str, bytes] = {}
        self._configs: dict[str, dict[str, Any]] = {}

    def note(self, topic: str, payload: bytes) -> None:
        """Takes what the broker says that it holds."""
        door = self._names.door_of_config(topic)
        if door is None and self._names.door_of_topic(topic) is None:
            return
        self._held[topic] = sha256(payload).digest()
        if door is not None and len(payload) <= _MAX_CONFIG_BYTES:
            with contextlib.suppress(ValueError, RecursionError):
                config = json.loads(payload)
                if isinstance(config, dict) and isinstance(config.get("cmps"), dict):
                    self._configs[door] = config

    def forget(self) -> None:
        """Has everything published again."""
        self._held.clear()

    def holds(self, topic: str, digest: bytes) -> bool:
        """Whether the broker holds what has this SHA-256."""
        return self._held.get(topic) == digest

    async def put(self, topic: str, payload: bytes) -> None:
        """Publishes for good, unless the broker holds the same. Empty takes away what it holds, if it holds any."""
        digest = sha256(payload).digest()
        if self.holds(topic, digest) or (not payload and topic not in self._held):
            return
        # One that is cut off in the middle may have come or not: no digest is that one's.
        self._held[topic] = b""
        await self._client.publish(topic, payload, qos=1, retain=True)
        if payload:
            self._held[topic] = digest
        else:
            del self._held[topic]

    async def send(self, topic: str, payload: bytes) -> None:
        """Publishes for whoever is there now."""
        await self._client.publish(topic, payload, qos=1, retain=False)

    async def put_config(self, door: str, config: dict[str, Any]) -> None:
        """Publishes a door's discovery message; components that it has no more are removed."""
        topic = self._names.config(door)
        former = self._configs.get(door, {}).get("cmps", {})
        removing = device.without(config, former)
        if removing is not None:
            await self.put(topic, device.encode(removing))
        await self.put(topic, device.encode(config))
        self._configs[door] = config

    async def remove(self, door: str) -> None:
        """Takes away a door's device and all that was said of it."""
        self._configs.pop(door, None)
        for topic in (self._names.config(door), *(self._names.topic(door, what) for what in device.TOPICS)):
            # Whatever came before this connection: an empty message more does no harm.
            self._held.setdefault(topic, b"")
            await self.put(topic, b"")

    async def remove_strays(self, doors: Iterable[str]) -> list[str]:
        """Takes away what the broker holds of other doors than `doors`. Returns their names."""
        known = set(doors)
        held = {self._names.door_of_config(topic) or self._names.door_of_topic(topic) or "" for topic in self._held}
        strays = sorted(held - known)
        for door in strays:
            await self.remove(door)
        return strays


class Link:
    """A client whose last will says that this side is gone; `greet` is called when Home Assistant has started."""

    def __init__(self, address: Address, names: device.Names, greet: Callable[[], None]) -> None:
        self._names = names
        self._greet = greet
        self._heard = 0
        self.client = aiomqtt.Client(
            address.host,
            address.port,
            username=address.user,
            password=address.password,
            tls_context=address.tls,
            keepalive=_KEEPALIVE_S,
            timeout=_ANSWER_S,
            clean_session=True,
            logger=_quiet_logger(),
            will=aiomqtt.Will(names.service, device.OFFLINE, qos=1, retain=True),
            max_queued_incoming_messages=_MAX_WAITING,
        )
        self.outbox = Outbox(self.client, names)

    async def listen(self) -> None:
        """Takes what the broker sends; ends never but by aiomqtt.MqttError."""
        async for message in self.client.messages:
            topic, payload = str(message.topic), message.payload
            self._heard += 1
            if topic == self._names.birth:
                # A retained one is from before.
                if payload == device.ONLINE.encode() and not message.retain:
                    self._greet()
            elif message.retain and isinstance(payload, bytes):
                self.outbox.note(topic, payload)

    async def sweep(self) -> None:
        """Asks the broker what it holds of this side, and returns when that has come; `listen` has to run."""
        loop = asyncio.get_running_loop()
        held = [f"{self._names.root}/#", f"{self._names.prefix}/device/+/config"]
        for topic in held:
            await self.client.subscribe(topic, qos=1)
        # The answer to this one comes behind what the broker sends at once of the others.
        await self.client.subscribe(self._names.birth, qos=1)
        end_s = loop.time() + _LONGEST_SWEEP_S
        looks = 0
        while looks < _QUIET_LOOKS and loop.time() < end_s:
            heard = self._heard
            await asyncio.sleep(_QUIET_S / _QUIET_LOOKS)
            looks = looks + 1 if self._heard == heard else 0
        # What this side publishes from here on need not come back.
        for topic in held:
            await self.client.unsubscribe(topic)

    def drop(self) -> None:
        """Closes the socket of an attempt that failed, which would otherwise live until its keep-alive ran out."""
        self.client._client._sock_close()


def _quiet_logger() -> logging.Logger:
    # What goes wrong is told once, by whoever connects.
    logger = logging.getLogger("lobbylock.home_assistant_mqtt")
    logger.disabled = True
    return logger
