"""Compiles the versions that board/cutsweep.py plays with, and runs shares of the sweep."""

import contextlib
import json
from pathlib import Path
from typing import NamedTuple

from boardwork import BOARD, run

from firmware.core import event
from linker.build import compile_text
from lobbylock.errors import UserError
from lobbylock.release import Package

# Two modules that have to be of one version, and two in lib/.
_BUILD = """
from firmware.part import VERSION as part
import harness, tool, word
VERSION = "{version}"
FILL = "{fill}"
def run(accept=None):
    harness.tell(VERSION, part, accept)
"""
_FILES = {
    "firmware/build": _BUILD,
    "firmware/part": 'VERSION = "{version}"\nFILL = "{fill}"\n',
    "lib/tool": 'VERSION = "{version}"\nFILL = "{fill}{fill}{fill}"\n',
    "lib/word": 'VERSION = "{version}"\n',
}
_VERSIONS = {"older": "0.0.9", "old": "0.1.0", "new": "0.2.0", "broken": "0.2.0"}


class Share(NamedTuple):
    """Every operation whose number leaves `share` when divided by `shares`; `pairs` second cuts of each."""

    way: str
    slot: str
    share: int
    shares: int
    pairs: int = 0


def make_versions(folder: Path) -> Path:
    """Writes the compiled versions, and returns their folder."""
    for name, version in _VERSIONS.items():
        for path, text in _FILES.items():
            if name == "broken" and path == "firmware/build":
                text += "raise ValueError\n"
            source = text.format(version=version, fill=version * 600)
            compile_text(source, path.rpartition("/")[2], "x64", folder / name / f"{path}.mpy")
    return folder


def sweep(folder: Path, share: Share) -> dict[str, int]:
    """Returns what a share counted. Raises RuntimeError for a life that went wrong."""
    numbers = map(str, (share.share, share.shares, share.pairs))
    printed = run(BOARD / "cutsweep.py", str(folder), share.way, share.slot, *numbers, heap="16m")
    return json.loads(printed.splitlines()[-1])


def cut_lock(lock, package: Package, operation: int, how: str) -> bool:
    """Cuts the power of a whole lock at a flash operation of the end of an update, and has it go on.

    Returns whether the power was cut. Raises AssertionError if anything is not as it should be.
    """
    kept = lock.kept_files()
    key = lock.public_key
    lock.begin(package, len(package.files) - 2)
    records = len(lock.events)
    lock.board.flash.cut_power_at(operation, how)
    outcome = None
    with contextlib.suppress(UserError):
        outcome = lock.update(package)
    was_cut = not lock.board.is_powered
    lock.board.flash.cut_power_at(0)
    if was_cut:
        starts = len(lock.board.console)
        lock.board.power_on()
        assert lock.board.run_until(lambda: len(lock.board.console) > starts, 60_000)
        line = json.loads(lock.board.console[starts])
        assert line["lobbylock"] in ("0.1.0", "0.2.0") and bytes.fromhex(line["public_key"]) == key
        assert not lock.board.at_repl
        lock.board.run_for(3_000)
        outcome = lock.update(package)
    assert outcome is not None and outcome.version == "0.2.0", lock.said
    # Accepted between the cut and the second attempt, it is there already.
    lock.board.run_for(130_000)
    assert lock.slot == "b" and lock.kept_files() == kept and not lock.board.at_repl
    assert len(lock.events) > records and lock.count(event.UPDATE_ACCEPTED) >= 1
    assert lock.count(event.UPDATE_REVERTED) == lock.count(event.JOURNAL_LOST) == 0
    with lock.client() as client:
        lock.session(client)
    return was_cut
