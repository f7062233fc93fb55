"""A board's MicroPython prompt, through mpremote: what lies there, and changes to it that survive being broken off."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import re
import struct
import termios
import time
from collections.abc import Iterator
from hashlib import sha256
from typing import NamedTuple

import serial
from mpremote.transport import TransportError, TransportExecError
from mpremote.transport_serial import SerialTransport

from lobbylock.console.line import why_closed
from lobbylock.errors import UserError

MAIN = "/main.py"
# main.py while files are being changed; the board starts nothing then.
_HELD = "/main.held"
_PART = "/deploy.part"
_SILENCE_S = 10.0
_PROMPT_S = 20.0
_TRY_S = 3
_CHUNK_BYTES = 768
_MPY_VERSION = 6
# With the name of the error or, where MicroPython has none, its number.
_NO_SPACE = re.compile(r"ENOSPC|OSError: 28\b")

# Looks only where deploying writes: settings and tables of keys are nobody's business here. A watchdog that the lock
# has started goes on at the prompt, so it gets the time that a slow line needs.
_SETUP = """
import os, sys, json, binascii, hashlib, machine
from binascii import a2b_base64
machine.WDT(timeout=600000)
def sha(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while True:
            d = f.read(512)
            if not d:
                break
            h.update(d)
    return binascii.hexlify(h.digest()).decode()
def walk(path):
    try:
        if os.stat(path)[0] & 0x4000:
            for e in os.ilistdir(path):
                walk(path + "/" + e[0])
        else:
            print(json.dumps([path, sha(path)]))
    except OSError:
        pass
def rm(path):
    try:
        os.remove(path)
    except OSError:
        pass
def mk(path):
    at = path.find("/", 1)
    while at > 0:
        try:
            os.mkdir(path[:at])
        except OSError:
            pass
        at = path.find("/", at + 1)
def prune(path):
    try:
        for e in os.ilistdir(path):
            if e[1] == 0x4000:
                prune(path + "/" + e[0])
        os.rmdir(path)
    except OSError:
        pass
"""
_PLACES = ("/boot.py", MAIN, _HELD, _PART, "/firmware", "/lib", "/b", "/slot", "/slot.new")


class About(NamedTuple):
    """A board: `mpy` is sys.implementation._mpy; `files` has SHA-256 in hex by path."""

    mpy: int
    machine: str
    files: dict[str, str]


class Prompt:
    """The raw prompt of the board at `port`, fresh from a soft reset. Every failure is a UserError."""

    def __init__(self, port: str) -> None:
        self._port = port
        self._is_main_held = False
        self._transport: SerialTransport | None = None

    def __enter__(self) -> Prompt:
        with self._failing():
            try:
                self._transport = SerialTransport(self._port, timeout=_SILENCE_S)
            except (TransportError, OSError) as error:
                raise UserError(why_closed(self._port, error)) from None
            self._enter()
            self._connected.exec(_SETUP)
        return self

    def __exit__(self, *_: object) -> None:
        transport, self._transport = self._transport, None
        if transport:
            # A port that is gone cannot be closed any better.
            with contextlib.suppress(OSError, serial.SerialException, termios.error):
                transport.close()

    def _enter(self) -> None:
        """Waits for the prompt: a lock that was asked to end takes a moment."""
        end_s = time.monotonic() + _PROMPT_S
        while True:
            try:
                # mpremote prints what it did not expect.
                with contextlib.redirect_stdout(io.StringIO()):
                    self._connected.enter_raw_repl(timeout_overall=_TRY_S)
                return
            except TransportError:
                if time.monotonic() > end_s:
                    raise UserError(
                        f"The board at {self._port} answers neither as a lock nor with MicroPython's prompt. Is "
                        "MicroPython on it (`make flash`), and does the lock on it start (`lobbylock doctor`)?"
                    ) from None

    @property
    def _connected(self) -> SerialTransport:
        if self._transport is None:
            raise ValueError("the prompt is not open")
        return self._transport

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        """Makes of what mpremote and pyserial raise a sentence."""
        try:
            yield
        except TransportExecError as error:
            text = error.error_output.strip()
            if _NO_SPACE.search(text):
                raise UserError(
                    "The board's file system is full. Its prompt is still there (`mpremote connect PORT resume fs ls`):"
                    " remove what does not belong to the lock, and run this again."
                ) from None
            raise UserError(f"The board could not do it: {text.splitlines()[-1] if text else error}") from None
        except (TransportError, serial.SerialException, struct.error, termios.error, OSError):
            raise UserError(
                f"The line to {self._port} broke: put the cable back in and run this again; it goes on where it was."
            ) from None

    def _run(self, source: str) -> list[str]:
        with self._failing():
            return self._connected.exec(source).decode().splitlines()

    def inspect(self) -> About:
        """Returns what the board is and which files of a lock's tree lie on it. Raises UserError for another .mpy."""
        first, *rest = self._run(
            "print(json.dumps([getattr(sys.implementation, '_mpy', 0), sys.implementation._machine]))\n"
            f"for path in {_PLACES!r}: walk(path)"
        )
        mpy, machine = json.loads(first)
        if mpy & 0xFF != _MPY_VERSION:
            raise UserError(f"MicroPython on this board takes .mpy files of version {mpy & 0xFF}, not {_MPY_VERSION}.")
        files = dict(json.loads(line) for line in rest)
        self._is_main_held = _HELD in files
        if self._is_main_held and MAIN not in files:
            # Broken off: what is held counts as what is there.
            files[MAIN] = files[_HELD]
        elif self._is_main_held:
            self._run(f"rm({_HELD!r})")
            self._is_main_held = False
        return About(mpy, machine, files)

    def is_held(self, path: str) -> bool:
        """Whether that is a file of this program's own, which goes without saying."""
        return path in (_HELD, _PART)

    def hold_main(self) -> None:
        """Takes main.py away, so that the board starts nothing that is half of one version and half of another."""
        self._run(f"rm({_PART!r})")
        if not self._is_main_held:
            self._run(f"try: os.rename({MAIN!r}, {_HELD!r})\nexcept OSError: pass")

    def release_main(self, is_new: bool) -> None:
        """Makes the board start again: from the main.py that was put, or the one that was held."""
        self._run(f"rm({_HELD!r})" if is_new else f"os.rename({_HELD!r}, {MAIN!r})")

    def remove(self, paths: list[str]) -> None:
        """Removes files, and folders that have become empty."""
        self._run(f"for path in {paths!r}: rm(path)")
        self._run("prune('/b')\nprune('/firmware')\nprune('/lib')")

    def put(self, path: str, data: bytes) -> None:
        """Writes a file; it has its name only when it is whole."""
        self._run(f"mk({path!r})\nf = open({_PART!r}, 'wb')\nw = f.write")
        for at in range(0, len(data), _CHUNK_BYTES):
            self._run(f"w(a2b_base64({base64.b64encode(data[at : at + _CHUNK_BYTES])!r}))")
        (digest,) = self._run(f"f.close()\nprint(sha({_PART!r}))")
        if digest != sha256(data).hexdigest():
            raise UserError(f"{path} was damaged on the way: is the cable a good one? Run this again.")
        self._run(f"os.rename({_PART!r}, {path!r})")

    def restart(self) -> None:
        """Resets the board; the prompt is gone then."""
        with self._failing():
            self._connected.exec_raw_no_follow("import time\ntime.sleep_ms(100)\nmachine.reset()")
