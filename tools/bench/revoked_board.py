"""Runs on MicroPython: looks for a credential on a list so many times, for the bench to count instructions.

micropython revoked_board.py IDS TIMES file|littlefs PATH
"""

import os
import sys

from firmware.store.revoked import is_listed

_HEAD_BYTES = 181


class _Blocks:
    """Flash in memory: what a board's own driver does in C is Python here."""

    def __init__(self) -> None:
        self._data = bytearray(b"\xff" * 4096 * 16)

    def readblocks(self, number: int, buffer, offset: int = 0) -> None:
        at = number * 4096 + offset
        memoryview(buffer)[:] = memoryview(self._data)[at : at + len(buffer)]

    def writeblocks(self, number: int, buffer, offset: int = 0) -> None:
        at = number * 4096 + offset
        self._data[at : at + len(buffer)] = buffer

    def ioctl(self, operation: int, argument: int):
        return {4: 16, 5: 4096, 6: 0}.get(operation)


def main() -> None:
    count, times, way, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
    before = 0
    if way != "file":
        import vfs  # type: ignore[import-not-found]

        blocks = _Blocks()
        vfs.VfsLfs2.mkfs(blocks)  # type: ignore[arg-type]
        vfs.mount(vfs.VfsLfs2(blocks), "/flash")  # type: ignore[arg-type]
        path = "/flash/revoked"
        before = os.statvfs("/flash")[3]
    with open(path, "wb") as file:
        file.write(bytes(_HEAD_BYTES))
        for number in range(count):
            file.write((number << 40).to_bytes(8, "big"))
    if way != "file":
        print("blocks", before - os.statvfs("/flash")[3])
    file = open(path, "rb")
    key = (count // 3 << 40).to_bytes(8, "big")
    for _ in range(times):
        is_listed(file, _HEAD_BYTES, count, key)
    file.close()


main()
