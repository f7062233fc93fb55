"""The littlefs on the board's `vfs` partition, seen from the host while nobody writes to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from littlefs import LittleFS, UserContext

from virtualboard.flash import SECTOR_BYTES, Flash
from virtualboard.partitions import partition

_LABEL = "vfs"
_MAGIC = b"littlefs"
_FOLDERS = ("firmware", "lib")
_STARTERS = ("boot.py", "main.py")
# As MicroPython's ESP32 port mounts it; it caches four times what it reads at once.
_READ_BYTES = 32
_CACHE_BYTES = 128
# The oldest form of littlefs 2, which every reader knows. To open one that is there, whatever form that has.
_DISK_VERSION = 0x00020000


class Files:
    """Paths are full ones: "/firmware/build.mpy". What is written here is neither counted nor cut."""

    def __init__(self, flash: Flash) -> None:
        self._flash = flash

    @property
    def is_formatted(self) -> bool:
        start = self._flash.read(partition(_LABEL).address, 2 * SECTOR_BYTES)
        return _MAGIC in (start[8:16], start[SECTOR_BYTES + 8 : SECTOR_BYTES + 16])

    def fill(self, files: Mapping[str, bytes]) -> None:
        """Formats it and puts `files` in. Raises littlefs.LittleFSError if they do not fit."""
        context = UserContext(partition(_LABEL).size)
        system = _open(context, _DISK_VERSION)
        system.format()
        system.mount()
        for path, data in sorted(files.items()):
            _write(system, path, data)
        system.unmount()
        self._flash.load(_LABEL, bytes(context.buffer))

    def read(self, path: str) -> bytes:
        """Raises FileNotFoundError; littlefs.LittleFSError for a file system that is none, as below."""
        with self._mounted() as system, system.open(path, "rb") as file:
            return file.read()

    def read_all(self) -> dict[str, bytes]:
        """Returns every file."""
        with self._mounted() as system:
            found = {}
            for folder, _, names in system.walk("/"):
                for name in names:
                    path = f"{folder.rstrip('/')}/{name}"
                    with system.open(path, "rb") as file:
                        found[path] = file.read()
            return found

    def write(self, path: str, data: bytes) -> None:
        """Writes a file, with the folders above it, while the board is off."""
        with self._mounted(is_changed=True) as system:
            _write(system, path, data)

    def remove(self, path: str) -> None:
        """Removes a file while the board is off. Raises FileNotFoundError."""
        with self._mounted(is_changed=True) as system:
            system.remove(path)

    @contextmanager
    def _mounted(self, is_changed: bool = False) -> Iterator[LittleFS]:
        context = UserContext(buffer=bytearray(self._flash.partition(_LABEL)))
        system = _open(context, 0)
        system.mount()
        try:
            yield system
        finally:
            system.unmount()
        if is_changed:
            self._flash.load(_LABEL, bytes(context.buffer))


def board_files(starters: Path, modules: Path) -> dict[str, bytes]:
    """Returns what lies on a board: boot.py and main.py of `starters`, firmware/ and lib/ of `modules`."""
    found = {f"/{name}": (starters / name).read_bytes() for name in _STARTERS if (starters / name).exists()}
    for folder in _FOLDERS:
        for path in (modules / folder).rglob("*"):
            if path.suffix in (".py", ".mpy"):
                found[f"/{path.relative_to(modules).as_posix()}"] = path.read_bytes()
    return found


def _open(context: UserContext, disk_version: int) -> LittleFS:
    return LittleFS(
        context,
        mount=False,
        block_size=SECTOR_BYTES,
        block_count=partition(_LABEL).size // SECTOR_BYTES,
        read_size=_READ_BYTES,
        prog_size=_READ_BYTES,
        cache_size=_CACHE_BYTES,
        lookahead_size=_READ_BYTES,
        disk_version=disk_version,
    )


def _write(system: LittleFS, path: str, data: bytes) -> None:
    parent = path.rpartition("/")[0]
    if parent:
        system.makedirs(parent, exist_ok=True)
    with system.open(path, "wb") as file:
        file.write(data)
