"""Runs one test function on the interpreter that this file is started with, MicroPython or CPython.

    micropython runner.py MODULE FUNCTION

A test that fails ends with its traceback. One that passes ends with a line that names it, so that a process that merely
stopped does not count.
"""

import sys


def run(module: str, function: str) -> None:
    result = getattr(__import__(module), function)()
    if hasattr(result, "send"):
        import asyncio

        result = asyncio.run(result)
    if result is not None:
        raise TypeError("a test returns nothing")
    print("passed", function)


if __name__ == "__main__":
    if sys.implementation.name == "cpython":
        # Behind everything else, where its typing.py cannot take the place of the standard one.
        sys.path.append(__file__.rpartition("tests")[0] + "lib")
    run(sys.argv[1], sys.argv[2])
