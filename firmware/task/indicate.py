"""Plays what `core.indication` describes on LED and buzzer; a new pattern replaces the one that is playing."""

from bell import Bell
from micropython import const

# So often it shows that it is alive.
_ROUND_MS = const(20_000)


class Indicator:
    def __init__(self, lamp) -> None:
        self._lamp = lamp
        self._pattern = None
        self._shown = Bell()

    def show(self, pattern: tuple) -> None:
        self._pattern = pattern
        self._shown.ring()

    async def run(self) -> None:
        while True:
            if await self._shown.wait(_ROUND_MS):
                await self._play()

    async def _play(self) -> None:
        for is_lit, is_sounding, duration_ms in self._pattern:
            self._lamp.set(is_lit, is_sounding)
            if await self._shown.wait(duration_ms):
                # `run` plays the other one.
                self._shown.ring()
                return
        self._lamp.set(False, False)
