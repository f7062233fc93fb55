"""The file system in flash becomes the root, as _boot.py and inisetup.py of the ESP32 port do it."""

import os
import time

import _stdio
import esp32
import vfs


def mount() -> None:
    """Mounts the partition; formats it if it is erased. A damaged one is told of for ever, as on a board."""
    found = esp32.Partition.find(esp32.Partition.TYPE_DATA, label="vfs")[0]
    vfs.umount("/")
    try:
        vfs.mount(found, "/")
    except OSError:
        _set_up(found)
    os.chdir("/")


def _set_up(found) -> None:
    sector = bytearray(4096)
    found.readblocks(0, sector)
    if sector.count(b"\xff") != len(sector):
        _stdio.set_interrupt(3)
        try:
            while True:
                print("The file system looks corrupt. To format it: vfs.VfsLfs2.mkfs(esp32.Partition('vfs'))")
                time.sleep(3)
        except KeyboardInterrupt:
            # On to the prompt, without a file system.
            _stdio.forbid_interrupt()
            return
    vfs.VfsLfs2.mkfs(found)
    vfs.mount(vfs.VfsLfs2(found), "/")
    with open("/boot.py", "w") as file:
        file.write("# This file is executed on every boot (including wake-boot from deepsleep)\n")
