"""Puts MicroPython's asyncio on the virtual board's clock.

Its run queue is C code that stamps tasks with the machine's own clock whenever it is not given a time: on a push
without one and in Task.cancel, which also expects a C queue in the namespace it was given. So the C code gets a
namespace of its own that holds the C queue, and asyncio gets a wrapper around that queue which fills in board time.
"""

import asyncio
import time
from asyncio import core

import _virtual
from micropython import const

# Keys in the C queue are milliseconds of board time from here on, beyond any time of the machine's own clock: a
# smaller key is one that C code made.
_BASE = const(1 << 60)

_namespace = {"_task_queue": None, "cur_task": None, "CancelledError": core.CancelledError}


def _now_ms() -> int:
    return (_virtual.clock() - _virtual.boot) // 1000


class _Queue:
    def __init__(self) -> None:
        self._queue = _namespace["_task_queue"] = core.TaskQueue()

    def push(self, task, ticks=None) -> None:
        at = _now_ms()
        if ticks is not None:
            # Ticks wrap at 2**30, keys do not.
            at += time.ticks_diff(ticks, at)
        self._queue.push(task, _BASE + at)

    def peek(self):
        queue = self._queue
        task = queue.peek()
        while task and task.ph_key < _BASE:
            queue.pop()
            data = task.data
            queue.push(task, _BASE + _now_ms())
            task.data = data
            task = queue.peek()
        return task

    def pop(self):
        task = self._queue.pop()
        _namespace["cur_task"] = task
        return task

    def remove(self, task) -> None:
        self._queue.remove(task)


def _create_task(coro):
    if not hasattr(coro, "send"):
        raise TypeError("coroutine expected")
    task = core.Task(coro, _namespace)
    core._task_queue.push(task)
    return task


def _new_event_loop():
    core._task_queue = _Queue()
    core._io_queue = core.IOQueue()
    return core.Loop


async def _stopper():
    pass


def _run_forever() -> None:
    core._stop_task = core.Task(_stopper(), _namespace)
    core.run_until_complete(core._stop_task)


def install() -> None:
    core.create_task = asyncio.create_task = _create_task
    core.new_event_loop = asyncio.new_event_loop = _new_event_loop
    core.Loop.run_forever = _run_forever
    _new_event_loop()
