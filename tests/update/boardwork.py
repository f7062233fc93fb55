"""Runs what lies in board/ on MicroPython."""

import ast
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BOARD = HERE / "board"
_MICROPYTHON = str(Path(sys.executable).with_name("micropython"))
_LIMIT_S = 3_600


def names(module: str) -> list[str]:
    """Returns the names of the functions test_* in a module of board/."""
    body = ast.parse((BOARD / f"{module}.py").read_text("utf-8")).body
    functions = [node for node in body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return [node.name for node in functions if node.name.startswith("test_")]


def run(program: Path, *arguments: str, heap: str = "8m") -> str:
    """Returns what a program prints. Raises RuntimeError with it if it fails."""
    folders = (BOARD, ROOT / "tests" / "unit", ROOT, ROOT / "lib", ROOT / "build" / "micropython-lib")
    environment = {**os.environ, "MICROPYPATH": ":".join([*map(str, folders), ".frozen"])}
    command = [_MICROPYTHON, "-X", f"heapsize={heap}", str(program), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=_LIMIT_S)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return done.stdout
