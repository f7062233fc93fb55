"""Seals the trail with the door's signature, when nobody is at the door or when it cannot wait any longer.

Every six hours there is a seal even if nothing happened: so whoever reads the trail sees since when it is silent.
"""

import asyncio

from bell import Bell
from micropython import const

from firmware.core.errors import FlashError

# Signing takes the board a good part of a second, in which no door is served.
_LONGEST_WAIT_MS = const(30_000)
_MOST_UNSEALED = const(32)
_POLL_MS = const(500)
_ROUND_MS = const(20_000)
_HEARTBEAT_MS = const(21_600_000)


class Sealing:
    def __init__(self, trail, journal, attention, uptime) -> None:
        self._trail = trail
        self._journal = journal
        self._attention = attention
        self._uptime = uptime
        self._changed = Bell()
        trail.changed = self._changed.ring
        if trail.unsealed:
            self._changed.ring()

    async def run(self) -> None:
        sealed_ms = self._uptime.now_ms()
        while True:
            if not await self._changed.wait(_ROUND_MS):
                # A round before it is due, so that six hours are the longest.
                if self._uptime.now_ms() - sealed_ms < _HEARTBEAT_MS - 2 * _ROUND_MS:
                    continue
            await self._wait_for_quiet()
            self._changed.is_rung = False
            try:
                self._trail.seal()
                sealed_ms = self._uptime.now_ms()
                if self._journal.wants_preparing:
                    self._journal.prepare()
            except FlashError:
                # Tried again; entry refuses by itself while the flash does not take anything.
                await asyncio.sleep_ms(_ROUND_MS)
                self._changed.ring()

    async def _wait_for_quiet(self) -> None:
        start_ms = self._uptime.now_ms()
        while True:
            now_ms = self._uptime.now_ms()
            is_late = now_ms - start_ms >= _LONGEST_WAIT_MS or self._trail.unsealed >= _MOST_UNSEALED
            if is_late or self._attention.is_quiet(now_ms):
                return
            await asyncio.sleep_ms(_POLL_MS)
