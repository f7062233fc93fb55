"""Every task has a name and is vital: the first one that ends, ends the run, and the board starts afresh.

MicroPython's asyncio lets an unawaited task die silently while the program lives on; a lock without its keypad or its
door watch must not look alive.
"""

import asyncio
import sys

from firmware.core import event
from firmware.core.errors import FlashError


async def supervise(tasks: list, trail) -> None:
    """Runs `tasks`, a list of (name, coroutine), until one of them ends; then writes down which and returns."""
    ended = asyncio.Event()
    names = []

    async def watch(name: str, work) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - whatever it is, the board starts afresh
            sys.print_exception(error)
        names.append(name)
        ended.set()

    running = [asyncio.create_task(watch(name, work)) for name, work in tasks]
    await ended.wait()
    for task in running:
        task.cancel()
    try:
        trail.record(event.TASK_FAILED, {event.NAME: names[0]})
    except FlashError:
        pass
