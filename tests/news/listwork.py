"""Runs shares of the sweep in board/listcut.py on MicroPython."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
_BOARD = Path(__file__).resolve().parent / "board"
_MICROPYTHON = str(Path(sys.executable).with_name("micropython"))
_LIMIT_S = 1_800
CASES = ("newer", "first", "half")


class Share(NamedTuple):
    """Every operation whose number leaves `share` when divided by `shares`; `pairs` second cuts of each."""

    case: str
    share: int
    shares: int
    pairs: int = 0


def sweep(share: Share, *more: str) -> dict[str, int]:
    """Returns what a share counted. Raises RuntimeError for a lock that is not as it should be."""
    folders = (_BOARD, ROOT / "tests" / "unit", ROOT / "tests" / "powercut", ROOT, ROOT / "lib")
    environment = {**os.environ, "MICROPYPATH": ":".join([*map(str, folders), ".frozen"])}
    arguments = [share.case, *map(str, share[1:]), *more]
    command = [_MICROPYTHON, "-X", "heapsize=16m", str(_BOARD / "listcut.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=_LIMIT_S)
    if done.returncode:
        raise RuntimeError(done.stdout[-2_000:] + done.stderr[-2_000:])
    return json.loads(done.stdout.splitlines()[-1])
