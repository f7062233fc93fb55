"""A scripted lock on a real broker: sends and sends again until its acknowledgement comes, as the firmware does."""

import queue
import time
from collections.abc import Callable

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from scripted_door import ScriptedDoor, read_ack

RESEND_S = 1.0
# Only so that what was waited for is named: a machine may be as slow as it likes.
LIMIT_S = 110.0


class LockClient:
    """`lock` on the broker at `port`; `acks` holds what came from the collector with `collector_key`."""

    def __init__(self, port: int, lock: ScriptedDoor, collector_key: bytes) -> None:
        self.lock = lock
        self._collector_key = collector_key
        self.acks: queue.Queue[list] = queue.Queue()
        self.client = paho.Client(CallbackAPIVersion.VERSION2, clean_session=True)
        self.client.on_connect = self._subscribe
        self.client.on_message = self._take
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", port, keepalive=20)
        self.client.loop_start()

    def __enter__(self) -> "LockClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def publish(self, topic: str, payload: bytes, *, qos: int = 1) -> None:
        self.client.publish(topic, payload, qos)

    def send_events(self, first_seq: int = 1, last_seq: int | None = None) -> None:
        """Returns when those events are acknowledged."""
        last_seq = self.lock.last_seq if last_seq is None else last_seq
        wanted = [1, self.lock.name, last_seq, self.lock.heads[last_seq]]
        payload = self.lock.batch(first_seq, last_seq)
        self._repeat(lambda: self.publish(f"lobbylock/{self.lock.name}/events", payload), wanted)

    def send_picture(self, number: int) -> None:
        """Returns when that picture is acknowledged."""

        def send() -> None:
            for piece in self.lock.pieces(number):
                self.publish(f"lobbylock/{self.lock.name}/picture", piece)

        self._repeat(send, [2, self.lock.name, number])

    def _repeat(self, send: Callable[[], None], wanted: list) -> None:
        deadline_s = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline_s:
            if self.client.is_connected():
                send()
            resend_s = time.monotonic() + RESEND_S
            while (left_s := resend_s - time.monotonic()) > 0:
                try:
                    ack = self.acks.get(timeout=left_s)
                except queue.Empty:
                    break
                if ack[: len(wanted)] == wanted:
                    return
        raise AssertionError(f"no acknowledgement {wanted[:3]} within {LIMIT_S} s")

    def _subscribe(self, client, userdata, flags, reason_code, properties) -> None:
        client.subscribe(f"lobbylock/{self.lock.name}/ack", 1)

    def _take(self, client, userdata, message) -> None:
        self.acks.put(read_ack(message.payload, self._collector_key))
