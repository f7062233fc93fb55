"""Runs on MicroPython: HOST PORT TIMEOUT_S [WAY_MS] -> the query's two numbers, or SntpError and its text.

With WAY_MS the clock stands still but for each packet that comes, which takes so long by it.
"""

import socket
import sys

import sntp


class Clock:
    """What the client takes for its module `time`."""

    def __init__(self) -> None:
        self.now_ms = 0

    def ticks_ms(self) -> int:
        return self.now_ms

    def ticks_diff(self, end_ms: int, start_ms: int) -> int:
        return end_ms - start_ms


class Line:
    """A socket on which a packet takes `way_ms` by `clock`, and is waited for as long as this machine needs."""

    def __init__(self, line, clock: Clock, way_ms: int) -> None:
        self.connect = line.connect
        self.send = line.send
        self.close = line.close
        self._recv = line.recv
        self._clock = clock
        self._way_ms = way_ms

    def settimeout(self, timeout_s: float) -> None:
        pass

    def recv(self, size: int) -> bytes:
        packet = self._recv(size)
        self._clock.now_ms += self._way_ms
        return packet


class Sockets:
    """What the client takes for its module `socket`."""

    AF_INET = socket.AF_INET
    SOCK_DGRAM = socket.SOCK_DGRAM
    getaddrinfo = staticmethod(socket.getaddrinfo)

    def __init__(self, clock: Clock, way_ms: int) -> None:
        self._clock = clock
        self._way_ms = way_ms

    def socket(self, family: int, kind: int) -> Line:
        return Line(socket.socket(family, kind), self._clock, self._way_ms)


def main() -> None:
    host, port, timeout_s, *way_ms = sys.argv[1:]
    arguments = [host, int(port), int(timeout_s)]
    if way_ms:
        clock = sntp.time = Clock()
        arguments.append(Sockets(clock, int(way_ms[0])))
    try:
        print(*sntp.query(*arguments))
    except sntp.SntpError as error:
        print("SntpError:", error)


main()
