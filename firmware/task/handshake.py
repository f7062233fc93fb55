"""TLS for the courier: the handshake, done in pieces between which the door has its turn. Loaded where TLS is used.

A handshake is 1.4 s of C code on the board, which holds the interpreter: no key is scanned, no input read. TLS calls
its stream in between, though, so a stream written in Python divides it into three pieces of 0.4 s and shorter ones.
Each is begun only while the door's side keeps saying that nobody has been there for long, and said so after the one
before.
docs/architecture.md, "Handshakes".
"""

import errno
import io
import ssl
import time

from micropython import const

# The door's side renews its permission several times a second.
_PERMISSION_MS = const(1_000)
# What takes no longer is no piece.
_SHORT_MS = const(20)
# By then a key that was pressed during a piece has been noticed.
_TURN_MS = const(100)
_TURNS = const(10)
# What the chip latched while it was held comes to light within this many calls of `allow`.
_HELD = const(3)


class _Line(io.IOBase):
    """The socket as TLS sees it.

    What would be raised in here would go right through the C code of TLS, so errors are returned.
    """

    def __init__(self, socket, shake) -> None:
        self._socket = socket
        self._shake = shake

    def readinto(self, buffer):
        return self._pass(False, buffer)

    def write(self, data):
        return self._pass(True, data)

    def _pass(self, is_out: bool, data):
        try:
            is_shaking = self._shake.is_under_way
            if is_shaking and not self._shake.pause():
                return -errno.ECONNABORTED
            count = self._socket.write(data) if is_out else self._socket.readinto(data)
            if is_shaking and count:
                self._shake.hold()
            return count
        except OSError as error:
            return -error.errno
        except MemoryError:
            return -errno.ENOMEM

    def ioctl(self, request: int, argument: int) -> int:
        # The socket is closed by its owner.
        return 0


class Handshake:
    """One thread allows, another one does it; `lock` is theirs. `attention.blindness` tells the door of it."""

    def __init__(self, settings, attention, lock) -> None:
        self._settings = settings
        self._attention = attention
        self._lock = lock
        self._permitted_ms = None
        self._held_ms = 0
        self.is_under_way = False
        # Whether TLS computed, and nobody came in between: then the broker is why it failed, if it did.
        self.is_spent = False

    def allow(self, is_quiet: bool) -> None:
        """Tells whether a handshake would bother nobody. To be called under the lock, several times a second."""
        self._permitted_ms = time.ticks_ms() if is_quiet else None
        if 0 < self._attention.blindness < _HELD:
            self._attention.blindness -= 1

    def is_permitted(self) -> bool:
        with self._lock:
            given_ms = self._permitted_ms
            return given_ms is not None and time.ticks_diff(time.ticks_ms(), given_ms) < _PERMISSION_MS

    def wrap(self, socket):
        """Returns the stream over `socket`, whose first write does the handshake. Raises OSError, ValueError."""
        if not self.is_permitted():
            raise OSError("somebody is at the door")
        self.is_spent = self.is_under_way = True
        self.hold()
        settings = self._settings
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=settings.mqtt_ca)
        if settings.mqtt_cert:
            context.load_cert_chain(settings.mqtt_cert, settings.mqtt_key)
        line = _Line(socket, self)
        return context.wrap_socket(line, server_hostname=settings.mqtt[0], do_handshake_on_connect=False)

    def hold(self) -> None:
        """TLS computes from now on."""
        with self._lock:
            self._attention.blindness = _HELD
        self._held_ms = time.ticks_ms()

    def pause(self) -> bool:
        """Called between two pieces; returns whether it may go on."""
        held_ms = time.ticks_diff(time.ticks_ms(), self._held_ms)
        self._let_go()
        if held_ms < _SHORT_MS:
            return True
        time.sleep_ms(_TURN_MS)
        # Whatever was permitted before, somebody may have come during the piece.
        with self._lock:
            self._permitted_ms = None
        for _ in range(_TURNS):
            time.sleep_ms(_TURN_MS)
            if self.is_permitted():
                return True
        self.is_spent = False
        return False

    def end(self) -> None:
        """It is done, or has failed."""
        self.is_under_way = False
        self._let_go()

    def _let_go(self) -> None:
        with self._lock:
            if self._attention.blindness == _HELD:
                self._attention.blindness -= 1
