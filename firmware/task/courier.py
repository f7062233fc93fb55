"""The thread that waits for the network, so that the door never has to.

Blocking clients (MQTT, SNTP) run here and nowhere else; nothing but bytes and numbers crosses over, under one lock. The
thread touches no flash, no pins and no clock of the door.

A TLS handshake is the one thing that the door does feel (firmware.task.handshake). So it is rare: the connection is
kept, and who has to come back comes back later each time.
"""

import _thread
import os
import sys
import time

from micropython import const

_IDLE_MS = const(300)
_PING_MS = const(25_000)
_TIME_EVERY_MS = const(3_600_000)
_TIME_RETRY_MS = const(15_000)
_BACKOFF_FIRST_MS = const(1_000)
_BACKOFF_LONGEST_MS = const(60_000)
# After a handshake that came to nothing.
_HANDSHAKE_FIRST_MS = const(30_000)
_HANDSHAKE_LONGEST_MS = const(600_000)
# A session with TLS that ends sooner was no success: the next one waits longer still.
_STEADY_MS = const(60_000)
# No step of the thread lasts that long.
_HANG_MS = const(600_000)
# The certificates' dates cannot be checked by a clock that was never set.
_FIRST_YEAR = const(2024)
_INBOX = const(8)
# Written out, since each name of a dict would stay in the heap.
_STATUS = const('{"online": true, "pending": %d, "version": "%s", "heap": %s, "clock": %s}')
_STACK_BYTES = const(16 * 1024)


