"""The lock's Bluetooth code on CPython, in a time that only passes when a test says so."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from virtualboard.ble.loop import VirtualLoop
from virtualboard.clock import Clock


class BoardTime:
    """Time, tasks and flags. `loop` runs both the lock's tasks and the phones'."""

    def __init__(self) -> None:
        self._clock = Clock()
        self.loop = VirtualLoop(self._clock, threading.RLock())

    def now_ms(self) -> int:
        return self._clock.now_us // 1_000

    def run_for(self, ms: int) -> None:
        until_us = self._clock.now_us + ms * 1_000
        self._clock.run_due(until_us)
        self._clock.move_to(until_us)
        if self.loop.failures:
            raise self.loop.failures[0]["exception"]


class BoardClock:
    """Stands in for MicroPython's `time`."""

    def __init__(self, time: BoardTime) -> None:
        self.ticks_ms = time.now_ms

    def ticks_diff(self, later: int, earlier: int) -> int:
        return later - earlier


class BoardAsyncio:
    """Stands in for MicroPython's `asyncio`: the names that the standard one lacks."""

    TimeoutError = asyncio.TimeoutError

    class Bell:
        """Stands in for `bell.Bell`."""

        def __init__(self) -> None:
            self._event = asyncio.Event()

        def ring(self) -> None:
            self._event.set()

        async def wait(self, limit_ms: int) -> bool:
            try:
                await asyncio.wait_for(self._event.wait(), limit_ms / 1_000)
            except asyncio.TimeoutError:
                return False
            self._event.clear()
            return True

    def __init__(self, time: BoardTime) -> None:
        self._loop = time.loop

    def create_task(self, work: Any) -> Any:
        return self._loop.create_task(work)

    async def sleep_ms(self, ms: int) -> None:
        await asyncio.sleep(max(0, ms) / 1_000)
