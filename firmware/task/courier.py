"""The thread that waits for the network, so that the door never has to.

Blocking clients (MQTT, SNTP) run here and nowhere else; nothing but bytes and numbers crosses over, under one lock. The
thread touches no flash, no pins and no clock of the door.
"""

import _thread
import json
import time

import sntp
from micropython import const

from firmware.task import mqtt

_SHORT_MS = const(100)
_IDLE_MS = const(300)
_PING_MS = const(25_000)
_TIME_EVERY_MS = const(3_600_000)
_TIME_RETRY_MS = const(15_000)
_BACKOFF_FIRST_MS = const(1_000)
_BACKOFF_LONGEST_MS = const(60_000)
_INBOX = const(8)
_STACK_BYTES = const(16 * 1024)


class Courier:
    """Carries one message at a time to the broker, and brings back acknowledgements and the time.

    `prefix` is "lobbylock/building/door/"; `version` goes into the status message.
    """

    def __init__(self, settings, client_id: str, version: str) -> None:
        self._settings = settings
        self._client_id = client_id
        self._version = version
        self._prefix = "lobbylock/" + settings.full_name + "/"
        self._lock = _thread.allocate_lock()
        self._outbox = None
        self._inbox = []
        self._answer = None
        self._is_allowed = False
        self._pending = 0
        self.is_connected = False
        self.has_ended = False
        self._backoff_ms = _BACKOFF_FIRST_MS
        self._time_due_ms = time.ticks_ms()

    # The door's side.

    def start(self) -> None:
        _thread.stack_size(_STACK_BYTES)
        _thread.start_new_thread(self._run, ())

    def allow(self, is_allowed: bool, pending: int) -> None:
        """Tells whether there is a network at all, and how many events wait (for the status message)."""
        self._is_allowed = is_allowed
        self._pending = pending

    def offer(self, topic: str, payload: bytes) -> bool:
        """Hands over one message for topic suffix `topic`; returns False while the one before is still waiting."""
        with self._lock:
            if self._outbox is not None or not self.is_connected:
                return False
            self._outbox = (topic, payload)
            return True

    def is_free(self) -> bool:
        """Whether `offer` would take a message."""
        return self.is_connected and self._outbox is None

    def take_acknowledgement(self):
        """Returns the oldest acknowledgement that arrived, or None."""
        with self._lock:
            return self._inbox.pop(0) if self._inbox else None

    def take_time(self):
        """Returns (Unix seconds, uncertainty in ms, ticks_ms of the answer) once for each answer, or None."""
        with self._lock:
            answer = self._answer
            self._answer = None
            return answer

    # The thread's side.

    def _run(self) -> None:
        try:
            while True:
                self._round()
        finally:
            self.has_ended = True

    def _round(self) -> None:
        if not self._is_allowed:
            time.sleep_ms(_IDLE_MS)
            return
        try:
            self._ask_time()
            if self._settings.mqtt is None:
                time.sleep_ms(_IDLE_MS)
            else:
                self._hold_session()
        except Exception:  # noqa: BLE001 - the network's trouble, whichever it is; the events are safe in flash
            time.sleep_ms(self._backoff_ms)
            self._backoff_ms = min(2 * self._backoff_ms, _BACKOFF_LONGEST_MS)

    def _hold_session(self) -> None:
        client = mqtt.make_client(self._settings, self._client_id)
        try:
            self._open(client)
            self._serve(client)
        finally:
            with self._lock:
                self.is_connected = False
                self._outbox = None
            client.close()

    def _open(self, client) -> None:
        client.set_callback(self._receive)
        client.set_last_will(self._topic("status"), b'{"online": false}', retain=True, qos=1)
        client.connect()
        client.subscribe(self._topic("ack"), 1)
        self._publish_status(client)
        with self._lock:
            self.is_connected = True
        self._backoff_ms = _BACKOFF_FIRST_MS

    def _serve(self, client) -> None:
        ping_ms = time.ticks_ms()
        while self._is_allowed:
            message = self._outbox
            if message:
                client.publish(self._topic(message[0]), message[1], qos=1)
                with self._lock:
                    self._outbox = None
            client.serve(_SHORT_MS)
            if time.ticks_diff(time.ticks_ms(), ping_ms) > _PING_MS:
                ping_ms = time.ticks_ms()
                self._publish_status(client)
            self._ask_time()

    def _topic(self, suffix: str) -> bytes:
        return (self._prefix + suffix).encode()

    def _publish_status(self, client) -> None:
        status = {"online": True, "pending": self._pending, "version": self._version}
        client.publish(self._topic("status"), json.dumps(status).encode(), retain=True, qos=1)

    def _receive(self, topic: bytes, message: bytes) -> None:
        if topic != self._topic("ack"):
            return
        with self._lock:
            # A flood pushes itself out; a lost acknowledgement is asked for again.
            if len(self._inbox) < _INBOX:
                self._inbox.append(bytes(message))

    def _ask_time(self) -> None:
        if self._settings.ntp is None or time.ticks_diff(time.ticks_ms(), self._time_due_ms) < 0:
            return
        try:
            time_s, uncertainty_ms = sntp.query(*self._settings.ntp)
            answer = (time_s, uncertainty_ms, time.ticks_ms())
            wait_ms = _TIME_EVERY_MS
        except (sntp.SntpError, OSError):
            answer = None
            wait_ms = _TIME_RETRY_MS
        self._time_due_ms = time.ticks_add(time.ticks_ms(), wait_ms)
        if answer:
            with self._lock:
                self._answer = answer
