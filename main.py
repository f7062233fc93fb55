"""Chooses which of two versions runs, and goes back from one on trial. No part of an update: docs/protocol.md, 13.

slot   a | b             in force
       b?R C 0.2.0       on trial: R starts by resets and C by power are left
       a!0.2.0 NAME      went back to a, for that reason
"""

import gc
import os
import sys
import time

import machine
import micropython

# No key on the serial line stops what follows; one that came before is raised here, where nobody minds.
micropython.kbd_intr(-1)
try:
    time.sleep_ms(1)
except KeyboardInterrupt:
    pass

# What an import leaves behind is swept up soon, or the modules that stay end up with holes between them.
gc.threshold(4096)


def keep(text):
    with open("slot.new", "w") as file:
        file.write(text)
    os.rename("slot.new", "slot")


def revert(slot, version, name):
    try:
        keep("%s!%s %s" % (other(slot), version, name))
    except OSError as error:
        # The next start has no tries left either.
        sys.print_exception(error)


def other(slot):
    return "a" if slot == "b" else "b"


def begin():
    """Returns (slot to start, resets left or None if it is not on trial, its version); counts a start on trial."""
    try:
        with open("slot") as file:
            words = file.read(64).split()
        slot = "b" if words[0][0] == "b" else "a"
        if words[0][1:2] != "?":
            return slot, None, ""
        resets, cuts, version = int(words[0][2:]), int(words[1]), words[2]
    except (OSError, ValueError, IndexError):
        return "a", None, ""
    # Who pulls the plug must not bring the old version back.
    if machine.reset_cause() == machine.PWRON_RESET:
        cuts -= 1
    else:
        resets -= 1
    if resets < 0 or cuts < 0:
        revert(slot, version, "starts")
        return other(slot), None, ""
    try:
        keep("%s?%d %d %s" % (slot, resets, cuts, version))
    except OSError as error:
        # What is not counted does not start.
        sys.print_exception(error)
        return other(slot), None, ""
    return slot, resets, version


def load(slot):
    """Returns the `run` of a version. Raises whatever its modules do."""
    kept = [path for path in sys.path if path not in ("", "/lib", "/b", "/b/lib")]
    sys.path[:] = ["/b", "/b/lib"] + kept if slot == "b" else paths
    from firmware.build import run

    return run


def drop():
    """Forgets what a version that does not start has loaded."""
    for name in list(sys.modules):
        if name not in modules:
            del sys.modules[name]
    gc.collect()


paths = sys.path[:]
modules = list(sys.modules)
slot = version = ""
resets = accept = None
is_prompt = False

# Not in a function: the stack of a board is just deep enough for what the lock loads.
try:
    # Whatever hangs before the lock has a watchdog of its own.
    machine.WDT(timeout=60_000)
    slot, resets, version = begin()
    if resets is not None:
        # A version that neither ends nor settles is ended.
        deadline = machine.Timer(1)
        deadline.init(mode=machine.Timer.ONE_SHOT, period=900_000, callback=lambda _: machine.reset())

        def settle():
            keep(slot)
            deadline.deinit()

        accept = settle
    try:
        run = load(slot)
    except BaseException as error:
        if accept:
            raise
        sys.print_exception(error)
        drop()
        run = load(other(slot))
    # Only a board without an owner asks for the prompt.
    is_prompt = run(accept) is True
except BaseException as error:  # noqa: BLE001 - nothing must lead to a prompt
    sys.print_exception(error)
    if resets == 0:
        revert(slot, version, type(error).__name__)
    print("The version on trial failed." if accept else "No version of the lock starts: trying again in 10 s.")
    time.sleep_ms(1_000 if accept else 10_000)
finally:
    # Also if there was no memory left to say what was wrong.
    if not is_prompt:
        machine.reset()
