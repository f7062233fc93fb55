"""Plays what `core.indication` describes on LED and buzzer; a new pattern replaces the one that is playing."""

import asyncio

from micropython import const

# So often it shows that it is alive.
_ROUND_MS = const(20_000)


class Indicator:
    def __init__(self, lamp) -> None:
        self._lamp = lamp
        self._pattern = None
        self._shown = asyncio.Event()

    def show(self, pattern: tuple) -> None:
        self._pattern = pattern
        self._shown.set()

    async def run(self) -> None:
        while True:
            if await self._is_shown(_ROUND_MS):
                await self._play()

    async def _is_shown(self, wait_ms: int) -> bool:
        """Returns whether a pattern came within `wait_ms`."""
        try:
            await asyncio.wait_for_ms(self._shown.wait(), wait_ms)
            return True
        except asyncio.TimeoutError:
            return False

    async def _play(self) -> None:
        self._shown.clear()
        for is_lit, is_sounding, duration_ms in self._pattern:
            self._lamp.set(is_lit, is_sounding)
            if await self._is_shown(duration_ms):
                return
        self._lamp.set(False, False)
