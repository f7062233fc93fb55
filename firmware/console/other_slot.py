"""The files of the slot that does not run: whether others fit in their place, and away with them.

Paths begin with "b/" for slot b, and with nothing for slot a.
"""

import asyncio
import os

from micropython import const

from firmware.console.request import Refusal

_FOLDER = const(0x4000)
# What a file of littlefs has less than a block for each block; and what its folders may take more.
_LINK_BYTES = const(8)
_RESERVE_BLOCKS = const(20)
# What main.py loads first.
_ENTRANCES = const(("firmware/build.mpy", "firmware/build.py"))


def find_room(slot: str, sizes) -> None:
    """Raises Refusal if files do not fit in the place of those that are there now; `sizes` are theirs in bytes."""
    block_bytes, _, _, free = os.statvfs("")[:4]
    free -= _RESERVE_BLOCKS
    for folder in _folders(slot):
        for _, kind, size in _list(folder):
            if kind != _FOLDER:
                free += (size + block_bytes - 1) // block_bytes
    block_bytes -= _LINK_BYTES
    for size in sizes:
        free -= (size + block_bytes - 1) // block_bytes
    if free < 0:
        raise Refusal("room", "There is no room for it on the file system: some %d KB are missing." % (-free * 4))


async def sweep(slot: str) -> None:
    """Empties the slot; first of all nothing starts from it any more. Raises OSError."""
    for path in _ENTRANCES:
        remove(slot + path)
    for folder in reversed(_folders(slot)):
        for name, kind, _ in _list(folder):
            if kind != _FOLDER:
                os.remove(folder + "/" + name)
                # Others first: each of them takes the flash some time.
                await asyncio.sleep_ms(0)
        if folder.count("/") > slot.count("/"):
            os.rmdir(folder)


def is_there(path: str) -> bool:
    try:
        os.stat(path)
        return True
    except OSError:
        return False


def remove(path: str) -> None:
    """Removes a file, if it is there. Raises OSError."""
    if is_there(path):
        os.remove(path)


def make_folders(path: str) -> None:
    """Makes the folders that the file `path` is to lie in. Raises OSError."""
    at = path.find("/")
    while at > 0:
        if not is_there(path[:at]):
            os.mkdir(path[:at])
        at = path.find("/", at + 1)


def _list(folder: str) -> list:
    """Returns (name, kind, bytes) of what is in a folder, nothing for one that is not there."""
    try:
        return [(entry[0], entry[1], entry[-1]) for entry in os.ilistdir(folder)]
    except OSError:
        return []


def _folders(slot: str) -> list:
    """Returns the folders of a slot, each before those in it. What is below lib/ is somebody else's."""
    found = [slot + "lib", slot + "firmware"]
    for folder in found:
        if folder != found[0]:
            found += [folder + "/" + name for name, kind, _ in _list(folder) if kind == _FOLDER]
    return found
