"""Waiting for something for a limited time, with little of the heap.

`asyncio.wait_for_ms` makes two tasks each time, and an asyncio.Event, Lock or ThreadSafeFlag brings a module with it:
on an ESP32 some 500 bytes for each thing that is waited for, and a lock waits for a dozen.
"""

import asyncio
import io
from asyncio import core  # pyright: ignore[reportAttributeAccessIssue]
from typing import TYPE_CHECKING

from micropython import const

if TYPE_CHECKING:
    from typing import Any

_POLL = const(3)


class Bell:
    """Rung in the event loop, never by an interrupt or another thread. One task at a time waits for it."""

    def __init__(self) -> None:
        self.is_rung = False
        self._waiting = None

    def ring(self) -> None:
        self.is_rung = True
        waiting = self._waiting
        if waiting:
            # It sleeps: its turn is now.
            self._waiting = None
            core._task_queue.remove(waiting)
            core._task_queue.push(waiting)

    async def wait(self, limit_ms: int) -> bool:
        """Waits until it is rung, or for `limit_ms`; returns whether it was rung, and then it is silent again."""
        if not self.is_rung:
            self._waiting = core.cur_task
            try:
                await asyncio.sleep_ms(limit_ms)
            finally:
                self._waiting = None
        was_rung = self.is_rung
        if was_rung:
            # Not otherwise: an interrupt may come between the two.
            self.is_rung = False
        return was_rung


class Interrupts(io.IOBase):
    """Rings bells for interrupts, one stream for all of them: the event loop polls streams, and hears nothing else."""

    def __init__(self) -> None:
        self._is_pending = False
        self._bells = []

    def bell(self) -> Bell:
        """Returns a new bell, for `ring`."""
        self._bells.append(Bell())
        return self._bells[-1]

    def ring(self, bell: Bell) -> None:
        """To be called in an interrupt: allocates nothing."""
        bell.is_rung = True
        self._is_pending = True

    def nudge(self) -> None:
        """Has `run` come round: so it shows that it is alive."""
        self._is_pending = True

    def ioctl(self, request: int, flags: int) -> int:
        return flags * self._is_pending if request == _POLL else -1

    async def run(self) -> None:
        while True:
            if not self._is_pending:
                await readable(self)
            self._is_pending = False
            for bell in self._bells:
                if bell.is_rung:
                    bell.ring()


def readable(stream) -> "Any":
    """Waits until there is something to read, without taking it."""
    yield core._io_queue.queue_read(stream)


async def within(limit_ms: int, work):
    """Awaits `work`, a coroutine. Raises asyncio.TimeoutError if it takes longer. Not to be used one inside another."""
    end = asyncio.create_task(_end(core.cur_task, limit_ms))
    try:
        return await work
    except asyncio.CancelledError:
        if end.done():
            raise asyncio.TimeoutError
        raise
    finally:
        end.cancel()


async def _end(task, limit_ms: int) -> None:
    await asyncio.sleep_ms(limit_ms)
    task.cancel()
