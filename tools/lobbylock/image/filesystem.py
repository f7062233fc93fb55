"""The lock's littlefs, formatted and filled on the host: the same files give the same bytes."""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import NamedTuple

from littlefs import LittleFS, LittleFSError, UserContext

from lobbylock.errors import UserError
from virtualboard.partitions import partition

BLOCK_BYTES = 4096
# As MicroPython's ESP32 port mounts its partition. What is smaller than the cache lies in the folder itself, so an
# image that was made with a larger one could not be read there.
_READ_BYTES = 32
_CACHE_BYTES = 4 * _READ_BYTES
_LOOKAHEAD_BYTES = 32
_CYCLES = 100
# The form on disk that every littlefs of version 2 reads. MicroPython goes on with a newer one once it writes.
_DISK_VERSION = 0x00020000
_ANY_VERSION = 0

# Beside two trees: settings twice, and the tables of the issuers' keys.
SPARE_BYTES = 64 << 10
_SECOND = ("/firmware/", "/lib/")


class Room(NamedTuple):
    """What a filled file system has: `free_blocks` of 4 KB are left for the second tree, settings and tables."""

    files: int
    bytes: int
    used_blocks: int
    free_blocks: int
    spare_blocks: int


def fill(files: Mapping[str, bytes], size: int = partition("vfs").size) -> bytes:
    """Returns a partition of `size` bytes with the files, by their full paths ("/lib/cbor.mpy"). No times are kept.

    Raises UserError if they do not fit.
    """
    with ExitStack() as closing:
        return bytes(_fill(files, size, closing).context.buffer)


def measure(files: Mapping[str, bytes], size: int = partition("vfs").size) -> Room:
    """Returns how much room the files leave. Raises UserError unless they fit twice, and SPARE_BYTES beside them."""
    count = size // BLOCK_BYTES
    with ExitStack() as closing:
        used = _fill(files, size, closing).used_block_count
    twice = dict(files)
    twice |= {"/b" + path: data for path, data in files.items() if path.startswith(_SECOND)}
    twice["/spare"] = bytes(SPARE_BYTES)
    try:
        with ExitStack() as closing:
            both = _fill(twice, size, closing).used_block_count
    except UserError:
        raise UserError(
            f"The files take {used} of {count} blocks: an update would have no room for them a second time beside "
            f"{SPARE_BYTES >> 10} KB for settings and tables."
        ) from None
    return Room(len(files), sum(map(len, files.values())), used, count - used, count - both)


def read(data: bytes, path: str) -> bytes:
    """Returns a file of the partition `data`. Raises FileNotFoundError, or LittleFSError for another content."""
    system = _open(len(data), UserContext(buffer=bytearray(data)), _ANY_VERSION)
    system.mount()
    with system.open(path, "rb") as file:
        return file.read()


def _open(size: int, flash: UserContext, disk_version: int) -> LittleFS:
    return LittleFS(
        flash,
        mount=False,
        block_size=BLOCK_BYTES,
        block_count=size // BLOCK_BYTES,
        read_size=_READ_BYTES,
        prog_size=_READ_BYTES,
        cache_size=_CACHE_BYTES,
        lookahead_size=_LOOKAHEAD_BYTES,
        block_cycles=_CYCLES,
        disk_version=disk_version,
    )


def _fill(files: Mapping[str, bytes], size: int, closing: ExitStack) -> LittleFS:
    system = _open(size, UserContext(size), _DISK_VERSION)
    system.format()
    system.mount()
    closing.callback(system.unmount)
    try:
        for folder in sorted({path[:at] for path in files for at in range(1, len(path)) if path[at] == "/"}):
            system.mkdir(folder)
        for path, data in sorted(files.items()):
            with system.open(path, "wb") as file:
                file.write(data)
    except (LittleFSError, OSError) as error:
        raise UserError(f"The files do not fit into a partition of {size >> 10} KB: {error}.") from None
    return system
