"""Starts the board's program the way the official firmware does: boot.py, then main.py, then the prompt.

Arguments: flash image, the two ends of the link, bytes of stack to use up.
"""

import builtins
import os
import sys

import _frames
import _virtual
import esp32
import micropython


def _run(path: str, namespace: dict) -> bool:
    """Runs one file if it is there. Returns False if it ended with an exception."""
    try:
        os.stat(path)
    except OSError:
        return True
    try:
        execfile(path, namespace)
        return True
    except SystemExit:
        _virtual.halt(_frames.RESET, 5)
    except BaseException as error:
        sys.print_exception(error)
    return False


def _start() -> None:
    namespace = {"__name__": "__main__"}
    finished = _run("/r/boot.py", namespace) and _run("/r/main.py", namespace)
    _virtual.tell(_frames.REPL, 0 if finished else 1)
    # The prompt: outputs stay as they are, timers and interrupts go on.
    while True:
        _virtual.wait(_virtual.FOREVER)


def _sink(stack_bytes: int) -> None:
    """Uses up the stack that a board does not have, so that deep recursion fails here as well."""
    if micropython.stack_use() < stack_bytes:
        _sink(stack_bytes)
    else:
        _start()


image, read_fd, write_fd, stack = sys.argv[1:5]
sys.argv[:] = []
_virtual.connect(int(read_fd), int(write_fd))
esp32.flash_path = image
builtins.print = _virtual.say
import _loop  # noqa: E402 - asyncio's module body already asks for a poll object, which needs the link

_loop.install()
_sink(int(stack))
