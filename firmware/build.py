"""Starts the lock, runs it, and resets the board. With `firmware.parts` the only place that knows the board.

A start that fails is counted in flash (`store.starts`); what then becomes of the next ones: docs/architecture.md.
"""

import asyncio
import gc
import sys
import time

import micropython
from micropython import const

from firmware.board import chip, flash, pins
from firmware.board.strike import Strike
from firmware.core import event
from firmware.core.attention import Attention
from firmware.core.errors import FlashError
from firmware.core.uptime import Uptime
from firmware.store import ledger
from firmware.task.supervise import TaskEnded, supervise
from firmware.version import VERSION

_RESTART_DELAY_MS = const(2_000)
_COLLECT_BYTES = const(32_768)
_SAFE_MS = const(3_600_000)
_START_MS = const(180_000)
# Nothing stops the watchdog: so long a developer has the prompt.
_DEVELOP_MS = const(3_600_000)
# How long only the exit works: after a start that failed, without a ledger, and after too many failed starts.
_PAUSE_MS = const(20_000)
_NO_LEDGER_MS = const(600_000)
_HELD_MS = const(3_600_000)

# What a board goes by that only lets people out.
_RELEASE_MS = const(5_000)
_HELD_OPEN_MS = const(30_000)


def run(accept=None) -> bool | None:
    """Runs the lock until something ends it, then resets the board: no prompt, no half-alive lock.

    Returns True if the prompt is wanted, which only a board without an owner grants.
    `accept()` puts this version in force, None if it is not on trial. It is what `main.py` promises to every version.
    """
    micropython.kbd_intr(-1)
    strike = Strike(pins.STRIKE, pins.STRIKE_ON)
    try:
        lock = _start(strike)
        if lock:
            _let_go()
            if _live(accept, *lock):
                chip.watchdog(_DEVELOP_MS)
                return True
    except BaseException as error:  # noqa: BLE001 - the outermost boundary; the only way on is a reset
        sys.print_exception(error)
    # Also what rests the strike at once, in whatever pulse it is.
    chip.reset()


def _start(strike) -> tuple | None:
    """Returns what `_live` wants, or None if the start came to nothing; then it was waited for long enough."""
    # Tables of keys may have to be made; a start that hangs is a failed one all the same.
    chip.watchdog(_START_MS)
    is_power_on = chip.is_power_on()
    if not is_power_on:
        # A board that fails at its start must not wear its flash out by trying.
        time.sleep_ms(_RESTART_DELAY_MS)
    uptime = Uptime(time.ticks_ms, time.ticks_diff)
    making = ["start"]
    try:
        from firmware.store import slots, starts

        kept = ledger.Ledger(flash.partition("ledger"))
        slots.forgive(kept)
        begun = starts.begin(kept, is_power_on)
    except Exception as error:  # noqa: BLE001 - whatever it is, there is no deciding without a ledger
        sys.print_exception(error)
        _let_out(strike, uptime, _NO_LEDGER_MS)
        return None
    if begun[0]:
        _let_out(strike, uptime, _HELD_MS)
        starts.relent(kept)
        return None
    try:
        # What can fail is loaded once the start is counted.
        from firmware.parts import assemble

        lock = assemble(strike, kept, uptime, begun, making, _forget)
        slots.note(lock[1])
        return lock + (kept, uptime, _SAFE_MS if begun[1] else None)
    except Exception as error:  # noqa: BLE001 - whatever it is, the next start knows what was being made
        sys.print_exception(error)
    starts.fail(kept, making[0])
    _let_out(strike, uptime, _PAUSE_MS)
    return None


def _let_go() -> None:
    """Lets the heap have back what only put the lock together."""
    here = globals()
    for boot_only in (_start, _let_out, _Mute, _let_go, Attention):
        del here[boot_only.__name__]
    # Not there if their module lies in the same file as this one.
    here.pop("flash", None)
    here.pop("pins", None)
    _forget(("parts", "store.starts", "store.slots", "board.flash", "board.nfc", "board.pins"))
    # From here on collections cost a waiting driver more than holes cost the heap. But a heap that is let fill up has
    # what stays scattered all over it: then nothing long finds a place any more.
    gc.threshold(_COLLECT_BYTES)


def _forget(names: tuple) -> None:
    """Has modules of the firmware loaded no longer, those that are."""
    for name in names:
        name = "firmware." + name
        if sys.modules.pop(name, None):
            package, _, attribute = name.rpartition(".")
            delattr(sys.modules[package], attribute)
    gc.collect()


def _live(accept, tasks, trail, attention, is_trial, kept, uptime, end_ms) -> bool:
    """Runs the lock until a task ends or `end_ms` of uptime have come; returns whether the prompt is wanted."""

    # What is seldom needed is loaded for the moment.

    def settle() -> None:
        from firmware.store import starts

        try:
            starts.settle(kept)
            if is_trial:
                from firmware.store import trial

                trial.accept(kept, trail)
                _forget(("store.trial",))
            # In the safe mode not all of a version has shown that it runs.
            if end_ms is None:
                from firmware.store import slots

                slots.settle(kept, trail, VERSION, accept)
        except FlashError:
            # The lock runs; that the start was a good one is not known to the next.
            pass
        _forget(("store.starts", "store.slots"))

    wish = name = ""
    try:
        name = asyncio.run(supervise(tasks, chip.watchdog(), attention, uptime, settle, end_ms))
    except SystemExit as ended:
        # Ordered over the serial line, and written down there.
        wish = ended.args[0]
    except TaskEnded as ended:
        name = ended.args[0]
    except BaseException as error:  # noqa: BLE001 - the event loop itself failed
        sys.print_exception(error)
        name = "loop"

    def note() -> None:
        from firmware.store import starts

        if wish:
            starts.excuse(kept)
        elif name:
            starts.fail(kept, name)
        else:
            starts.relent(kept)

    if name:
        _insist(lambda: trail.record(event.TASK_FAILED, {event.NAME: name}))
    _insist(note)
    return wish == "develop"


def _insist(write) -> None:
    """Calls `write` again if it fails: what ended the run may still be about."""
    for _ in range(2):
        gc.collect()
        try:
            write()
            return
        except Exception as error:  # noqa: BLE001 - the board is reset whatever happens here
            sys.print_exception(error)


class _Mute:
    """A trail where there is no flash to write to."""

    def record_all(self, happened: list) -> None:
        pass


def _let_out(strike, uptime, duration_ms: int) -> None:
    """Lets people out and nobody in for so long; writes nothing."""
    from bell import Interrupts

    from firmware.board.inputs import Input
    from firmware.core.door import Door
    from firmware.task.doorway import Doorway

    attention = Attention()
    interrupts = Interrupts()
    door = Door(strike, _RELEASE_MS, _HELD_OPEN_MS)
    doorway = Doorway(door, None, Input(pins.EXIT_BUTTON, 0, interrupts), _Mute(), attention, uptime)
    tasks = [("door", doorway.run()), ("exit", doorway.watch_exit()), ("interrupts", interrupts.run())]
    end_ms = uptime.now_ms() + duration_ms
    asyncio.run(supervise(tasks, chip.watchdog(), attention, uptime, None, end_ms))
