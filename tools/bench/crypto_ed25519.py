"""What Ed25519 and SHA-512 cost on the stock interpreter: instructions, bytes of tables, garbage and heap."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.figure import Figure
from lobbylock.house import ROOT

_BOARD = Path(__file__).with_name("crypto_ed25519_board.py")
_MICROPYTHON = Path(sys.executable).with_name("micropython")
_LIBRARY = ROOT / "build" / "micropython-hashlib"
_HEAP_KB = 48
_TIMEOUT_S = 600
_IN_A_SMALL_HEAP = (
    "import ed25519\n"
    "signer = ed25519.Signer(bytes(32))\n"
    "print(ed25519.verify(signer.public, b'delivery', signer.sign(b'delivery')))\n"
)


def costs() -> list[Figure]:
    """Counts everything in one run. Instructions are the difference of two runs of the board modules, as .mpy."""
    with tempfile.TemporaryDirectory() as name:
        modules = Path(name)
        _compile(modules)
        path = f"{modules}:{_BOARD.parent}:.frozen"
        reference = _instructions(path, "reference", 1, 2, first=_LIBRARY)
        prepared = _instructions(path, "prepared", 2, 12)
        sha512 = _instructions(path, "sha512", 10, 110)
        library = _instructions(f"{path}:{_LIBRARY}", "library-sha512", 1, 4, first=_LIBRARY)
        return [
            Figure("Ed25519 verify, key known ahead", prepared / 1e6, "M instructions", 3.5),
            Figure("  fewer than the RFC 8032 style reference", reference / prepared, "times", 70, True),
            Figure("Ed25519 verify, key seen first", _instructions(path, "first", 1, 4) / 1e6, "M instructions"),
            Figure("Ed25519 sign", _instructions(path, "sign", 2, 8) / 1e6, "M instructions"),
            Figure("Ed25519 table of a key, made once", _instructions(path, "table", 1, 2) / 1e6, "M instructions"),
            Figure("Ed25519 tables, base point and issuer", _printed(path, "bytes") / 1024, "KB", 32),
            Figure("Ed25519 garbage of a verification", _printed(path, "garbage") / 1024, "KB", 8),
            Figure("Ed25519 import and verify in a heap of", _small_heap(path), "KB", _HEAP_KB),
            Figure("SHA-512 of 160 bytes", sha512 / 1e6, "M instructions"),
            Figure("  fewer than micropython-lib's", library / sha512, "times", 90, True),
        ]


def _compile(folder: Path) -> None:
    for source in (
        *ROOT.glob("lib/*25519.py"),
        ROOT / "lib" / "sha512.py",
        *(ROOT / "lib" / f"{name}.py" for name in ("constant", "inverse", "workspace")),
    ):
        target = folder / f"{source.stem}.mpy"
        command = [_MICROPYTHON.with_name("mpy-cross"), "-march=x64", source, "-o", target]
        subprocess.run(command, check=True, capture_output=True, timeout=_TIMEOUT_S)


def _run(path: str, prefix: list, command: list) -> subprocess.CompletedProcess:
    # The interpreter is started by Python: its hashes are the same each time, for counts that are.
    environment = {**os.environ, "MICROPYPATH": path, "PYTHONHASHSEED": "0"}
    return subprocess.run(
        [*prefix, _MICROPYTHON, *command],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=_TIMEOUT_S,
    )


def _instructions(path: str, what: str, few: int, many: int, first: Path | None = None) -> float:
    """Returns the instructions of one of `what`. `first`: a folder that is looked into before the interpreter's own."""
    prefix = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    counts = []
    for times in (few, many):
        done = _run(f"{first}:{path}" if first else path, prefix, ["-X", "heapsize=1m", str(_BOARD), what, str(times)])
        found = re.search(r"Collected : (\d+)", done.stderr)
        if not found:
            raise RuntimeError("callgrind counts nothing: " + done.stderr[-200:])
        counts.append(int(found[1]))
    return (counts[1] - counts[0]) / (many - few)


def _printed(path: str, what: str) -> int:
    return int(_run(path, [], ["-X", "heapsize=1m", str(_BOARD), what, "1"]).stdout.split()[1])


def _small_heap(path: str) -> int:
    """Returns the smallest heap, in steps of 4 KB, in which the modules are loaded, sign and verify."""
    for heap_kb in range(24, 80, 4):
        try:
            if _run(path, [], ["-X", f"heapsize={heap_kb}k", "-c", _IN_A_SMALL_HEAP]).stdout == "True\n":
                return heap_kb
        except subprocess.CalledProcessError:
            pass
    raise RuntimeError("no heap is large enough")
