"""Every task has a name and is vital: the first one that ends or hangs ends the run, and the board starts afresh.

MicroPython's asyncio lets an unawaited task die silently while the program lives on; a lock without its keypad or its
door watch must not look alive. So the watchdog is fed here, and only while the scheduler has resumed every task lately.
"""

import asyncio
import sys

from micropython import const

_BEAT_MS = const(2_000)
# Every wait in a task comes round three times as often.
_HUNG_MS = const(60_000)
# A run as long as this was a good start.
_GOOD_MS = const(120_000)


class TaskEnded(BaseException):
    """A task ended; the argument is its name. No Exception: those the event loop keeps to itself."""


class _Vital:
    """A coroutine for the event loop that notes when it is resumed, and does not end without a word.

    `_seen_ms` is when a beat found that it had been resumed, None if it was since, -1 if it has ended.
    """

    def __init__(self, name: str, work) -> None:
        self._name = name
        self._work = work
        self._seen_ms = None

    def send(self, value):
        self._seen_ms = None
        try:
            return self._work.send(value)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the board starts afresh
            self._end(error)

    def throw(self, error):
        self._seen_ms = None
        try:
            return self._work.throw(error)
        except BaseException as ended:  # noqa: BLE001 - as above; a cancellation comes this way
            self._end(ended)

    def _end(self, error) -> None:
        # First: with no heap left nothing else may come to pass, and the next beat finds it.
        self._seen_ms = -1
        if isinstance(error, SystemExit) and error.args:
            # Nothing has failed: the console ends the run, and says what follows.
            raise error
        if not isinstance(error, StopIteration):
            sys.print_exception(error)
        raise TaskEnded(self._name)


async def supervise(tasks: list, watchdog, attention, uptime, settle, end_ms) -> str:
    """Runs `tasks`, a list of (name, coroutine), until one of them ends or hangs.

    Returns the name of the one that hangs, "" when `end_ms` of uptime have come (None: never) and nobody is at the
    door. Raises TaskEnded, or the SystemExit of a task. `settle()` is called once when the start has turned out a good
    one.
    """
    for at, task in enumerate(tasks):
        tasks[at] = _Vital(*task)
        asyncio.create_task(tasks[at])
    while True:
        now_ms = uptime.now_ms()
        for one in tasks:
            if one._seen_ms is None:
                one._seen_ms = now_ms
            if one._seen_ms < 0 or now_ms - one._seen_ms >= _HUNG_MS:
                return one._name
        watchdog.feed()
        if attention.is_quiet(now_ms):
            if settle and now_ms >= _GOOD_MS:
                settle()
                settle = None
            if end_ms is not None and now_ms >= end_ms:
                return ""
        await asyncio.sleep_ms(_BEAT_MS)
