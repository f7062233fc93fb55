"""Time that passes only while everybody sleeps: tests with this clock do not go by how fast the machine is.

Each test is a process of its own, so importing this changes the event loop for good.
"""

import time
from asyncio import core

# What is put into the queue without a time gets the machine's, and has to be due at once.
_AHEAD_MS = 3_600_000


class Clock:
    """What a module under test may have in place of `time`."""

    ticks_diff = staticmethod(time.ticks_diff)
    ticks_add = staticmethod(time.ticks_add)

    def __init__(self) -> None:
        self._now_ms = time.ticks_add(time.ticks_ms(), _AHEAD_MS)

    def ticks_ms(self) -> int:
        return self._now_ms

    def sleep_ms(self, duration_ms: int) -> None:
        """The interpreter stands still."""
        self._now_ms = time.ticks_add(self._now_ms, duration_ms)


clock = Clock()
_look = core.IOQueue.wait_io_event


def _wait(queue, duration_ms: int) -> None:
    """What the loop does while nobody is due: streams are looked at, and if none is ready the next one's time comes."""
    if duration_ms <= 0:
        _look(queue, duration_ms)
        return
    _look(queue, 0)
    following = core._task_queue.peek()
    if following:
        left_ms = time.ticks_diff(following.ph_key, clock.ticks_ms())
        if left_ms > 0:
            clock.sleep_ms(left_ms)


core.ticks = clock.ticks_ms
core.IOQueue.wait_io_event = _wait
