"""The program that a virtual board's process runs: MicroPython, with a ROM image in memory that is not its heap.

    python interpreter.py IMAGE [micropython's own arguments...]

Address and size of the image are added as the last two arguments. Started by process.py, imported by nobody.
"""

import sys
from array import array
from pathlib import Path

from micropython_run import run_main

if __name__ == "__main__":
    # Stays where it is for as long as this process lives.
    image = array("B", Path(sys.argv[1]).read_bytes())
    address, size = image.buffer_info()
    sys.exit(run_main(["micropython", *sys.argv[2:], str(address), str(size)]))
