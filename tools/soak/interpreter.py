"""How a program of board/ is started: the firmware's own modules, on MicroPython."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BOARD = Path(__file__).with_name("board")
_MICROPYTHON = Path(sys.executable).with_name("micropython")
_FOLDERS = (ROOT, ROOT / "lib", ROOT / "build" / "micropython-lib")


def command(program: str, *arguments: object, heap: str, folders: Sequence[Path] = _FOLDERS) -> list[str]:
    """Returns the command that runs board/`program` in `heap`; it wants `environment()`."""
    return [str(_MICROPYTHON), "-X", f"heapsize={heap}", str(BOARD / program), *map(str, arguments)]


def environment() -> dict[str, str]:
    return {**os.environ, "MICROPYPATH": ":".join([str(BOARD), *map(str, _FOLDERS), ".frozen"])}
