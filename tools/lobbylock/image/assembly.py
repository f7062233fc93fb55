"""Putting an image together: the official MicroPython, our partition table, and the lock's files for one board."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from linker import build_tree
from linker.errors import CompileError, NotLinkable
from lobbylock import __version__, boards
from lobbylock.errors import UserError
from lobbylock.house import ROOT
from lobbylock.image import esptool, filesystem, table
from lobbylock.image.filesystem import Room
from lobbylock.image.official import Official
from virtualboard.partitions import CHIP_BYTES, GUARDED, partition

_NAMES = "names.json"
_BOOT = "boot.py"
_MAIN = "main.py"
_PINS = "firmware/board/pins.py"


class Files(NamedTuple):
    """What lies on the board's vfs, by full path; `names` is what tracebacks of it are explained by."""

    files: dict[str, bytes]
    names: bytes


class Part(NamedTuple):
    """Some bytes of the image, and at which address of the flash they lie."""

    name: str
    address: int
    data: bytes


class Image(NamedTuple):
    """All that is written to a board. What no part covers is erased flash."""

    board: str
    chip: str
    version: str
    micropython: str
    parts: list[Part]
    files: dict[str, bytes]
    names: bytes
    room: Room

    @property
    def name(self) -> str:
        return f"lobbylock-{self.board}-{self.version}"


def build_files(board: boards.Board, arch: str = "", root: Path = ROOT) -> Files:
    """Compiles the lock for `board`; `arch` names another core than its own, such as "x64" for the virtual board.

    Raises UserError if that is not possible.
    """
    replaced = {_PINS: board.pins_source(), _BOOT: board.boot_source()}
    with tempfile.TemporaryDirectory(prefix="lobbylock-image-") as folder:
        out = Path(folder)
        try:
            build_tree(root, arch or board.arch, out, replaced)
        except (CompileError, NotLinkable, SyntaxError) as error:
            raise UserError(f"The firmware does not compile: {error}") from None
        files = {f"/{path.relative_to(out).as_posix()}": path.read_bytes() for path in out.rglob("*.mpy")}
        names = (out / _NAMES).read_bytes()
    files[f"/{_BOOT}"] = replaced[_BOOT].encode()
    files[f"/{_MAIN}"] = (root / _MAIN).read_bytes()
    return Files(dict(sorted(files.items())), names)


def build_vfs(board: boards.Board, arch: str = "", root: Path = ROOT) -> bytes:
    """Returns the `vfs` partition of a board on which nothing has run yet. Raises UserError."""
    return filesystem.fill(build_files(board, arch, root).files)


def check_chip(base: Official, board: boards.Board, firmware: Path) -> None:
    """Raises UserError unless the image in the file `firmware` is for the chip of `board`."""
    if base.chip.name != board.chip:
        fitting = [name for name in boards.names() if boards.load(name).chip == base.chip.name]
        raise UserError(
            f"{firmware} is for {base.chip.title}, but {board.name} has another chip: "
            f"boards with that one are {', '.join(fitting)} (BOARD=...)."
        )


def build(base: Official, board: boards.Board, root: Path = ROOT) -> Image:
    """Builds the image for `board`, whose chip `base` is for. Raises UserError."""
    made = build_files(board, root=root)
    _check_mpy(base, made.files)
    parts = [
        Part("bootloader", base.chip.bootloader, base.bootloader),
        Part("partition table", table.ADDRESS, table.encode()),
        Part(f"MicroPython {base.version}", partition("factory").address, base.app),
        Part("files of the lock", partition("vfs").address, filesystem.fill(made.files)),
    ]
    room = filesystem.measure(made.files)
    return Image(board.name, base.chip.name, __version__, base.version, parts, made.files, made.names, room)


def write(image: Image, folder: Path) -> Path:
    """Writes the merged image, names.json and the partition table as CSV into `folder`; returns the image's path.

    Raises UserError if esptool fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{image.name}.bin"
    merged = esptool.merge(image.chip, image.parts, CHIP_BYTES)
    _check_merged(image, merged)
    path.write_bytes(merged)
    (folder / f"{image.name}.names.json").write_bytes(image.names)
    (folder / f"{image.name}.partitions.csv").write_text(table.write_csv(), "utf-8")
    return path


def _check_mpy(base: Official, files: Mapping[str, bytes]) -> None:
    """Raises UserError unless MicroPython of `base` takes the .mpy files, their version and the core of native code."""
    version, features = base.mpy & 0xFF, base.mpy >> 8
    for path, data in files.items():
        if not path.endswith(".mpy"):
            continue
        native = data[2] >> 2 & 0xF
        if data[0] != ord("M") or data[1] != version or (native and data[2] & 0x3F != features & 0x3F):
            raise UserError(
                f"MicroPython {base.version} takes .mpy files of version {version}.{features & 3}, mpy-cross makes "
                f"{data[1]}.{data[2] & 3} ({path}): take an image of the version that mpy-cross has."
            )


def _check_merged(image: Image, merged: bytes) -> None:
    """Raises UserError unless each part is where it belongs, unchanged, and what a lock remembers is erased."""
    sound = len(merged) == CHIP_BYTES
    for part in image.parts:
        sound &= merged[part.address : part.address + len(part.data)] == part.data
    for row in map(partition, GUARDED):
        sound &= not merged[row.address : row.address + row.size].strip(b"\xff")
    if not sound:
        raise UserError("esptool has merged the parts into something else: is it the pinned version?")
