"""What the interpreter runs first, from source: mounts the ROM with all other modules and hands over to start.py.

The board's modules are mounted as /m, the folder of boot.py and main.py as /r: where they lie on this machine must make
no difference to a heap that keeps the path of every module.
"""

import sys

import uctypes
import vfs

size = int(sys.argv.pop())
vfs.mount(vfs.VfsRom(uctypes.bytearray_at(int(sys.argv.pop()), size)), "/rom")
vfs.mount(vfs.VfsPosix(sys.argv.pop(1)), "/m")
vfs.mount(vfs.VfsPosix(sys.argv.pop(1)), "/r")
# A board looks in the working directory first.
sys.path[0] = ""
sys.path.insert(1, "/rom")
__import__("start")
