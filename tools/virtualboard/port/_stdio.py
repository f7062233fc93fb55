"""The serial line of a board as `sys.stdin` and `sys.stdout`, and `micropython.kbd_intr`.

`sys` and `micropython` are built in, so what a program imports under these names is an object in front of each.
"""

import io
import sys

import _frames
import _virtual
import micropython
from micropython import const

_READY_BIT = const(51)
_KEYBOARD = const(255)
_POLL = const(3)
_POLLIN = const(1)
_POLLOUT = const(4)
_EINVAL = const(22)
_CHUNK_BYTES = const(256)
_NEWLINE = const(10)

_stdout = sys.stdout
# What was taken from the line and not read yet: only the prompt takes more than it is asked for.
ahead = bytearray()


class Stream(io.IOBase):
    """Both directions. As on a board, `read(n)` waits for all of the `n`, and a text has LF where the line had CR."""

    def __init__(self, buffer=None) -> None:
        self.buffer = buffer

    def _take(self, size: int):
        global ahead
        data = bytearray()
        while size < 0 or len(data) < size:
            wanted = _CHUNK_BYTES if size < 0 else size - len(data)
            if ahead:
                data += ahead[:wanted]
                ahead = ahead[wanted:]
            else:
                data += _fetch(wanted)
        if self.buffer:
            for at, byte in enumerate(data):
                if byte == 13:
                    data[at] = _NEWLINE
        return data

    def read(self, size: int = -1):
        data = bytes(self._take(size))
        return data.decode() if self.buffer else data

    def readinto(self, buf, size: int = -1) -> int:
        data = self._take(len(buf) if size < 0 else min(size, len(buf)))
        buf[: len(data)] = data
        return len(data)

    def readline(self, size: int = -1):
        line = bytearray()
        while size < 0 or len(line) < size:
            line += self._take(1)
            if line[-1] == _NEWLINE:
                break
        return bytes(line).decode() if self.buffer else bytes(line)

    def write(self, data, size: int = -1) -> int:
        if size >= 0:
            data = data[:size]
        count = _stdout.write(data) if isinstance(data, str) else _stdout.buffer.write(data)
        _virtual.look()
        return count

    def ioctl(self, request: int, flags: int) -> int:
        if request != _POLL:
            return -_EINVAL
        ready = flags & _POLLOUT
        if flags & _POLLIN and (ahead or _is_ready()):
            ready |= _POLLIN
        return ready


class _Sys:
    def __init__(self) -> None:
        self.stdin = self.stdout = Stream(Stream())

    def __getattr__(self, name: str):
        return getattr(sys, name)


class _MicroPython:
    def __getattr__(self, name: str):
        return getattr(micropython, name)

    def kbd_intr(self, char: int) -> None:
        set_interrupt(char)


def set_interrupt(char: int) -> None:
    """Has that character raise KeyboardInterrupt in the main thread, -1 none; one that came before does."""
    if char >= 0:
        _virtual.handlers[_KEYBOARD] = (None, _raise)
    _virtual.tell(_frames.LINE_INTERRUPT, 0, char)


def raise_pending() -> None:
    """Raises KeyboardInterrupt if the character has come."""
    _virtual.ask(_frames.READ)


def forbid_interrupt() -> None:
    """No character interrupts from now on, nor one that has come."""
    set_interrupt(-1)
    _virtual.handlers.pop(_KEYBOARD, None)
    # Without a handler what is pending comes to nothing.
    _virtual.ask(_frames.READ)


def _raise(_) -> None:
    raise KeyboardInterrupt


def install() -> None:
    sys.modules["micropython"] = _MicroPython()
    sys.modules["sys"] = _Sys()


def _is_ready() -> int:
    if not _virtual.fast:
        # What the host pushed last may be older than what has come.
        _virtual.ask(_frames.READ)
    return _virtual.inputs >> _READY_BIT & 1


def _fetch(size: int):
    """Takes up to `size` bytes from the line, at least one; waits for it."""
    while not _is_ready():
        # Whoever watches from outside sees what was said before time goes on.
        _virtual.look()
        _virtual.wait(_virtual.FOREVER)
    _virtual.ask(_frames.LINE_READ, 0, size)
    return _virtual.payload


def receive():
    """Returns what has come, one byte or more; waits for it."""
    global ahead
    data = ahead
    ahead = bytearray()
    return data or _fetch(_CHUNK_BYTES)


def give_back(data) -> None:
    """Has `data` read again, before anything else."""
    global ahead
    ahead = data + ahead
