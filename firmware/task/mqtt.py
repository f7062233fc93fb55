"""umqtt.simple without its traps: one write a packet, every wait bounded, packet ids that wrap, big messages skipped.

Works over umqtt.simple 1.3.4 (the PyPI package) and 1.8 (frozen into current firmware images): both get a socket that
ignores what they say about time-outs, and neither is told of TLS, which is done below them. Blocking; it runs in the
courier's thread only.
"""

import errno
import select
from typing import TYPE_CHECKING

from micropython import const
from umqtt.simple import MQTTClient

if TYPE_CHECKING:
    from typing import Any

# A step waits so many times so long at most. Counted, not timed: bytes that come in one by one do not prolong it.
_SLICE_MS = const(100)
_SLICES = const(100)
_LARGEST_BYTES = const(1024)
# So long a message is read past; a longer one ends the connection.
_SKIPPED_BYTES = const(2_097_152)
# How many packets may come in place of the one that is waited for.
_MOST_PACKETS = const(32)
# From this length on what is written is kept by reference until it goes out, shorter pieces are copied.
_COPIED_BYTES = const(512)
_LAST_ID = const(65_535)
_TCP_NODELAY = const(1)
_IPPROTO_TCP = const(6)


class Skipped(Exception):
    """A message was longer than anything meant for a lock; its bytes have been read past."""


class _Wire:
    """A socket that sends small writes together and never waits for ever. `client` is whose it is."""

    def __init__(self, socket, client) -> None:
        socket.setblocking(False)
        socket.setsockopt(_IPPROTO_TCP, _TCP_NODELAY, 1)
        self._socket = self._stream = socket
        self._client = client
        self._is_shaking = False
        self._out = []
        self._ahead = None
        self._poller = select.poll()
        self._poller.register(socket, select.POLLIN)
        self.arm()

    def settimeout(self, seconds) -> None:
        # Set once when the socket was made; the clients' own calls would take it off again.
        pass

    def setblocking(self, is_blocking) -> None:
        pass

    def arm(self) -> None:
        """Lets the next step have its full time."""
        self._left = _SLICES
        self._client.beat()

    def connect(self, address) -> None:
        # Finding the address may have taken long; that has no deadline but the resolver's own.
        self.arm()
        try:
            self._socket.connect(address)
        except OSError as error:
            if error.errno != errno.EINPROGRESS:
                raise
        if self._wait(select.POLLOUT) & (select.POLLERR | select.POLLHUP):
            raise OSError("no connection")
        if self._client.handshake:
            self._stream = self._client.handshake.wrap(self._socket)
            self._is_shaking = True
            self.arm()

    def write(self, data, size=None) -> None:
        if size is not None or len(data) < _COPIED_BYTES:
            # The clients use their buffers again.
            data = bytes(memoryview(data)[: len(data) if size is None else size])
        self._out.append(data)

    def flush(self) -> None:
        parts = self._out
        if not parts:
            return
        self._out = []
        try:
            parts = (b"".join(parts),)
        except MemoryError:
            # No room to have it in one piece: then it is several writes.
            pass
        for part in parts:
            self._send(part)
        if self._is_shaking:
            self._is_shaking = False
            self._client.handshake.end()

    def _send(self, data) -> None:
        view = memoryview(data)
        while view:
            written = self._stream.write(view)
            if written is None:
                # A handshake waits for its peer.
                self._wait(select.POLLIN if self._is_shaking else select.POLLOUT)
            elif written > 0:
                view = view[written:]
            else:
                raise OSError("connection takes nothing")

    def _wait(self, events: int) -> int:
        """Returns what the socket is ready for, at least one of `events` or an error. Raises OSError."""
        self._poller.modify(self._socket, events)
        while self._left > 0:
            self._left -= 1
            for found in self._poller.poll(_SLICE_MS):
                return found[1]
        raise OSError(errno.ETIMEDOUT)

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _LARGEST_BYTES:
            raise OSError("length is not MQTT")
        self.flush()
        data = b""
        if size and self._ahead:
            data = self._ahead
            self._ahead = None
        while len(data) < size:
            piece = self._stream.read(size - len(data))
            if piece:
                data += piece
            elif piece is None:
                self._wait(select.POLLIN)
            else:
                raise OSError("connection ended")
        return data

    def is_readable(self) -> bool:
        """Waits a slice at most. TLS may have read more than it gave, so the socket alone does not tell."""
        for is_last in (False, True):
            if not self._ahead:
                self._ahead = self._stream.read(1)
            if self._ahead is not None:
                return True
            if not is_last:
                self._poller.modify(self._socket, select.POLLIN)
                self._poller.poll(_SLICE_MS)
        return False

    def close(self) -> None:
        self._socket.close()


class Client(MQTTClient):
    """An MQTT client for QoS 1. Every call ends or raises: within 10 s of silence, and after 32 packets of others.

    `beat()` is called at each packet, as a sign of life. `handshake` is a handshake.Handshake for a broker that speaks
    TLS, else None.
    """

    beat: "Any" = None
    handshake: "Any" = None
    _wire = None
    _packets = _MOST_PACKETS

    @property
    def sock(self):
        return self._wire

    @sock.setter
    def sock(self, socket) -> None:
        self.close()
        if socket is not None:
            self._wire = _Wire(socket, self)

    def publish(self, topic, msg, retain=False, qos=0) -> None:
        self._begin()
        super().publish(topic, msg, retain, qos)
        self._wire.flush()

    def subscribe(self, topic, qos=0) -> None:
        self._begin()
        super().subscribe(topic, qos)

    def _begin(self) -> None:
        self._wire.arm()
        self._packets = _MOST_PACKETS
        # Both versions count on for ever; 0 is no packet id.
        if self.pid >= _LAST_ID:
            self.pid = 0

    def _recv_len(self) -> int:
        size = shift = 0
        while shift < 28:
            byte = self._wire.read(1)[0]
            size |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                if size > _LARGEST_BYTES:
                    if size > _SKIPPED_BYTES:
                        raise OSError("too long to wait for")
                    self._skip(size)
                return size
        raise OSError("length is not MQTT")

    def _skip(self, size: int) -> None:
        while size:
            self._wire.arm()
            size -= len(self._wire.read(min(size, 256)))
        raise Skipped()

    def wait_msg(self):
        # Whoever sends everything but the answer that is waited for.
        self._packets -= 1
        if self._packets < 0:
            raise OSError(errno.ETIMEDOUT)
        try:
            return super().wait_msg()
        except Skipped:
            return None
        finally:
            self._wire.flush()
            self._wire.arm()

    def serve(self) -> None:
        """Takes in one message at most, if it comes within 100 ms."""
        self._wire.arm()
        self._packets = 1
        if self._wire.is_readable():
            self.wait_msg()

    def close(self) -> None:
        """Drops the connection, whatever state it is in."""
        wire = self._wire
        self._wire = None
        if wire is not None:
            try:
                wire.close()
            except OSError:
                pass


def make_client(settings, client_id: str) -> Client:
    """Returns a client for the broker in `settings`, not yet connected; `beat` is still to be set."""
    return Client(
        client_id.encode(),
        settings.mqtt[0],
        settings.mqtt[1],
        settings.mqtt_user.encode() or None,
        settings.mqtt_password.encode() or None,
        keepalive=60,
    )
