"""What `mpremote mip install` reads: package.json of the sources, and an index of what is compiled for one chip.

    python tools/package_index.py                   write package.json anew
    python tools/package_index.py FOLDER ARCH       write an index with the package lobbylock; ARCH as in tools/linker

On a board of the lock's kind the compiled package is the one that fits the heap. Both go to the root of the file system
(`--target /`). main.py comes last: an installation that was broken off starts nothing.
"""

import json
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

from linker import build_tree
from lobbylock import __version__
from lobbylock.house import ROOT

PACKAGE = "package.json"
_NAME = "lobbylock"
_MAIN = "main.py"
# mip asks for what fits the .mpy files of the board, or for sources; there is one form of this package.
_FORMS = ("6", "py")
# How many digits of a hash mip compares.
_DIGITS = 16


def list_sources(root: Path = ROOT) -> dict:
    """Returns package.json as an object: every file of a board, by addresses relative to it."""
    paths = [
        path.relative_to(root).as_posix() for folder in ("firmware", "lib") for path in (root / folder).rglob("*.py")
    ]
    return {"urls": [[path, path] for path in ["boot.py", *sorted(paths), _MAIN]], "deps": [], "version": __version__}


def write_sources(root: Path = ROOT) -> None:
    """Writes package.json, a file a line."""
    package = list_sources(root)
    rows = ",\n".join(f"    {json.dumps(row)}" for row in package.pop("urls"))
    rest = ",\n".join(f'  "{name}": {json.dumps(value)}' for name, value in package.items())
    (root / PACKAGE).write_text(f'{{\n  "urls": [\n{rows}\n  ],\n{rest}\n}}\n', "utf-8")


def write_index(folder: Path, arch: str, root: Path = ROOT) -> None:
    """Writes an index with the one package for boards of that `arch`. Raises what `build_tree` does."""
    with tempfile.TemporaryDirectory() as made:
        build_tree(root, arch, Path(made))
        files = {path.relative_to(made).as_posix(): path.read_bytes() for path in sorted(Path(made).rglob("*.mpy"))}
    files = {"boot.py": (root / "boot.py").read_bytes(), **files, _MAIN: (root / _MAIN).read_bytes()}
    hashes = []
    for path, data in files.items():
        digest = sha256(data).hexdigest()[:_DIGITS]
        target = folder / "file" / digest[:2] / digest
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        hashes.append([path, digest])
    package = json.dumps({"hashes": hashes, "deps": [], "version": __version__}, indent=1) + "\n"
    for form in _FORMS:
        for version in ("latest", __version__):
            target = folder / "package" / form / _NAME / f"{version}.json"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(package, "utf-8")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        write_index(Path(sys.argv[1]), sys.argv[2])
    else:
        write_sources()
