"""Finds out what is at the other end of a serial line: a lock, a prompt, a chip without a program, or nothing."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from serial.tools import list_ports

from lobbylock.console.line import Line, LineLost, Port

LOCK = "lock"
PROMPT = "prompt"
DEVELOPER = "developer"
BLANK = "blank"
LOADER = "loader"
POWER = "power"
LOOP = "loop"
NOISE = "noise"
STARTING = "starting"
SILENT = "silent"

_HELLO = b'{"id":0,"do":"hello"}'
_LOOK_MS = 1_000
_MOST_LINES = 500
_MANY_STARTS = 3
_MANY_BROKEN = 20
# A prompt says so itself, or it repeats what is typed.
_PROMPT = re.compile(r"^(>>> |\.\.\. |MicroPython v|raw REPL; CTRL-B)|^\{\'id\': 0, \'do\': \'hello\'\}")
_START = re.compile(r"^rst:0x")
_LISTED = re.compile(r"^lobbylock-files (True|False)")
# What is typed at a prompt; it changes nothing there.
_LIST = b"print('lobbylock-files', 'firmware' in __import__('os').listdir('/'))\r\n"
_LEAVE_RAW = b"\r\x02\r\n"


@dataclass
class Sight:
    """What was seen: `kind` is one of the names above, `hello` a lock's reply, `heard` the other lines."""

    kind: str
    hello: dict[str, Any] | None = None
    heard: list[str] = field(default_factory=list)

    @property
    def start_line(self) -> dict[str, Any] | None:
        """The last line with which a lock announced its start, if one was heard."""
        return next(filter(None, map(_announcement, reversed(self.heard))), None)

    @property
    def exception(self) -> str | None:
        """The last line of a traceback, if one was heard: what it was, without where."""
        for at in range(len(self.heard) - 1, -1, -1):
            if self.heard[at].startswith("Traceback "):
                behind = [line for line in self.heard[at + 1 :] if line and not line.startswith(" ")]
                return behind[0][:120] if behind else None
        return None


def port_names() -> list[str]:
    """Returns the machine's serial ports; those of USB adapters if there are any, else all."""
    found = sorted(list_ports.comports(), key=lambda port: port.device)
    return [port.device for port in found if port.vid is not None] or [port.device for port in found]


def probe(port: Port, patience_ms: float) -> Sight:
    """Asks who is at `port` until somebody answers or the time is over. Raises UserError if it cannot be opened.

    A lock just switched on answers after some seconds.
    """
    line = port.open()
    sight = Sight(SILENT)
    end_ms = port.now_ms() + patience_ms
    try:
        while sight.kind == SILENT and port.now_ms() < end_ms:
            line.write(b"\r\n" + _HELLO + b"\r\n")
            _listen(line, port, sight)
        if sight.kind == SILENT:
            # An earlier program may have left the prompt in its mode for programs, which repeats nothing.
            line.write(_LEAVE_RAW)
            _listen(line, port, sight)
        if sight.kind == PROMPT:
            line.write(_LIST)
            _listen(line, port, sight)
    except LineLost:
        if not sight.heard:
            raise
    finally:
        line.close()
    if sight.kind == SILENT:
        sight.kind = _judge(sight.heard)
    return sight


def _listen(line: Line, port: Port, sight: Sight) -> None:
    """Takes lines for a moment, or until it is clear who is there."""
    was = sight.kind
    end_ms = port.now_ms() + _LOOK_MS
    while port.now_ms() < end_ms and len(sight.heard) < _MOST_LINES and sight.kind == was:
        text = line.read_line(max(1.0, end_ms - port.now_ms()))
        if text is None:
            break
        value = _object(text)
        listed = _LISTED.match(text.removeprefix(">>> "))
        if value is not None and value.get("id") == 0 and value.get("ok") is True:
            sight.kind, sight.hello = LOCK, value
        elif listed:
            sight.kind = DEVELOPER if listed.group(1) == "True" else PROMPT
        elif _PROMPT.match(text) and sight.kind == SILENT:
            sight.kind = PROMPT
        else:
            sight.heard.append(text)
    # A prompt has no end of line.
    if sight.kind == SILENT and getattr(line, "tail", b"").startswith(b">>> "):
        sight.kind = PROMPT


def _judge(heard: list[str]) -> str:
    """Returns what lines are of that nobody sent as an answer."""
    whole = "\n".join(heard)
    if "invalid header: 0x" in whole or "Invalid image block" in whole:
        return BLANK
    if "waiting for download" in whole:
        return LOADER
    if "Brownout detector" in whole:
        return POWER
    announced = sum(_announcement(line) is not None for line in heard)
    if max(announced, sum(bool(_START.match(line)) for line in heard)) >= _MANY_STARTS:
        return LOOP
    if whole.count("\ufffd") >= _MANY_BROKEN:
        return NOISE
    return STARTING if heard and any(line.strip() for line in heard) else SILENT


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _announcement(text: str) -> dict[str, Any] | None:
    value = _object(text)
    return value if value is not None and "lobbylock" in value and "public_key" in value else None
