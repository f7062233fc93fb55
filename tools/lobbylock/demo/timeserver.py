"""A time server on loopback, RFC 5905 server mode: the virtual door must not depend on the Internet."""

import socket
import struct
import threading
from collections.abc import Callable

_PACKET_BYTES = 48
# Seconds from 1900, where NTP starts counting, to 1970.
_NTP_EPOCH_S = 2_208_988_800
_LEAP_NONE_VERSION_4_SERVER = 0b00_100_100
_STRATUM = 2
_LOOK_S = 0.2


class TimeServer:
    """Answers with `now_s()`, Unix time as a float, on a free port of 127.0.0.1, until closed."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self.answered = 0
        # Closing the socket would not wake a thread that waits on it.
        self._socket.settimeout(_LOOK_S)
        self._is_open = True
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._is_open = False

    def _serve(self) -> None:
        with self._socket:
            while self._is_open:
                try:
                    request, client = self._socket.recvfrom(512)
                except TimeoutError:
                    continue
                if len(request) >= _PACKET_BYTES:
                    self._socket.sendto(self._answer(request), client)
                    self.answered += 1

    def _answer(self, request: bytes) -> bytes:
        now = int((self._now_s() + _NTP_EPOCH_S) * (1 << 32)) & ((1 << 64) - 1)
        stamp = struct.pack(">Q", now)
        head = struct.pack(">BBbb", _LEAP_NONE_VERSION_4_SERVER, _STRATUM, 6, -20)
        delays = struct.pack(">II4s", 0, 1 << 8, b"LOCL")
        # Reference, origin (what the client sent as its transmit time), receive and transmit timestamps.
        return head + delays + stamp + request[40:48] + stamp + stamp
