"""Seals the trail with the door's signature, when nobody is at the door or when it cannot wait any longer."""

import asyncio

from micropython import const

from firmware.core.errors import FlashError

# Signing takes the board a good part of a second, in which no door is served.
_LONGEST_WAIT_MS = const(30_000)
_MOST_UNSEALED = const(32)
_POLL_MS = const(500)


class Sealing:
    def __init__(self, trail, journal, attention, uptime) -> None:
        self._trail = trail
        self._journal = journal
        self._attention = attention
        self._uptime = uptime
        self._changed = asyncio.Event()
        trail.changed = self._changed.set
        if trail.unsealed:
            self._changed.set()

    async def run(self) -> None:
        while True:
            await self._changed.wait()
            await self._wait_for_quiet()
            self._changed.clear()
            try:
                self._trail.seal()
                if self._journal.wants_preparing:
                    self._journal.prepare()
            except FlashError:
                # The next event tries again; entry refuses by itself while the flash does not take anything.
                await asyncio.sleep_ms(_LONGEST_WAIT_MS)
                self._changed.set()

    async def _wait_for_quiet(self) -> None:
        start_ms = self._uptime.now_ms()
        while True:
            now_ms = self._uptime.now_ms()
            is_late = now_ms - start_ms >= _LONGEST_WAIT_MS or self._trail.unsealed >= _MOST_UNSEALED
            if is_late or self._attention.is_quiet(now_ms):
                return
            await asyncio.sleep_ms(_POLL_MS)
