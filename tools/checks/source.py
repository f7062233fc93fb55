"""The project's Python files as modules: by which name each is imported, and its syntax tree."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from checks.finding import Finding

# Folder -> what an import puts before the path inside it. lib/ is on the board's path, tools/ on the host's.
_ROOTS = {"firmware": "firmware.", "lib": ""}
_ROOTS |= {f"tools/{name}": f"{name}." for name in ("linker", "lobbylock", "virtualboard")}
_STARTERS = ("boot.py", "main.py")
BOARD_FOLDERS = ("firmware", "lib")


class Module(NamedTuple):
    name: str
    path: str
    is_package: bool
    text: str
    tree: ast.Module

    @property
    def package(self) -> str:
        """The package that relative imports in this module start from."""
        return self.name if self.is_package else self.name.rpartition(".")[0]


def board_files(root: Path) -> Iterator[Path]:
    """Yields every Python file that lies on a board."""
    for name in _STARTERS:
        if (root / name).is_file():
            yield root / name
    for folder in BOARD_FOLDERS:
        yield from sorted((root / folder).rglob("*.py"))


def _files(root: Path) -> Iterator[tuple[Path, str]]:
    """Yields (file, dotted name) of everything that has a room."""
    for name in _STARTERS:
        if (root / name).is_file():
            yield root / name, name[:-3]
    for folder, prefix in _ROOTS.items():
        for path in sorted((root / folder).rglob("*.py")):
            parts = path.relative_to(root / folder).with_suffix("").parts
            if parts[-1] == "__init__":
                parts = parts[:-1]
            yield path, (prefix + ".".join(parts)).rstrip(".")


def read(root: Path) -> tuple[dict[str, Module], list[Finding]]:
    """Returns the modules by name, and a finding for each file that is not Python."""
    modules: dict[str, Module] = {}
    findings = []
    for path, name in _files(root):
        shown = path.relative_to(root).as_posix()
        try:
            text = path.read_text("utf-8")
            tree = ast.parse(text, shown)
        except SyntaxError as error:
            findings.append(Finding(shown, error.lineno or 1, f"not Python: {error.msg}"))
        except UnicodeDecodeError:
            findings.append(Finding(shown, 1, "not UTF-8"))
        else:
            modules[name] = Module(name, shown, path.name == "__init__.py", text, tree)
    return modules, findings
