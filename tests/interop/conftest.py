"""How the host tests of this folder run board code: on MicroPython's unix port, in a heap of the board's size."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PEER = Path(__file__).with_name("crypto_peer.py")
# micropython-lib's hashlib as `make` installs it: a second opinion.
LIBRARY = ROOT / "build" / "micropython-hashlib"


def _run(script: Path, *arguments: str, text: str = "", extra_path: str = "", timeout_s: float = 300) -> str:
    """Returns what `script` printed. Raises AssertionError with its output if it failed."""
    path = ":".join(filter(None, (str(ROOT / "lib"), extra_path, ".frozen")))
    command = [str(Path(sys.executable).with_name("micropython")), "-X", "heapsize=148k", str(script), *arguments]
    done = subprocess.run(
        command,
        input=text,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        env={**os.environ, "MICROPYPATH": path},
        check=False,
    )
    # The unix port prints tracebacks to standard output or standard error depending on its version: show both.
    if done.returncode:
        raise AssertionError(f"{script.name}: exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done.stdout


def _ask(requests: list[tuple], extra_path: str = "") -> list[str]:
    lines = [" ".join([verb, *(field.hex() or "-" for field in fields)]) for verb, *fields in requests]
    answers = _run(PEER, text="\n".join(lines) + "\n", extra_path=extra_path).split("\n")[:-1]
    assert len(answers) == len(requests), answers[-3:]
    return answers


@pytest.fixture
def run_board():
    """`run_board(script, *arguments, text="", extra_path="")` -> what the script printed on MicroPython."""
    return _run


@pytest.fixture
def ask():
    """`ask([(verb, byte string, ...), ...])` -> the answers of crypto_peer.py, in order."""
    return _ask


@pytest.fixture
def load_viper():
    """`load_viper(path, bits)` -> a board module whose viper code runs on CPython with words of that many bits."""
    return importlib.import_module("viper_model").load


@pytest.fixture
def library_path() -> str:
    """Where micropython-lib's hashlib lies, for `extra_path`."""
    if not (LIBRARY / "hashlib").is_dir():
        pytest.skip("micropython-lib's hashlib is not installed: make setup")
    return str(LIBRARY)
