"""What the interpreter runs first, from source: mounts the ROM with all other modules and hands over to start.py.

A board in folders has its modules mounted as /m and the folder of boot.py and main.py as /r: where they lie on this
machine must make no difference to a heap that keeps the path of every module. One with its file system in flash gets
that as its root by start.py.
"""

import sys

import uctypes
import vfs

size = int(sys.argv.pop())
vfs.mount(vfs.VfsRom(uctypes.bytearray_at(int(sys.argv.pop()), size)), "/rom")
modules = sys.argv.pop(1)
root = sys.argv.pop(1)
if sys.argv[1] == "folders":
    vfs.mount(vfs.VfsPosix(modules), "/m")
    vfs.mount(vfs.VfsPosix(root), "/r")
# A board looks in the working directory first.
sys.path[0] = ""
sys.path.insert(1, "/rom")
__import__("start")
