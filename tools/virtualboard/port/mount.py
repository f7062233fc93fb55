"""What the interpreter runs first, from source: mounts the ROM with all other modules and hands over to start.py."""

import sys

import uctypes
import vfs

size = int(sys.argv.pop())
vfs.mount(vfs.VfsRom(uctypes.bytearray_at(int(sys.argv.pop()), size)), "/rom")
# A board looks in the working directory first.
sys.path[0] = ""
sys.path.insert(1, "/rom")
__import__("start")
