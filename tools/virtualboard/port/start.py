"""Starts the board's program the way the official firmware does: boot.py, then main.py, then the prompt.

Arguments: where the files are, flash image, the two ends of the link, bytes of stack to use up.
"""

import builtins
import os
import sys

import _frames
import _stdio
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
        # As the official firmware does for each file.
        _stdio.set_interrupt(3)
        if _begin_us:
            # What comes now is raised at the first opportunity inside.
            _virtual.irqs_off = 1
            _virtual.wait(_virtual.clock() + _begin_us)
            _virtual.irqs_off = 0
        execfile(path, namespace)
        _stdio.raise_pending()
        return True
    except SystemExit:
        _virtual.halt(_frames.RESET, 5)
    except BaseException as error:
        sys.print_exception(error)
    finally:
        _stdio.forbid_interrupt()
    return False


def _start() -> None:
    namespace = {"__name__": "__main__"}
    # Behind a soft reset from the raw prompt there is only boot.py.
    folder = "/" if place == "flash" else "/r/"
    finished = _run(folder + "boot.py", namespace) and (_virtual.raw or _run(folder + "main.py", namespace))
    # The prompt: outputs stay as they are, timers and interrupts go on.
    _virtual.ask(_frames.REPL, 0 if finished else 1)
    __import__("_prompt").run(namespace)


def _sink(stack_bytes: int) -> None:
    """Uses up the stack that a board does not have, so that deep recursion fails here as well."""
    if micropython.stack_use() < stack_bytes:
        _sink(stack_bytes)
    else:
        _start()


_begin_us = int(os.getenv("VIRTUALBOARD_BEGIN_US") or 0)
place, image, read_fd, write_fd, stack = sys.argv[1:6]
sys.argv[:] = []
_virtual.connect(int(read_fd), int(write_fd))
esp32.image = open(int(image), "rb")
builtins.print = _virtual.say
_stdio.install()
import _loop  # noqa: E402 - asyncio's module body already asks for a poll object, which needs the link

_loop.install()
if place == "flash":
    __import__("_root").mount()
_sink(int(stack))
