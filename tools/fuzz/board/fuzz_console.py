"""The serial line, fed with whatever comes; MicroPython only. For verdicts.py.

The line has a lock behind it that nobody has claimed, or one whose owner has a session open.
"""

import gc

# Collects before the heap is full, as the lock does: what is loaded from here on lies close together.
gc.threshold(8192)

# ruff: noqa: E402, I001 - first what takes the most to compile, while there is room.
from firmware.console import desk, knock, reset, selftest, session, transfer, upkeep

import asyncio
import json

from fuzz_formats import ok

from firmware.core import event
from firmware.core.attention import Attention
from firmware.store import claim, ledger
from firmware.task import console

_OWNER = bytes(range(32))


class Over(BaseException):
    """All of the input is served."""


class Lock:
    """What a console asks of the rest of a lock, and a clock that only waiting moves."""

    TimeoutError = asyncio.TimeoutError
    is_pressed = False
    acked_seq = 0
    seq = 3
    next_key = bytes(32)

    def __init__(self) -> None:
        self.ms = 0
        self.values = {ledger.IDENTITY: bytes(32)}

    def now_ms(self) -> int:
        return self.ms

    async def sleep_ms(self, ms: int) -> None:
        self.ms += ms

    async def within(self, limit_ms: int, waiting):
        raise Over

    # The ledger and the trail.

    def get(self, number: int):
        return self.values.get(number)

    def put(self, number: int, value: bytes) -> None:
        self.values[number] = value

    def record(self, kind: int, details: dict) -> int:
        event.Event(self.seq, kind, 1, self.ms, None, details).encode()
        return self.seq

    # The clock.

    def tell(self, time_s: int, uncertainty_s: int, age_ms: int, source: str) -> int:
        return 0

    def now_s(self, uptime_ms: int) -> int:
        return 0


class Line:
    """Stands in for `select` as well, whose own look at such an object takes a millisecond."""

    POLLIN = 1

    def __init__(self) -> None:
        self.data = b""
        self.at = 0

    def poll(self):
        return self

    def register(self, stream, events: int) -> None:
        pass

    def ipoll(self, timeout_ms: int):
        return (self,) if self.at < len(self.data) else ()

    def readinto(self, buffer) -> int:
        buffer[0] = self.data[self.at]
        self.at += 1
        return 1


def _target(has_session: bool):
    lock = Lock()
    console.asyncio = desk.asyncio = lock
    console.within = lock.within
    line = console.select = Line()
    said = []
    served = console.Console(line, Attention(), lock, lock, lock, lock, lambda names: None, said.append)
    served.version = served.board = served.door = "x"
    served.public = bytes(32)
    served.boot = 1
    served.clock = served.timekeeping = lock
    served.entry = lock
    served.uplink = served.tap = served.photographer = None

    def check(data):
        lock.values.pop(ledger.CLAIM, None)
        served.session = served.last = None
        served.ending = ""
        if has_session:
            claim.keep(lock, _OWNER, _OWNER)
            served.session = session.Session(bytes(8), event.OWNER, lock.ms)
        del said[:]
        line.data = data + b"\n"
        line.at = 0
        running = served.run()
        try:
            while True:
                running.send(None)
        except (Over, SystemExit):
            pass
        words = []
        for text in "".join(said).split("\n")[:-1]:
            if len(text) >= 1024:
                return "!! a line too long"
            reply = json.loads(text)
            number = reply["id"]
            if number is not None and not 0 <= number < 1 << 31:
                return "!! another id"
            words.append(reply.get("error", "done"))
        return ok(*words) if words else "no"

    return check


# Loaded, so that what the heap grows by is something else.
SERVED = (knock.WORDS, reset.WORDS, selftest.WORDS, transfer.WORDS, upkeep.WORDS)
TARGETS = {"console": lambda: _target(False), "console session": lambda: _target(True)}
