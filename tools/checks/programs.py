"""The checks that other programs do: ruff for format and lint, pyright for types."""

import subprocess
import sys
import sysconfig
from pathlib import Path

CONFIGURATIONS = Path(__file__).parent
_BIN = Path(sys.executable).parent


def _run(root: Path, *command: str) -> list[str]:
    """Returns what the program printed if it failed, nothing if it is content."""
    done = subprocess.run([str(_BIN / command[0]), *command[1:]], cwd=root, capture_output=True, text=True, check=False)
    if not done.returncode:
        return []
    printed = (done.stdout + done.stderr).replace(f"{root}/", "")
    return printed.strip().splitlines() or [f"{command[0]} failed: {done.returncode}"]


def check_format(root: Path) -> list[str]:
    return _run(root, "ruff", "format", "--check", "--output-format=concise", ".")


def check_lint(root: Path) -> list[str]:
    return _run(root, "ruff", "check", "--quiet", "--output-format=concise", ".")


def check_board_types(root: Path) -> list[str]:
    """Against the stubs of MicroPython: they take the place of typeshed's standard library too."""
    stubs = sysconfig.get_path("purelib")
    return _pyright(root, "pyright_board.json", "--typeshedpath", stubs)


def check_host_types(root: Path) -> list[str]:
    return _pyright(root, "pyright_host.json")


def _pyright(root: Path, configuration: str, *options: str) -> list[str]:
    path = str(root / "tools" / "checks" / configuration)
    return _run(root, "pyright", "--project", path, "--pythonpath", sys.executable, *options)
