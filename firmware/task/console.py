"""Waits for somebody at the serial line; what reads it and serves requests lies in firmware/console/.

That is loaded when something comes in and let go when nobody is there any more, nor a session.
"""

import asyncio
from typing import TYPE_CHECKING

from bell import readable, within
from micropython import const

if TYPE_CHECKING:
    from typing import Any

_ROUND_MS = const(20_000)
_QUIET_MS = const(1_000)
_LOOK_MS = const(100)
_RETRY_MS = const(1_000)


def _write(text: str) -> None:
    print(text, end="")


class Console:
    """The serial line `stream`, of which single bytes are read when it has some; `write(text)` is the way back.

    It holds what there is to ask about and to act on, as attributes that whoever makes the lock sets: `settings` and
    the parts that a door may lack are None if they are not there. `failed` is the part that the safe mode was entered
    for, None outside of it; `refused_field` is what is wrong with settings, empty if nothing is. `line` is
    a console.line.Line while there is somebody.
    """

    version: str
    board: str
    offers: dict
    door: str
    public: bytes
    boot: int
    cause: int
    is_trial: bool
    refused_field: str
    failed: "str | None"
    settings: "Any"
    clock: "Any"
    timekeeping: "Any"
    radio: "Any"
    photos: "Any"
    indicator: "Any"
    doorway: "Any"
    entry: "Any"
    photographer: "Any"
    uplink: "Any"
    tap: "Any"
    news: "Any"

    def __init__(self, stream, attention, uptime, trail, journal, kept, forget, write=_write) -> None:
        self.stream = stream
        self.write = write
        self.line: Any = None
        self.attention = attention
        self.uptime = uptime
        self.trail = trail
        self.journal = journal
        self.kept = kept
        self.forget = forget
        # The session that is open, and what follows when the console ends the run: "restart", "develop".
        self.session = None
        self.ending = ""
        # The last request that may be repeated: (CRC of its line, reply, when).
        self.last = None
        # Of those who knock: the nonce that is good for one signature, when it was made, how many there were; wrong
        # signatures in a row, and until when no other one is looked at; refusals that no event tells of yet.
        self.nonce = None
        self.nonce_ms = 0
        self.nonces = 0
        self.tries = 0
        self.locked_ms = 0
        self.refused = 0
        self.reason = 0
        self.refused_ms = None

    async def run(self) -> None:
        while True:
            try:
                if not self.line:
                    await within(_ROUND_MS, readable(self.stream))
                    while not self.is_free(self.uptime.now_ms()):
                        await asyncio.sleep_ms(_LOOK_MS)
                    self._open()
            except asyncio.TimeoutError:
                continue
            except MemoryError:
                # Whoever waits for a reply asks again.
                await asyncio.sleep_ms(_RETRY_MS)
                continue
            names = await self.line.serve()
            self.line = self.last = None
            self.forget(names)

    def _open(self) -> None:
        """Loads what reads lines. Not in `run`, whose own names stay in the heap as long as the lock."""
        from firmware.console.line import Line

        self.line = Line(self)

    def is_free(self, now_ms: int, quiet_ms: int = _QUIET_MS) -> bool:
        """Whether nobody has been at the door for `quiet_ms`, nor is pressing a key."""
        return self.attention.is_quiet(now_ms, quiet_ms) and not self.entry.is_pressed
