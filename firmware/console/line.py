"""The serial line while somebody is there: whole lines in, JSON lines out, and never a prompt.

While somebody is at the door nothing is read: the UART keeps a line, and whoever talks to the board waits for the reply
before the next one. docs/protocol.md, section 7.
"""

import asyncio
import json
import select

from bell import readable, within
from micropython import const

from firmware.console import desk

# With its newline a line has 256 bytes; a UART keeps 260 while nobody reads.
_MOST_BYTES = const(255)
_PASS_BYTES = const(260)
# So long the longest line takes on the wire; and from one request to the next.
_PASS_MS = const(23)
_SPACE_MS = const(50)
# Who sends so much without a request in it is heard out slowly: reading takes time that a visitor needs.
_MOST_STRANGE = const(600)
_SLOW_BYTES = const(16)
_SLOW_MS = const(100)
_ROUND_MS = const(20_000)
# Nobody stops so long in the middle of a line and goes on.
_HALF_MS = const(3_000)
_QUIET_MS = const(1_000)
_LOOK_MS = const(100)
# What the UART sends by itself, and how long that takes it: printing more would hold the interpreter.
_CHUNK = const(64)
_CHUNK_MS = const(6)
_SECOND_MS = const(1_000)
_MOST_COMPLAINTS = const(10)

# What is loaded for whoever is there.
_LOADED = const(
    (
        "console.desk",
        "console.line",
        "console.knock",
        "console.session",
        "console.request",
        "console.transfer",
        "console.update",
        "console.package",
        "console.other_slot",
        "console.news",
        "store.claim",
        "console",
    )
)


class Line:
    """Reads what comes in on the serial line of `console`, and writes what goes out."""

    def __init__(self, console) -> None:
        self._console = console
        self._poller = select.poll()
        self._poller.register(console.stream, select.POLLIN)
        self._line = bytearray(_MOST_BYTES)
        self._one = bytearray(1)
        self._size = 0
        self._is_skipping = False
        # Bytes since the last request, and how many requests there were.
        self._strange = 0
        self.served = 0
        self._complaints = 0
        self._complaint_ms = 0

    async def serve(self) -> tuple:
        """Serves whoever is there; returns the names of what may be let go once nobody is."""
        console = self._console
        while True:
            size = await self._next_line()
            now_ms = console.uptime.now_ms()
            if console.session and console.session.is_over(now_ms):
                console.session.end(console)
            if size is None:
                self._forget_half()
                self._strange = 0
                if console.refused:
                    self._note_refusals()
                if not (console.session or console.refused):
                    return _LOADED
                continue
            if size < 0:
                await self.complain("too_long", "A line has at most 256 bytes with its newline.")
            elif self._line[0] != 0x7B:
                await self.complain("bad_line", "Each line is a JSON object.")
            elif await desk.serve(console, memoryview(self._line)[:size]):
                self._strange = 0
            await asyncio.sleep_ms(max(1, _SPACE_MS - console.uptime.now_ms() + now_ms))

    async def give_way(self, quiet_ms: int = _QUIET_MS, limit_ms: int = 1 << 29) -> bool:
        """Waits until nobody has been at the door for `quiet_ms`; returns False if that took longer than `limit_ms`."""
        start_ms = self._console.uptime.now_ms()
        while True:
            now_ms = self._console.uptime.now_ms()
            if self._console.is_free(now_ms, quiet_ms):
                return True
            if now_ms - start_ms >= limit_ms:
                return False
            await asyncio.sleep_ms(_LOOK_MS)

    async def say(self, said: dict) -> None:
        """Prints one line, no faster than the UART sends it."""
        text = json.dumps(said) + "\n"
        for at in range(0, len(text), _CHUNK):
            self._console.write(text[at : at + _CHUNK])
            await asyncio.sleep_ms(_CHUNK_MS)

    async def complain(self, word: str, say: str) -> None:
        """Answers a line that is no request; a flood of them gets ten answers a second."""
        now_ms = self._console.uptime.now_ms()
        if now_ms - self._complaint_ms >= _SECOND_MS:
            self._complaint_ms = now_ms
            self._complaints = 0
        if self._complaints < _MOST_COMPLAINTS:
            self._complaints += 1
            await self.say({"id": None, "ok": False, "error": word, "say": say})

    def _note_refusals(self) -> None:
        from firmware.console import knock

        knock.note_refusals(self._console)

    def _forget_half(self) -> None:
        self._size = 0
        self._is_skipping = False

    async def _next_line(self):
        """Returns how many bytes of `_line` are the next line, -1 for one that is too long, None after a while."""
        while True:
            await self.give_way()
            is_flood = self._strange > _MOST_STRANGE
            most = left = _SLOW_BYTES if is_flood else _PASS_BYTES
            while left and self._is_ready() and self._console.stream.readinto(self._one):
                left -= 1
                size = self._take(self._one[0])
                if size:
                    return size
            if left < most:
                await asyncio.sleep_ms(_SLOW_MS if is_flood else _PASS_MS)
                continue
            start_ms = self._console.uptime.now_ms()
            try:
                await within(_ROUND_MS, readable(self._console.stream))
            except asyncio.TimeoutError:
                return None
            got = self._console.stream.readinto(self._one)
            if self._console.uptime.now_ms() - start_ms >= _HALF_MS:
                self._forget_half()
            size = self._take(self._one[0]) if got else 0
            if size:
                return size
            # The rest of it is on its way. A line that is closed is always ready.
            await asyncio.sleep_ms(_PASS_MS if got else _SECOND_MS)

    def _is_ready(self) -> bool:
        for _ in self._poller.ipoll(0):
            return True
        return False

    def _take(self, byte: int) -> int:
        """Takes one byte; returns the size of the line that it ends, -1 if that is too long, 0 for none."""
        self._strange += 1
        size = self._size
        if byte in (10, 13):
            is_long = self._is_skipping
            self._forget_half()
            return -1 if is_long else size
        if size == _MOST_BYTES:
            self._is_skipping = True
        elif byte > 31 or byte == 9:
            self._line[size] = byte
            self._size = size + 1
        else:
            # A break, or Ctrl-C: whoever sends that begins anew.
            self._size = 0
        return 0
