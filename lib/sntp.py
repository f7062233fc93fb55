"""SNTP client (RFC 5905 section 14): asks one server for the time and believes no packet that it did not ask for.

Whoever sits on the way to the server can still lie about the time; a caller who cares keeps a floor of its own. Nothing
here reads or sets a clock, and no time is computed in floats: the board's have 24 bits.
"""

import os
import socket
import struct
import time

from micropython import const

_PACKET_BYTES = const(48)
# Leap indicator 0, version 4, mode 3 (client).
_REQUEST = const(0x23)
_VERSION = const(4)
_SERVER = const(4)
_UNSYNCHRONIZED = const(3)
_LAST_STRATUM = const(15)
# Root distance from which a server counts as unsynchronized (MAXDISP of RFC 5905), in its 16.16 format.
_MOST_DISTANCE = const(16 << 16)
# Seconds from 1900, where NTP's era 0 begins, to 1970.
_TO_UNIX_S = const(2_208_988_800)
# Packets of strangers that one query looks at.
_MOST_STRANGERS = const(16)


class SntpError(Exception):
    """There was no answer, or one that must not be believed; the text says why."""


def query(host: str, port: int = 123, timeout_s: int = 3, sockets=socket) -> tuple:
    """Returns (Unix time, uncertainty in ms) at the moment of returning. Raises SntpError.

    Blocks for at most `timeout_s` after the name was resolved, which on a board may itself take long; so it belongs
    into a background thread. The uncertainty covers the way, the server's own, and the rounding to a second. `sockets`
    is the socket module.
    """
    nonce = os.urandom(8)
    line = None
    try:
        address = sockets.getaddrinfo(host, port, 0, sockets.SOCK_DGRAM)[0][-1]
        line = sockets.socket(sockets.AF_INET, sockets.SOCK_DGRAM)
        # From here on, only packets from that address get through.
        line.connect(address)
        sent_ms = time.ticks_ms()
        line.send(bytes((_REQUEST,)) + bytes(39) + nonce)
        packet = _receive(line, nonce, sent_ms, timeout_s * 1000)
        return read(packet, time.ticks_diff(time.ticks_ms(), sent_ms))
    except OSError as error:
        raise SntpError("no answer: %s" % error)
    finally:
        if line:
            line.close()


def _receive(line, nonce: bytes, sent_ms: int, timeout_ms: int) -> bytes:
    """Returns the packet that answers `nonce`. Others are passed over: anybody may send some. Raises OSError."""
    for _ in range(_MOST_STRANGERS):
        left_ms = timeout_ms - time.ticks_diff(time.ticks_ms(), sent_ms)
        if left_ms <= 0:
            raise SntpError("no answer in time")
        line.settimeout(left_ms / 1000)
        packet = line.recv(_PACKET_BYTES + 1)
        if len(packet) == _PACKET_BYTES and packet[24:32] == nonce:
            return packet
    raise SntpError("answers to something else")


def read(packet: bytes, round_trip_ms: int) -> tuple:
    """Returns (Unix time, uncertainty in ms) by a server's 48 bytes that took `round_trip_ms`. Raises SntpError."""
    first, stratum = packet[0], packet[1]
    if first & 7 != _SERVER or first >> 3 & 7 != _VERSION:
        raise SntpError("not a server's answer of version 4")
    if not stratum:
        raise SntpError("kiss-o'-death " + _kiss(packet[12:16]))
    delay, dispersion = struct.unpack(">II", packet[4:12])
    distance = delay // 2 + dispersion
    if first >> 6 == _UNSYNCHRONIZED or stratum > _LAST_STRATUM or distance >= _MOST_DISTANCE:
        raise SntpError("server is not synchronized")
    seconds, fraction = struct.unpack(">II", packet[40:48])
    if not seconds and not fraction:
        raise SntpError("answer without a time")
    # Era 0 ended in 2036. Numbers of its first half, before 1968, are taken for era 1, until 2104 (RFC 4330 section 3).
    if seconds < 1 << 31:
        seconds += 1 << 32
    # The answer was on its way for between nothing and the whole round trip.
    now_ms = (seconds - _TO_UNIX_S) * 1000 + (fraction * 1000 >> 32) + round_trip_ms // 2
    time_s = (now_ms + 500) // 1000
    rounding_ms = abs(time_s * 1000 - now_ms)
    # Three quotients were cut off.
    return time_s, round_trip_ms // 2 + (distance * 1000 >> 16) + rounding_ms + 3


def _kiss(code: bytes) -> str:
    """Returns the four letters of a kiss code, which go into logs: anything else is shown as hexadecimal."""
    for character in code:
        if not 65 <= character <= 90:
            return code.hex()
    return code.decode()
