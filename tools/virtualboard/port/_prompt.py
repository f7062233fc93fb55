"""MicroPython's prompt on the serial line: the friendly one, the raw one and raw paste, byte for byte.

What is typed is executed in the same interpreter, in the namespace of main.py. Its output goes where every output goes.
"""

import io
import sys

import _frames
import _stdio
import _virtual
from micropython import const

_CTRL_A = const(1)
_CTRL_B = const(2)
_CTRL_C = const(3)
_CTRL_D = const(4)
_CTRL_E = const(5)
# Half of the buffer that an ESP32 has for it.
_WINDOW_BYTES = const(128)

_RAW_BANNER = b"raw REPL; CTRL-B to exit\r\n"
_COMPOUND = ("if", "for", "while", "def", "class", "try", "with", "async", "@")


class _SoftReset(Exception):
    """Somebody wants the board to start again."""


def _say(data) -> None:
    _virtual.ask(_frames.LINE_WRITE, 0, 0, data)


def _byte() -> int:
    data = _stdio.receive()
    if len(data) > 1:
        _stdio.give_back(data[1:])
    return data[0]


def _execute(text, mode: str, namespace: dict, is_raw: bool) -> None:
    error = None
    try:
        _stdio.set_interrupt(_CTRL_C)
        exec(compile(str(text, "utf-8") if is_raw else text, "<stdin>", mode), namespace)
        _stdio.raise_pending()
    except BaseException as raised:
        error = raised
    _stdio.forbid_interrupt()
    if is_raw:
        _say(b"\x04")
    if isinstance(error, SystemExit):
        raise _SoftReset
    if error:
        # In one piece and over the link, so that nothing of it comes behind the mark.
        shown = io.StringIO()
        sys.print_exception(error, shown)
        sys.stdout.write(shown.getvalue())
    if is_raw:
        _say(b"\x04")


def _paste_raw():
    """Returns what is sent in raw paste mode, None if it was broken off."""
    _say(bytes((_WINDOW_BYTES & 255, _WINDOW_BYTES >> 8, 1)))
    text = bytearray()
    left = _WINDOW_BYTES
    while True:
        data = _stdio.receive()
        for at, byte in enumerate(data):
            if byte in (_CTRL_C, _CTRL_D):
                _stdio.give_back(data[at + 1 :])
                _say(b"\x04")
                return text if byte == _CTRL_D else None
            text.append(byte)
            left -= 1
            if not left:
                left = _WINDOW_BYTES
                _say(b"\x01")


def _run_raw(namespace: dict) -> None:
    """The raw prompt, until somebody wants the friendly one."""
    line = bytearray()
    _say(_RAW_BANNER + b">")
    while True:
        byte = _byte()
        if byte == _CTRL_A:
            if line == b"\x05A":
                _say(b"R\x01")
                text = _paste_raw()
                if text is None:
                    _say(b"\x04")
                    sys.print_exception(KeyboardInterrupt())
                    _say(b"\x04")
                else:
                    _execute(text, "exec", namespace, True)
                _say(b">")
            elif len(line) == 2 and line[0] == _CTRL_E:
                _say(b"R\x00>")
            else:
                _say(_RAW_BANNER + b">")
            line = bytearray()
        elif byte == _CTRL_B:
            _say(b"\r\n")
            return
        elif byte == _CTRL_C:
            line = bytearray()
        elif byte == _CTRL_D:
            _say(b"OK")
            if not line:
                _say(b"\r\n")
                raise _SoftReset
            text, line = line, bytearray()
            _execute(text, "exec", namespace, True)
            _say(b">")
        else:
            line.append(byte)


def _is_open(text: str) -> bool:
    """Whether a line asks for another one."""
    if text.endswith("\\"):
        return True
    if sum(text.count(bracket) for bracket in "([{") > sum(text.count(bracket) for bracket in ")]}"):
        return True
    if text.count('"""') % 2 or text.count("'''") % 2:
        return True
    first = text.split(":")[0].split(" ")[0]
    return (first in _COMPOUND or text.startswith("@")) and not text.endswith("\n")


def _line(prompt: bytes):
    """Returns a line that was typed, a control character that came instead of one, or None for Ctrl-C."""
    line = bytearray()
    _say(prompt)
    while True:
        byte = _byte()
        if byte == _CTRL_C:
            _say(b"\r\n")
            return None
        if _CTRL_A <= byte <= _CTRL_E and not line:
            return byte
        if byte == 13:
            _say(b"\r\n")
            return bytes(line).decode()
        if byte in (8, 127):
            if line:
                line = line[:-1]
                _say(b"\x08 \x08")
        elif byte >= 32:
            line.append(byte)
            _say(bytes((byte,)))


def _paste(namespace: dict) -> None:
    _say(b"\r\npaste mode; Ctrl-C to cancel, Ctrl-D to finish\r\n=== ")
    text = bytearray()
    while True:
        byte = _byte()
        if byte == _CTRL_C:
            _say(b"\r\n")
            return
        if byte == _CTRL_D:
            _say(b"\r\n")
            _execute(str(text, "utf-8"), "exec", namespace, False)
            return
        text.append(10 if byte == 13 else byte)
        _say(b"\r\n=== " if byte == 13 else bytes((byte,)))


def _greet() -> None:
    about = sys.implementation
    name = "MicroPython v%d.%d.%d; %s" % (about.version[:3] + (about._machine,))
    _say(name.encode() + b'\r\nType "help()" for more information.\r\n')


def _run_friendly(namespace: dict) -> None:
    """The friendly prompt, until somebody wants the raw one."""
    _greet()
    while True:
        typed = _line(b">>> ")
        if typed == _CTRL_A:
            _say(b"\r\n")
            return
        if typed == _CTRL_B:
            _say(b"\r\n")
            _greet()
        elif typed == _CTRL_D:
            _say(b"\r\n")
            raise _SoftReset
        elif typed == _CTRL_E:
            _paste(namespace)
        elif isinstance(typed, str) and typed.strip():
            while _is_open(typed):
                more = _line(b"... ")
                if not isinstance(more, str):
                    typed = ""
                    break
                typed += "\n" + more
            if typed:
                _execute(typed, "single", namespace, False)


def run(namespace: dict) -> None:
    """Serves the line; a soft reset is the only end."""
    is_raw = bool(_virtual.raw)
    try:
        if not is_raw:
            _say(b"\r\n")
        while True:
            if is_raw:
                _run_raw(namespace)
            else:
                _run_friendly(namespace)
            is_raw = not is_raw
    except _SoftReset:
        pass
    _say(b"MPY: soft reboot\r\n")
    _virtual.halt(_frames.RESET, 5, is_raw)
