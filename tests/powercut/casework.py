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


def run(piece: Piece, timeout_s: int | None = None) -> dict:
    """Returns what the case counted. Raises RuntimeError for one that ended otherwise."""
    # Beside the program itself only what is frozen: `subject` finds the lock.
    command = [sys.executable] if piece.interpreter == "cpython" else [MICROPYTHON, "-X", "heapsize=64M"]
    command += [str(HERE / "run_case.py"), piece.case, str(piece.share), str(piece.shares), str(piece.size)]
    environment = {**os.environ, "MICROPYPATH": f"{HERE}:.frozen"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(command, cwd=HERE, env=environment, capture_output=True, text=True, timeout=timeout_s)
    if done.returncode:
        raise RuntimeError(f"{piece}: {done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def add(total: dict, counted: dict) -> dict:
    """Adds what a share counted to `total`. Operations and figures are those of the whole run: every share plays it."""
    for name in ("cuts", "failed", "images", "keys found"):
        total[name] = total.get(name, 0) + counted[name]
    total["operations"] = max(total.get("operations", 0), counted["operations"])
    total["failures"] = (total.get("failures", []) + counted["failures"])[:5]
    total["figures"] = counted["figures"]
    return total
