"""Keeps the board itself in order: uptime, the clock's floor, and the heap while nobody is there."""

import asyncio
import gc
from typing import TYPE_CHECKING

from micropython import const

from firmware.core.errors import FlashError

if TYPE_CHECKING:
    from typing import Any

_BEAT_MS = const(2_000)
_HOLES = const(400)
_FLOOR_EVERY_MS = const(60_000)


class Health:
    def __init__(self, timekeeping, attention, uptime) -> None:
        self._timekeeping = timekeeping
        self._attention = attention
        self._uptime = uptime
        # What the last collection while nobody was there has left of the heap; None before it.
        self.free_bytes = None
        # What rests while nobody is there, if there is such a thing.
        self.lobby: Any = None

    async def run(self) -> None:
        floor_ms = self._uptime.now_ms()
        while True:
            now_ms = self._uptime.now_ms()
            if now_ms - floor_ms >= _FLOOR_EVERY_MS:
                floor_ms = now_ms
                try:
                    self._timekeeping.keep_floor()
                except FlashError:
                    pass
            if self._attention.is_quiet(now_ms):
                if self.lobby:
                    self.lobby.rest(now_ms)
                # So that there is no garbage in the way of whoever comes next.
                gc.collect()
                self.free_bytes = gc.mem_free()
                # The allocator looks for anything longer from the first small hole on, each time. So these are filled
                # now, with what the next collection takes away, and not while somebody waits.
                for hole in range(_HOLES):
                    (hole,)  # noqa: B018 - made and dropped
            await asyncio.sleep_ms(_BEAT_MS)
