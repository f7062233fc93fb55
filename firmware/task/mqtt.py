"""umqtt.simple without its traps: one write a packet or two, bounded reads, packet ids that wrap, big messages skipped.

Works over umqtt.simple 1.3.4 (the PyPI package) and 1.8 (frozen into current firmware images). Blocking; it runs in the
courier's thread only.
"""

import select
from binascii import a2b_base64

from micropython import const
from umqtt.simple import MQTTClient

TIMEOUT_S = 10
_LARGEST_BYTES = const(1024)
# A write from this length on is no longer copied to go out with its neighbors.
_COPIED_BYTES = const(512)
_TCP_NODELAY = const(1)
_IPPROTO_TCP = const(6)


class Skipped(Exception):
    """A message was longer than anything meant for a lock; its bytes have been read past."""


class _Wire:
    """A stream that sends small writes together, long ones as they are, and never waits for ever."""

    def __init__(self, stream) -> None:
        self._stream = stream
        self._out = bytearray()

    def settimeout(self, seconds) -> None:
        # Set once when the socket was made; the clients' own calls would take it off again.
        pass

    def setblocking(self, is_blocking) -> None:
        pass

    def connect(self, address) -> None:
        self._stream.connect(address)

    def write(self, data, size=None) -> None:
        if size is None and len(data) >= _COPIED_BYTES:
            self.flush()
            self._send(data)
        else:
            self._out.extend(data if size is None else memoryview(data)[:size])

    def flush(self) -> None:
        self._send(self._out)
        self._out = bytearray()

    def _send(self, data) -> None:
        view = memoryview(data)
        while view:
            written = self._stream.write(view)
            if not written:
                raise OSError("connection takes nothing")
            view = view[written:]

    def read(self, size: int) -> bytes:
        self.flush()
        data = b""
        while len(data) < size:
            piece = self._stream.read(size - len(data))
            if not piece:
                raise OSError("connection ended or went silent")
            data += piece
        return data

    def is_readable(self, timeout_ms: int) -> bool:
        poller = select.poll()
        poller.register(self._stream, select.POLLIN)
        return bool(poller.poll(timeout_ms))

    def close(self) -> None:
        self._stream.close()


class Client(MQTTClient):
    """An MQTT client for QoS 1. Every call ends within a few TIMEOUT_S or raises."""

    _wire = None

    @property
    def sock(self):
        return self._wire

    @sock.setter
    def sock(self, stream) -> None:
        if stream is None:
            self._wire = None
        elif hasattr(stream, "setsockopt"):
            stream.settimeout(TIMEOUT_S)
            stream.setsockopt(_IPPROTO_TCP, _TCP_NODELAY, 1)
            # The TLS wrapper wants the socket itself; it comes by here again when the handshake is done.
            self._wire = stream if self.ssl else _Wire(stream)
        else:
            self._wire = _Wire(stream)

    def publish(self, topic, msg, retain=False, qos=0) -> None:
        if self.pid > 65_000:
            self.pid = 0
        super().publish(topic, msg, retain, qos)
        self.sock.flush()

    def ping(self) -> None:
        super().ping()
        self.sock.flush()

    def _recv_len(self) -> int:
        size = shift = 0
        while shift < 28:
            byte = self.sock.read(1)[0]
            size |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                if size > _LARGEST_BYTES:
                    self._skip(size)
                return size
        raise OSError("length is not MQTT")

    def _skip(self, size: int) -> None:
        while size:
            size -= len(self.sock.read(min(size, 256)))
        raise Skipped()

    def wait_msg(self):
        try:
            return super().wait_msg()
        except Skipped:
            return None
        finally:
            self.sock.flush()

    def serve(self, timeout_ms: int) -> None:
        """Takes in whatever arrives within `timeout_ms`, one message at most."""
        if self.sock.is_readable(timeout_ms):
            self.wait_msg()

    def close(self) -> None:
        """Drops the connection, whatever state it is in."""
        if self._wire is not None:
            try:
                self._wire.close()
            except OSError:
                pass
            self._wire = None


def _der(pem: str) -> bytes:
    """Returns the first certificate of a PEM file in the form that MicroPython's TLS takes. Raises ValueError."""
    parts = pem.split("-----")
    if len(parts) < 4:
        raise ValueError("not PEM")
    return a2b_base64(parts[2])


def make_client(settings, client_id: str) -> Client:
    """Returns a client for the broker in `settings`, not yet connected."""
    host, port = settings.mqtt
    parameters = {}
    if settings.is_tls:
        import ssl

        parameters = {"cert_reqs": ssl.CERT_REQUIRED, "cadata": _der(settings.mqtt_ca), "server_hostname": host}
    return Client(
        client_id.encode(),
        host,
        port,
        settings.mqtt_user.encode() or None,
        settings.mqtt_password.encode() or None,
        keepalive=60,
        ssl=settings.is_tls,
        ssl_params=parameters,
    )
