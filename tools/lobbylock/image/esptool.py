"""Espressif's esptool, as a program of its own: merging an image, and reading and writing a board's flash."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from lobbylock.errors import UserError

_KEEP = ("--flash-mode", "keep", "--flash-freq", "keep", "--flash-size", "keep")
_FATAL = re.compile(r"A fatal error occurred: (.*)", re.DOTALL)
# How esptool ends when its line does, in sentences and in Python's exceptions.
_BROKEN = re.compile(
    r"serial exception error|chip stopped responding|stream stopped|transfer stopped|No serial data|Lost connection"
    r"|(OSError|SerialException|termios\.error|BrokenPipeError|Connection\w*Error):"
)


class Piece(Protocol):
    """Bytes for an address of the flash."""

    @property
    def address(self) -> int: ...

    @property
    def data(self) -> bytes: ...


def merge(chip: str, pieces: Iterable[Piece], size: int) -> bytes:
    """Returns what a whole flash chip of `size` bytes holds with the pieces in it. Raises UserError."""
    with tempfile.TemporaryDirectory(prefix="lobbylock-image-") as folder:
        out = Path(folder) / "merged.bin"
        command = ["merge-bin", *_KEEP, "--pad-to-size", f"{size >> 20}MB", "-o", str(out)]
        _run(["--chip", chip, *command, *_lay_out(pieces, Path(folder))], is_shown=False)
        return out.read_bytes()


class Board:
    """A board in its ROM loader at the serial `port`, a device or a URL of pyserial's. Each call connects anew."""

    def __init__(self, port: str, chip: str, baud: int) -> None:
        # Behind a plain socket there are no lines to reset it by.
        reset = ("no-reset", "no-reset") if port.startswith("socket://") else ("default-reset", "hard-reset")
        self._port = port
        self._options = ["--chip", chip, "--port", port, "--baud", str(baud), "--before", reset[0]]
        self._start = ["--after", reset[1]]

    def read(self, address: int, size: int) -> bytes:
        """Returns `size` bytes of the flash; the board starts again afterwards. Raises UserError."""
        with tempfile.TemporaryDirectory(prefix="lobbylock-image-") as folder:
            path = Path(folder) / "read.bin"
            command = ["read-flash", "--no-progress", hex(address), hex(size), str(path)]
            self._run(command, is_writing=False)
            return path.read_bytes()

    def write(self, pieces: Iterable[Piece], erases_all: bool) -> None:
        """Writes the pieces, and first erases the whole chip if `erases_all`; esptool's progress is shown.

        Each piece is read back by its MD5, which the chip makes. The board starts afterwards. Raises UserError.
        """
        with tempfile.TemporaryDirectory(prefix="lobbylock-image-") as folder:
            command = ["write-flash", *_KEEP, *(["--erase-all"] if erases_all else [])]
            self._run([*command, *_lay_out(pieces, Path(folder))], is_writing=True)

    def _run(self, command: Sequence[str], is_writing: bool) -> None:
        try:
            _run([*self._options, *self._start, *command], is_shown=is_writing)
        except UserError as error:
            raise UserError(_explain(str(error), self._port, is_writing)) from None


def _lay_out(pieces: Iterable[Piece], folder: Path) -> list[str]:
    """Writes each piece to a file of `folder`; returns addresses and paths as esptool wants them."""
    arguments = []
    for piece in pieces:
        path = folder / f"{piece.address:06x}.bin"
        path.write_bytes(piece.data)
        arguments += [hex(piece.address), str(path)]
    return arguments


def _run(arguments: Sequence[str], is_shown: bool) -> None:
    """Runs esptool. Raises UserError with its own words, if it says any."""
    # What somebody has set for esptool elsewhere must not change what is built or written here.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ESPTOOL_")}
    done = subprocess.run(
        [sys.executable, "-I", "-m", "esptool", *arguments],
        env={**clean, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=None if is_shown else subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        said = done.stderr + (done.stdout or "")
        fatal = _FATAL.search(said)
        if fatal:
            said = fatal[1]
        elif "Traceback (most recent call last)" in done.stderr:
            # Only its last line is for a person.
            said = done.stderr.strip().rpartition("\n")[2]
        words = " ".join(said.split())
        raise UserError(f"esptool failed: {words or 'it says nothing about it.'}")


def _explain(words: str, port: str, is_writing: bool) -> str:
    """Returns what a person can do about what esptool says."""
    if "invalid URL" in words:
        return f"{port} is no serial port: write a device file, or a URL such as socket://host:port."
    if "Permission denied" in words:
        return f"{port} may not be opened: on most Linux systems you have to be in the group dialout."
    if "Could not open" in words:
        return f"{port} cannot be opened: the board is not plugged in there, or another program has it open."
    wrong = re.search(r"This chip is (\S+), not ([^\s.]+)", words)
    if wrong:
        return f"The board at {port} has an {wrong[1]}, the image is for {wrong[2]}: name the right BOARD and FIRMWARE."
    if "Failed to connect" in words or ("No serial data" in words and not is_writing):
        return f"Nothing answers at {port}: hold the button BOOT of the board down while this connects, and try again."
    if _BROKEN.search(words):
        state = "; until then the board does not start" if is_writing else ""
        return f"The line to {port} broke: put the cable back and run this again{state}."
    if "will not fit" in words:
        return f"The board at {port} has less than 4 MB of flash: a lock needs 4 MB."
    old = re.search(r"requires chip revision in range (.+?) \(this chip is revision ([^)]+)\)", words)
    if old:
        return (
            f"The chip of the board at {port} is of revision {old[2]}, MicroPython is for {old[1]}: take another board."
        )
    return words
