"""Plays what `core.indication` describes on LED and buzzer; a new pattern replaces the one that is playing."""

import asyncio


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
            await self._shown.wait()
            await self._play()

    async def _play(self) -> None:
        self._shown.clear()
        for is_lit, is_sounding, duration_ms in self._pattern:
            self._lamp.set(is_lit, is_sounding)
            try:
                await asyncio.wait_for_ms(self._shown.wait(), duration_ms)
                return
            except asyncio.TimeoutError:
                pass
        self._lamp.set(False, False)
