"""What it costs to look whether a credential is revoked: instructions at 0, 1 and 1,000 ids, blocks of flash."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.figure import Figure
from lobbylock.house import ROOT

_BOARD = Path(__file__).with_name("revoked_board.py")
_MICROPYTHON = Path(sys.executable).with_name("micropython")
_TIMEOUT_S = 600
_FEW, _MANY = 10, 110


def costs() -> list[Figure]:
    """Counts the difference of two runs. A board's driver for its flash is in C; that of littlefs here is Python."""
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "revoked")
        for count in (0, 1, 1_000):
            plain = _instructions(count, "file", path)
            figures.append(Figure(f"revoked or not, {count:,} ids", plain / 1e3, "k instructions", 50))
        through = _instructions(1_000, "littlefs", path)
        figures.append(Figure("  through littlefs on a flash in Python", through / 1e3, "k instructions"))
        printed = _run([], 1_000, 1, "littlefs", path).stdout
        found = re.search(r"blocks (\d+)", printed)
        figures.append(Figure("flash of a list of 1,000 ids", 4 * int(found[1]) if found else 0, "KB", 8))
    return figures


def _run(prefix: list[str], count: int, times: int, what: str, path: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "MICROPYPATH": f"{ROOT}:{ROOT / 'lib'}:.frozen", "PYTHONHASHSEED": "0"}
    command = [*prefix, str(_MICROPYTHON), "-X", "heapsize=1m", str(_BOARD), str(count), str(times), what, path]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=_TIMEOUT_S)


def _instructions(count: int, what: str, path: str) -> float:
    """Returns the instructions of one look."""
    counts = []
    for times in (_FEW, _MANY):
        done = _run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"], count, times, what, path)
        found = re.search(r"Collected : (\d+)", done.stderr)
        if not found:
            raise RuntimeError("callgrind counts nothing: " + done.stderr[-200:])
        counts.append(int(found[1]))
    return (counts[1] - counts[0]) / (_MANY - _FEW)
