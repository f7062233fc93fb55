"""The two versions that a board has room for, and the file `slot` that says which of them runs.

    a | b             in force
    b?R C 0.2.0       on trial: R starts by resets and C by power are left; `main.py` counts them
    a!0.2.0 NAME      `main.py` went back to a, for that reason; a: once the failed starts are forgiven,
    a-0.2.0 NAME      once it is recorded

Slot a is firmware/ and lib/ where they always were, slot b the same below /b. The file is replaced by a rename, so one
of these lines is there at any moment; without it, a is in force.
"""

import os
import sys

from micropython import const

from firmware.core import event
from firmware.store import ledger

_FILE = const("slot")
_UNFINISHED = const("slot.new")
_LINE_BYTES = const(64)
# A trial: so many resets, or so many starts by power. Who pulls the plug must not bring the old version back.
_RESETS = const(3)
_POWER_CUTS = const(60)

TRIAL = "trial"
REVERTED = "reverted"


def running() -> str:
    """Returns the slot of the version that runs: "a" or "b"."""
    return "b" if sys.path[0] == "/b" else "a"


def state() -> tuple:
    """Returns (TRIAL, REVERTED or "", version concerned, why it was reverted)."""
    _, mark, words = _read()
    if mark == "?" and len(words) == 3:
        return TRIAL, words[2], ""
    if mark in ("!", ":", "-") and len(words) == 2:
        return REVERTED, words[0], words[1]
    return "", "", ""


def number(version: str) -> int:
    """Returns "1.2.3" as 1 << 16 | 2 << 8 | 3, which orders versions. Raises ValueError."""
    parts = version.split(".")
    if len(parts) != 3:
        raise ValueError(version)
    value = 0
    for part in parts:
        # One way only to write a version.
        if not part.isdigit() or len(part) > 3 or int(part) > 255 or str(int(part)) != part:
            raise ValueError(version)
        value = value << 8 | int(part)
    return value


def propose(kept, version: str, present: str) -> None:
    """Puts `version` in the other slot on trial, from the next start on. Raises FlashError and OSError.

    From then on nothing older than the `present` one is taken.
    """
    if kept.integer(ledger.RELEASE_FLOOR) < number(present):
        kept.put_integer(ledger.RELEASE_FLOOR, number(present))
    # Starts that failed before are not the new version's.
    kept.put(ledger.STARTS, b"")
    _write("%s?%d %d %s" % ("a" if running() == "b" else "b", _RESETS, _POWER_CUTS, version))


def hold() -> None:
    """Has the version that runs be the one in force, before the other slot is written to. Raises OSError."""
    slot, _, _ = _read()
    if slot != running():
        _write(running())


def forgive(kept) -> None:
    """After a trial that failed, forgets the failed starts, which were not this version's. Raises FlashError."""
    if _read()[1] == "!":
        kept.put(ledger.STARTS, b"")
        _mark(":")


def note(trail) -> None:
    """Records a trial that failed."""
    _, mark, words = _read()
    if mark in ("!", ":") and len(words) == 2:
        trail.record(event.UPDATE_REVERTED, {event.VERSION: words[0], event.NAME: words[1]})
        _mark("-")


def settle(kept, trail, version: str, accept) -> None:
    """This start was a good one: `accept()` puts the version in force if it is on trial, and is None otherwise.

    From then on nothing older is taken. Raises FlashError.
    """
    if accept:
        try:
            accept()
        except OSError:
            # A file system that takes nothing any more: it stays on trial.
            return
    value = number(version)
    floor = kept.integer(ledger.RELEASE_FLOOR)
    if floor < value:
        # Without one, it is the version that the board was made with.
        if floor:
            trail.record(event.UPDATE_ACCEPTED, {event.VERSION: version})
        kept.put_integer(ledger.RELEASE_FLOOR, value)


def _read() -> tuple:
    """Returns (slot, mark behind it, the words behind that)."""
    try:
        with open(_FILE) as file:
            text = file.read(_LINE_BYTES)
    except (OSError, ValueError):
        text = ""
    return "b" if text[:1] == "b" else "a", text[1:2], text[2:].split()


def _mark(mark: str) -> None:
    slot, _, words = _read()
    try:
        _write(slot + mark + " ".join(words))
    except OSError:
        # It is done once more at the next start.
        pass


def _write(text: str) -> None:
    with open(_UNFINISHED, "w") as file:
        file.write(text)
    os.rename(_UNFINISHED, _FILE)
