"""Run by MicroPython: mounts a file as the vfs partition of an ESP32 and prints what lies on it, a line of JSON each.

Arguments: the file, and optionally "write", which first puts a second tree, settings and tables there and mounts anew.
"""

import hashlib
import json
import os
import sys

import vfs


class Partition:
    """What esp32.Partition is to VfsLfs2: blocks of 4 KB, reads and programs anywhere, programs only clear bits."""

    def __init__(self, path):
        self.file = open(path, "r+b")
        self.size = self.file.seek(0, 2)

    def readblocks(self, block, buffer, offset=0):
        self.file.seek(block * 4096 + offset)
        self.file.readinto(buffer)

    def writeblocks(self, block, buffer, offset=0):
        old = bytearray(len(buffer))
        self.readblocks(block, old, offset)
        for at, byte in enumerate(buffer):
            old[at] &= byte
        self.file.seek(block * 4096 + offset)
        self.file.write(old)

    def ioctl(self, operation, argument):
        if operation == 4:
            return self.size // 4096
        if operation == 5:
            return 4096
        if operation == 6:
            self.file.seek(argument * 4096)
            self.file.write(b"\xff" * 4096)
        return 0


def walk(folder):
    for name, kind, *_ in os.ilistdir(folder):
        path = folder + "/" + name
        if kind == 0x4000:
            walk(path)
            continue
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            while True:
                data = file.read(512)
                if not data:
                    break
                digest.update(data)
        status = os.stat(path)
        # A line each: a board's heap does not hold all of them at once.
        print(json.dumps([path[2:], status[6], digest.digest().hex(), status[8]]))


def mount():
    # As the ESP32 port does it: reads and programs of 32 bytes, 32 bytes to look ahead.
    vfs.mount(vfs.VfsLfs2(Partition(sys.argv[1]), readsize=32, progsize=32, lookahead=32), "/m")


def copy(source, target):
    os.mkdir(target)
    for name, kind, *_ in os.ilistdir(source):
        if kind == 0x4000:
            copy(source + "/" + name, target + "/" + name)
            continue
        with open(source + "/" + name, "rb") as read, open(target + "/" + name, "wb") as write:
            while True:
                data = read.read(512)
                if not data:
                    break
                write.write(data)


mount()
if sys.argv[2:] == ["write"]:
    with open("/m/settings.json", "w") as file:
        file.write("x" * 8192)
    os.mkdir("/m/b")
    for name in ("firmware", "lib"):
        copy("/m/" + name, "/m/b/" + name)
    with open("/m/spare", "wb") as file:
        for _ in range(56):
            file.write(bytes(1024))
    vfs.umount("/m")
    mount()
walk("/m")
print(json.dumps(os.statvfs("/m")[2]))
