"""A console on a line of its own, with a clock that only waiting moves, and as much of a lock as it is asked about."""

import gc

# Collects before the heap is full, as the lock does: what is loaded from here on lies close together.
gc.threshold(8192)

# ruff: noqa: E402, I001 - first what takes the most to compile, while there is room.
from firmware.console import knock
import asyncio as real
import json

from firmware.console import desk, line as reading
from firmware.core.attention import Attention
from firmware.store.ledger import IDENTITY
from firmware.task import console as module

SEED = b"\x01" * 32
# Of that seed.
PUBLIC = bytes.fromhex("8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c")


class Line:
    """What comes in waits for whoever reads, byte by byte, as on a UART.

    Stands in for `select` as well, whose own look at such an object takes a millisecond.
    """

    POLLIN = 1

    def __init__(self):
        self.data = b""
        self.at = 0

    def put(self, data):
        self.data = self.data[self.at :] + data
        self.at = 0

    @property
    def is_empty(self):
        return self.at == len(self.data)

    def readinto(self, buffer):
        if self.is_empty:
            return 0
        buffer[0] = self.data[self.at]
        self.at += 1
        return 1

    def poll(self):
        return self

    def register(self, stream, events):
        assert stream is self and events == self.POLLIN

    def ipoll(self, timeout_ms):
        assert timeout_ms == 0
        return () if self.is_empty else (self,)


class Silence(BaseException):
    """Nothing more comes in, and the time is over."""


class Time:
    """Stands in for asyncio: whoever sleeps makes the time pass. `until_ms` ends the run."""

    TimeoutError = real.TimeoutError

    def __init__(self):
        self.ms = 0
        self.until_ms = 0
        self.due = []

    def now_ms(self):
        return self.ms

    async def sleep_ms(self, ms):
        self.ms += max(ms, 0)
        for item in [item for item in self.due if item[0] <= self.ms]:
            self.due.remove(item)
            item[1]()

    async def within(self, limit_ms, waiting):
        end_ms = self.ms + limit_ms
        while self.line.is_empty:
            if self.ms >= self.until_ms:
                raise Silence
            if self.ms >= end_ms:
                raise self.TimeoutError
            await self.sleep_ms(min(1_000, end_ms - self.ms))


class Trail:
    """Keeps what is recorded; `before` is called first, and may raise."""

    def __init__(self):
        self.records = []
        self.before = lambda kind: None

    def record(self, kind, details):
        self.before(kind)
        self.records.append((kind, details))
        return len(self.records)

    def kinds(self):
        return [kind for kind, _ in self.records]


class Journal:
    acked_seq = 0
    next_key = b"\x04" * 32

    def __init__(self, trail):
        self.trail = trail

    @property
    def seq(self):
        return len(self.trail.records)


class Kept:
    """A ledger that nothing is kept in."""

    def __init__(self):
        self.values = {IDENTITY: SEED}

    def get(self, number):
        return self.values.get(number)

    def put(self, number, value):
        self.values[number] = value


class Keys:
    is_pressed = False


class Case:
    """`ask` sends a request and returns the reply. `said` holds all lines that came back."""

    def __init__(self):
        self.time = Time()
        module.asyncio = desk.asyncio = reading.asyncio = self.time
        module.within = reading.within = self.time.within
        assert knock.WORDS
        self.kept = Kept()
        self.trail = Trail()
        self.attention = Attention()
        self.line = self.time.line = reading.select = Line()
        self.said = []
        self._heard = ""
        self._id = 0
        self.ended = None
        journal = Journal(self.trail)
        self.console = module.Console(
            self.line, self.attention, self.time, self.trail, journal, self.kept, self._forget, self._hear
        )
        console = self.console
        console.version, console.board, console.door, console.boot = "0.1.0", "bench", "maple-12/front", 7
        console.public = PUBLIC
        console.uplink = None
        console.entry = Keys

    def _forget(self, names):
        pass

    def _hear(self, text):
        assert len(text) <= 64
        self._heard += text
        while "\n" in self._heard:
            line, _, self._heard = self._heard.partition("\n")
            assert len(line) < 1024
            self.said.append(json.loads(line))

    def run(self, ms=1_000):
        """Lets the console serve all that is on its line, and then `ms` more pass."""
        self.time.until_ms = self.time.ms + ms
        try:
            running = self.console.run()
            while True:
                running.send(None)
        except Silence:
            pass
        except SystemExit as ended:
            self.ended = ended.args[0]

    def send(self, data, ms=1_000):
        """Returns the lines that come back for `data`."""
        before = len(self.said)
        self.line.put(data)
        self.run(ms)
        return self.said[before:]

    def ask(self, word, **fields):
        return self.ask_all(word, **fields)[-1]

    def ask_all(self, word, **fields):
        """Returns the events and the reply; all have the request's number."""
        self._id += 1
        fields["do"] = word
        fields["id"] = self._id
        lines = self.send(json.dumps(fields).encode() + b"\n")
        assert all(line["id"] == self._id for line in lines), lines
        return lines

    def refusal(self, word, **fields):
        reply = self.ask(word, **fields)
        assert reply["ok"] is False and reply["say"][-1] == ".", reply
        return reply["error"]
