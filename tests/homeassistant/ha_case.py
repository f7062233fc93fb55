"""A house whose events go through the real collector to a real broker, and an ear there."""

import dataclasses
import json
import threading
import time

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from visitcase import FRONT, House

from firmware.core import event
from lobbylock.address import Address
from lobbylock.history import History
from lobbylock.home_assistant import HomeAssistant
from lobbylock.home_assistant_device import Names
from lobbylock.home_assistant_publisher import Showing

LIMIT_S = 60
RELEASE_MS = 1_000
PAGE = "https://doors.example"
_FENCE = "fence/"


def wait(condition):
    """Returns what `condition` gives once that is true, and fails if it never is."""
    deadline_s = time.monotonic() + LIMIT_S
    while not (found := condition()):
        assert time.monotonic() < deadline_s, "it never came to that"
        time.sleep(0.01)
    return found


class Ear:
    """Hears everything that is published: (topic, payload, whether it was retained when it came), in order."""

    def __init__(self, port: int) -> None:
        self.heard: list[tuple[str, bytes, bool]] = []
        # Kept apart: taken out of the list afterwards, what the other thread adds meanwhile could go with them.
        self._fences: set[str] = set()
        self._is_subscribed = threading.Event()
        self.client = paho.Client(CallbackAPIVersion.VERSION2, clean_session=True)
        self.client.on_connect = self._subscribe
        self.client.on_subscribe = lambda *_: self._is_subscribed.set()
        self.client.on_message = self._take
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", port, keepalive=LIMIT_S)
        self.client.loop_start()
        assert self._is_subscribed.wait(LIMIT_S)

    def _subscribe(self, client, *_) -> None:
        client.subscribe("#", 1)

    def _take(self, _, __, message) -> None:
        if message.topic.startswith(_FENCE):
            self._fences.add(message.topic)
        else:
            self.heard.append((message.topic, bytes(message.payload), bool(message.retain)))

    def __enter__(self) -> "Ear":
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def clean(self) -> None:
        """Takes away what is retained."""
        self.fence()
        for topic in {topic for topic, _, is_retained in self.heard if is_retained}:
            self.client.publish(topic, b"", 1, retain=True)
        self.fence()
        self.heard.clear()

    def fence(self) -> None:
        """Returns once everything that the broker had before has come."""
        mark = f"{_FENCE}{time.monotonic_ns()}"
        self.client.publish(mark, b"x", 1)
        wait(lambda: mark in self._fences)

    def payloads(self, topic: str) -> list[bytes]:
        """Returns what came there, in order."""
        return [payload for heard, payload, _ in list(self.heard) if heard == topic]

    def texts(self, topic: str) -> list[str]:
        return [payload.decode() for payload in self.payloads(topic)]

    def last(self, topic: str) -> bytes | None:
        found = self.payloads(topic)
        return found[-1] if found else None

    def wait(self, topic: str, payload: object):
        """Returns when the last message there is `payload`: bytes, text, or a function of them."""
        if callable(payload):
            return wait(lambda: (last := self.last(topic)) is not None and payload(last))
        wanted = payload.encode() if isinstance(payload, str) else payload
        return wait(lambda: self.last(topic) == wanted)

    def events(self, topic: str) -> list[dict]:
        return [json.loads(payload) for payload in self.payloads(topic)]


class Shown(House):
    """A house with the door FRONT and its board `lock`; `publisher` shows it once it is started.

    Its clock stands still, at the lock's time plus `ahead_s`.
    """

    def __init__(self, database, path, broker) -> None:
        super().__init__(database, path)
        self.broker = broker
        self.lock = self.enrol()
        self.ahead_s = 0.0
        self.names = Names(self.home.collector().public_key)
        self.publisher = None
        self.change(release_ms=RELEASE_MS)

    def __enter__(self) -> "Shown":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def change(self, name=FRONT, **options) -> None:
        door = self.home.door(name)
        door.options = dataclasses.replace(door.options, **options)
        self.home.save_door(door)

    def start(self, *, shows_all=False, port=None) -> HomeAssistant:
        """Shows the doors, and has the lock's broker there."""
        history = History(self.database, self.doors, self.home.collector().public_key, self.home.path)
        address = Address("127.0.0.1", port or self.broker.port)
        self.publisher = self.listener = HomeAssistant(
            self.database,
            self.doors,
            history,
            address,
            self.names,
            Showing(PAGE, shows_all),
            now_s=lambda: self.lock.now_s + self.ahead_s,
        )
        self.publisher.connection(True)
        self.publisher.start()
        return self.publisher

    def stop(self) -> None:
        if self.publisher is not None:
            self.publisher.stop()
            self.publisher = None

    def topic(self, what: str, name=FRONT) -> str:
        return self.names.topic(name, what)

    def unlock(self, seq: int | None = None) -> None:
        self.lock.add(event.UNLOCKED, {event.CAUSE: 1} if seq is None else {event.CAUSE: 1, event.ACCESS_SEQ: seq})

    def send(self) -> None:
        """The lock seals and sends what is new."""
        self.lock.seal()
        self.collect(pictures=False)
