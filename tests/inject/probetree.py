"""Makes the folder of a board whose firmware has probes: build/inject/<what it was made of>/."""

import json
import os
import shutil
from hashlib import sha256
from pathlib import Path

from instrument import Site, instrument

from lobbylock import house

# Before anything that imports the firmware or its codecs.
house.open_path()

_HERE = Path(__file__).resolve().parent
_BUILD = house.ROOT / "build" / "inject"
_FIRST_SITE = 1

# The network's side of the uplink runs in a thread of its own, at the machine's pace; its place is taken.
_REPLACED = {"firmware/task/courier.py": "board/scripted_courier.py"}
# Not on the way of a delivery, or without anything that allocates.
_PLAIN = ("lib/typing.py", "lib/ussl.py", "lib/constant.py")

_BEFORE_MAIN = """\
import asyncio
import probe

probe.keep_time((2026, 9, 21, 0, 12, 0, 0, 0))
attending = asyncio.create_task(probe.attend())

"""


class Tree:
    """`root` is the board's folder, `sites` its probes by number, `folder` a place for what is made of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        rows = json.loads((folder / "sites.json").read_text())
        self.sites = {row[0]: Site._make([*row[:5], tuple(row[5])]) for row in rows}


def make_tree() -> Tree:
    """Returns the tree of the present sources; made anew if one of them has changed."""
    sources = {str(path.relative_to(house.ROOT)): path.read_text() for path in _board_files()}
    own = [path.read_text() for path in sorted(_HERE.rglob("*.py"))]
    folder = _BUILD / sha256(repr((sorted(sources.items()), own)).encode()).hexdigest()[:16]
    if not folder.exists():
        made = _BUILD / f"{os.getpid()}.new"
        shutil.rmtree(made, ignore_errors=True)
        _write(sources, made)
        try:
            made.rename(folder)
        except OSError:
            # Another process was as quick; both made the same.
            shutil.rmtree(made)
    return Tree(folder)


def _board_files() -> list[Path]:
    files = [house.ROOT / "boot.py", house.ROOT / "main.py"]
    return files + [path for room in ("firmware", "lib") for path in sorted((house.ROOT / room).rglob("*.py"))]


def _write(sources: dict[str, str], folder: Path) -> None:
    sites: list[Site] = []
    number = _FIRST_SITE
    for name, text in sources.items():
        target = folder / "root" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if name in _REPLACED:
            text = (_HERE / _REPLACED[name]).read_text()
        elif name == "main.py":
            text = _BEFORE_MAIN + text
        elif name != "boot.py" and name not in _PLAIN:
            text, found = instrument(text, name, number)
            sites += found
            number = max([number, *(site.number + 1 for site in found)])
        target.write_text(text)
    (folder / "root" / "lib" / "probe.py").write_text((_HERE / "board" / "board_probe.py").read_text())
    (folder / "sites.json").write_text(json.dumps(sites))