class Courier:
    """Carries one message at a time to the broker, and brings back acknowledgements, the time, and issuers' news.

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
        # Retained messages that came, by topic suffix; what is waited for beside the usual ones, and whether the broker
        # was asked for it. One that ends the connection over it is not asked next time.
        self._post = {}
        self._wanted, self._is_asked, self._has_news = None, False, True
        self._answer = None
        self._is_allowed = False
        self._pending, self._free_bytes, self._uncertainty_ms = 0, None, None
        self._handshake = None
        # What makes a client for the broker, if the settings name one; and what asks for the time, while it is due.
        self._make_client = self._query = None
        self.is_connected = False
        # What ended the last attempt or session, for people.
        self.last_error = ""
        self._is_over = False
        self._backoff_ms = 0
        self._beat_ms = self._time_due_ms = self._due_ms = time.ticks_ms()

    # The door's side.

    def start(self, attention) -> None:
        if self._settings.is_tls:
            from firmware.task.handshake import Handshake

            self._handshake = Handshake(self._settings, attention, self._lock)
        if self._settings.mqtt:
            from firmware.task import mqtt

            self._make_client = mqtt.make_client
        _thread.stack_size(_STACK_BYTES)
        _thread.start_new_thread(self._run, ())

    @property
    def has_ended(self) -> bool:
        """Whether the thread ended, or has given no sign of life for so long that it will give none."""
        return self._is_over or time.ticks_diff(time.ticks_ms(), self._beat_ms) > _HANG_MS

    def allow(self, is_allowed: bool, pending: int, is_quiet: bool, free_bytes=None, uncertainty_ms=None) -> None:
        """Tells whether there is a network, how many events wait, and whether a handshake would bother nobody.

        To be called several times a second: a permission lasts for one. The last two are None while not known.
        """
        with self._lock:
            self._is_allowed = is_allowed
            self._pending, self._free_bytes, self._uncertainty_ms = pending, free_bytes, uncertainty_ms
            if self._handshake:
                self._handshake.allow(is_quiet)
        if is_allowed and self._is_time_due():
            if not self._query:
                self._learn_to_ask()
        elif self._query:
            # Not again for an hour.
            self._query = None
            sys.modules.pop("sntp", None)

    def _learn_to_ask(self) -> None:
        """Loads what the thread asks for the time with: not there, or both sides might be loading at once."""
        try:
            import sntp

            self._query = sntp.query
        except MemoryError:
            # It stays due.
            pass

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

    def ask(self, topic) -> None:
        """Has the retained message of topic suffix `topic` fetched; None ends that, and what came late is gone."""
        with self._lock:
            self._post.pop(self._wanted, None)
            self._wanted = topic
            self._is_asked = False

    def take_post(self, topic: str):
        """Returns what arrived last for topic suffix `topic` ("time", "list/head", or what was asked for), or None."""
        with self._lock:
            return self._post.pop(topic, None)

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
            self._is_over = True

    def _round(self) -> None:
        self._beat()
        self._due_ms = _overdue(self._due_ms)
        self._time_due_ms = _overdue(self._time_due_ms)
        if self._is_allowed:
            self._ask_time()
            if self._make_client and time.ticks_diff(time.ticks_ms(), self._due_ms) >= 0 and self._may_connect():
                self._hold_session()
                return
        time.sleep_ms(_IDLE_MS)

    def _may_connect(self) -> bool:
        if not self._handshake:
            return True
        if self._settings.ntp and time.gmtime()[0] < _FIRST_YEAR:
            return False
        return self._handshake.is_permitted()

    def _hold_session(self) -> None:
        """Connects and stays connected while it lasts; then sets the time of the next attempt."""
        shake = self._handshake
        is_steady = False
        client = None
        if shake:
            shake.is_spent = False
        try:
            client = self._make_client(self._settings, self._client_id)  # type: ignore[misc]
            client.beat = self._beat
            client.handshake = shake
            self._open(client)
            is_steady = not shake
            opened_ms = time.ticks_ms()
            try:
                self._serve(client)
            finally:
                is_steady = is_steady or time.ticks_diff(time.ticks_ms(), opened_ms) >= _STEADY_MS
        except Exception as error:  # noqa: BLE001 - the network's trouble, whichever it is; the events are safe in flash
            self.last_error = repr(error)[:60]
        finally:
            with self._lock:
                self.is_connected = False
                self._outbox = None
            if client:
                client.close()
            if shake:
                shake.end()
        self._back_off(is_steady)

    def _back_off(self, is_steady: bool) -> None:
        """Doubles the time to the next attempt after one that failed; up to a quarter less, so that locks differ."""
        first_ms, longest_ms = _BACKOFF_FIRST_MS, _BACKOFF_LONGEST_MS
        if self._handshake and self._handshake.is_spent and not is_steady:
            first_ms, longest_ms = _HANDSHAKE_FIRST_MS, _HANDSHAKE_LONGEST_MS
        wait_ms = first_ms if is_steady else max(first_ms, min(2 * self._backoff_ms, longest_ms))
        self._backoff_ms = wait_ms
        self._due_ms = time.ticks_add(time.ticks_ms(), wait_ms - wait_ms * os.urandom(1)[0] // 1024)

    def _open(self, client) -> None:
        client.set_callback(self._receive)
        client.set_last_will(self._topic("status"), b'{"online": false}', retain=True, qos=1)
        client.connect()
        client.subscribe(self._topic("ack"), 1)
        self._publish_status(client)
        self._wanted = None
        if self._has_news:
            self._listen(client, "list/head")
            self._listen(client, "time")
        self._has_news = True
        with self._lock:
            self.is_connected = True
            self.last_error = ""

    def _serve(self, client) -> None:
        ping_ms = time.ticks_ms()
        while self._is_allowed:
            message = self._outbox
            if message:
                # Whoever answers a nonce may come later.
                client.publish(self._topic(message[0]), message[1], retain=message[0] == "nonce", qos=1)
                with self._lock:
                    self._outbox = None
            if self._wanted and not self._is_asked:
                self._is_asked = True
                self._listen(client, self._wanted)
            client.serve()
            if time.ticks_diff(time.ticks_ms(), ping_ms) > _PING_MS:
                ping_ms = time.ticks_ms()
                self._publish_status(client)
            self._ask_time()

    def _beat(self) -> None:
        self._beat_ms = time.ticks_ms()

    def _topic(self, suffix: str) -> bytes:
        return (self._prefix + suffix).encode()

    def _publish_status(self, client) -> None:
        status = _STATUS % (self._pending, self._version, self._free_bytes, self._uncertainty_ms)
        client.publish(self._topic("status"), status.replace("None", "null").encode(), retain=True, qos=1)

    def _listen(self, client, topic: str) -> None:
        self._has_news = False
        client.subscribe(self._topic(topic), 1)
        self._has_news = True

    def _receive(self, topic: bytes, message: bytes) -> None:
        with self._lock:
            if topic == self._topic("ack"):
                # A flood pushes itself out; a lost acknowledgement is asked for again.
                if len(self._inbox) < _INBOX:
                    self._inbox.append(bytes(message))
                return
            for suffix in ("list/head", "time", self._wanted):
                if suffix and topic == self._topic(suffix):
                    self._post[suffix] = bytes(message)

    def _is_time_due(self) -> bool:
        return self._settings.ntp is not None and time.ticks_diff(time.ticks_ms(), self._time_due_ms) >= 0

    def _ask_time(self) -> None:
        query = self._query
        if not query or not self._is_time_due():
            return
        try:
            time_s, uncertainty_ms = query(*self._settings.ntp)
            answer = (time_s, uncertainty_ms, time.ticks_ms())
            wait_ms = _TIME_EVERY_MS
        except Exception:  # noqa: BLE001 - the network's trouble, whichever it is
            answer = None
            wait_ms = _TIME_RETRY_MS
        self._time_due_ms = time.ticks_add(time.ticks_ms(), wait_ms)
        if answer:
            with self._lock:
                self._answer = answer


def _overdue(due_ms: int) -> int:
    """Returns `due_ms`, or now if it is over: what lies half a wrap of the ticks back would seem to come yet."""
    now_ms = time.ticks_ms()
    return now_ms if time.ticks_diff(now_ms, due_ms) > 0 else due_ms
