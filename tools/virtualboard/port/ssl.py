"""`ssl` of an ESP32: the machine's own TLS, but a handshake takes the time that it takes there.

Measured on an emulated ESP32 at 240 MHz: 1.4 s of C code that holds the interpreter. How that is shared out between the
messages was measured here; it is three operations on elliptic curves and a signature. Whoever hands `wrap_socket` a
socket is held once, for all of it. TLS calls a stream written in Python between the pieces, so then they are single
ones. Waiting for the peer holds nobody.
"""

import io

import _virtual
import tls
from micropython import const
from tls import (
    CERT_NONE as CERT_NONE,
)
from tls import (
    CERT_OPTIONAL as CERT_OPTIONAL,
)
from tls import (
    CERT_REQUIRED as CERT_REQUIRED,
)
from tls import (
    MBEDTLS_VERSION as MBEDTLS_VERSION,
)
from tls import (
    PROTOCOL_DTLS_CLIENT as PROTOCOL_DTLS_CLIENT,
)
from tls import (
    PROTOCOL_DTLS_SERVER as PROTOCOL_DTLS_SERVER,
)
from tls import (
    PROTOCOL_TLS_CLIENT as PROTOCOL_TLS_CLIENT,
)
from tls import (
    PROTOCOL_TLS_SERVER as PROTOCOL_TLS_SERVER,
)

_WHOLE_US = const(1400000)
_HANDSHAKE = const(22)
_CHANGE_CIPHER = const(20)
_HEADER_BYTES = const(5)
# Handshake message -> what is computed after it was received, or before it is sent (RFC 5246, section 7.4).
_AFTER = {11: 430000, 12: 450000}
_BEFORE = {16: 400000, 15: 110000}


class _Tap(io.IOBase):
    """Between TLS and its stream: sees which message goes by, and holds the interpreter for it."""

    def __init__(self, stream) -> None:
        self._stream = stream
        self._is_split = isinstance(stream, io.IOBase)
        self._left_us = _WHOLE_US
        self._due_us = 0
        self._is_record = False
        self._last = 0

    def readinto(self, buffer):
        self._compute()
        count = self._stream.readinto(buffer)
        if self._left_us and count:
            # TLS reads the header of a record and then the rest of it.
            if self._is_record:
                self._due_us = _AFTER.get(buffer[0], 0)
            self._is_record = count == _HEADER_BYTES and buffer[0] == _HANDSHAKE
        return count

    def write(self, data):
        if self._left_us:
            message = 0
            if data[0] == _CHANGE_CIPHER:
                self._due_us = self._left_us
            elif data[0] == _HANDSHAKE:
                message = data[_HEADER_BYTES]
                # It comes again if there was no room for it.
                if message != self._last:
                    self._due_us = _BEFORE.get(message, 0)
            self._last = message
            self._compute(not message)
        return self._stream.write(data)

    def _compute(self, is_end: bool = False) -> None:
        due_us = self._due_us
        if self._left_us and due_us and (self._is_split or is_end):
            self._due_us = 0
            self._left_us -= due_us
            _virtual.hold(due_us)

    def ioctl(self, request: int, argument: int) -> int:
        return self._stream.ioctl(request, argument)


class SSLContext:
    def __init__(self, protocol: int) -> None:
        self._context = tls.SSLContext(protocol)

    @property
    def verify_mode(self) -> int:
        return self._context.verify_mode

    @verify_mode.setter
    def verify_mode(self, mode: int) -> None:
        self._context.verify_mode = mode

    def load_cert_chain(self, certfile, keyfile) -> None:
        self._context.load_cert_chain(_content(certfile), _content(keyfile))

    def load_verify_locations(self, cafile=None, cadata=None) -> None:
        self._context.load_verify_locations(_content(cafile) if cafile else cadata)

    def wrap_socket(self, sock, **options):
        return self._context.wrap_socket(_Tap(sock), **options)


def _content(file):
    if not isinstance(file, str):
        return file
    with open(file, "rb") as stream:
        return stream.read()


def wrap_socket(
    sock,
    server_side: bool = False,
    key=None,
    cert=None,
    cert_reqs: int = CERT_NONE,
    cadata=None,
    server_hostname=None,
    do_handshake: bool = True,
):
    context = SSLContext(PROTOCOL_TLS_SERVER if server_side else PROTOCOL_TLS_CLIENT)
    context.verify_mode = cert_reqs
    if cert is not None:
        context.load_cert_chain(cert, key)
    if cadata is not None:
        context.load_verify_locations(cadata=cadata)
    return context.wrap_socket(
        sock, server_side=server_side, do_handshake_on_connect=do_handshake, server_hostname=server_hostname
    )
