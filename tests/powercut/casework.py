"""Starts cases in processes of their own: which there are, on which interpreter, how large, in how many shares."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
MICROPYTHON = str(Path(sys.executable).with_name("micropython"))


class Piece(NamedTuple):
    """A share of a case: every operation whose number leaves `share` when divided by `shares`."""

    case: str
    interpreter: str
    size: int
    share: int
    shares: int


# What is taken away, and how much of the sweep notices it.
CONTROLS = (
    Piece("a write is held back", "micropython", 40, 0, 7),
    Piece("key wiped before the entry", "micropython", 40, 0, 7),
    Piece("wrong code counted after the verdict", "micropython", 40, 0, 1),
    Piece("use counted after the strike", "micropython", 40, 0, 1),
    Piece("clock floor not kept", "micropython", 40, 0, 1),
    Piece("newest sector not kept", "micropython", 1, 0, 4),
    Piece("used keys not wiped", "micropython", 40, 0, 7),
    Piece("cut wiping not finished", "micropython", 40, 0, 7),
    Piece("full sectors not erased", "micropython", 500, 498, 499),
)


def start(interpreter: str, program: str, *arguments: str) -> str:
    """Returns what a program of this folder prints. Raises RuntimeError if it fails."""
    command = [sys.executable] if interpreter == "cpython" else [MICROPYTHON, "-X", "heapsize=64M"]
    # Beside the program itself only what is frozen: `subject` finds the lock.
    environment = {**os.environ, "MICROPYPATH": f"{HERE}:.frozen"}
    environment.pop("PYTHONPATH", None)
    command += [str(HERE / program), *arguments]
    done = subprocess.run(command, cwd=HERE, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{program} {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout


def run(piece: Piece) -> dict:
    """Returns what the case counted. Raises RuntimeError for one that ended otherwise."""
    numbers = map(str, (piece.share, piece.shares, piece.size))
    return json.loads(start(piece.interpreter, "run_case.py", piece.case, *numbers))


def add(total: dict, counted: dict) -> dict:
    """Adds what a share counted to `total`. Operations and figures are those of the whole run: every share plays it."""
    for name in ("cuts", "failed", "images", "keys found"):
        total[name] = total.get(name, 0) + counted[name]
    total["operations"] = max(total.get("operations", 0), counted["operations"])
    total["failures"] = (total.get("failures", []) + counted["failures"])[:5]
    total["figures"] = counted["figures"]
    return total
