"""A board's serial line through pyserial: device files, ptys, `socket://host:port`, `rfc2217://host:port`."""

import errno
import os
import termios
import time
from typing import Protocol

import serial

from lobbylock.errors import UserError

BAUD = 115_200
# The board writes at most 1,024 bytes a line; what is longer is not a line of ours and is handed on in pieces.
_MAX_LINE_BYTES = 4_096
_WRITE_S = 5.0


class LineLost(UserError):
    """The line broke in the middle of it: a pulled cable, a USB adapter that is gone."""


class Line(Protocol):
    """One open connection."""

    def write(self, data: bytes) -> None:
        """Sends. Raises LineLost."""

    def read_line(self, timeout_ms: float) -> str | None:
        """Returns the next line without its end, None if none is complete within the time. Raises LineLost."""

    def close(self) -> None:
        """Lets the port go; nothing that the board was told is undone."""


class Port(Protocol):
    """Where a line can be opened, again and again, and how time passes there."""

    name: str

    def open(self) -> Line:
        """Raises UserError, as a sentence of why not."""
        ...

    def now_ms(self) -> float:
        """Returns milliseconds that never go back."""
        ...

    def sleep_ms(self, duration_ms: float) -> None:
        """Lets time pass."""


class SerialLine:
    """An open pyserial port. `tail` holds the bytes behind the last complete line, such as a prompt."""

    def __init__(self, port: serial.Serial) -> None:
        self._port = port
        self.tail = b""

    def write(self, data: bytes) -> None:
        """Sends. Raises LineLost."""
        try:
            self._port.write(data)
            self._port.flush()
        except (serial.SerialException, OSError, termios.error) as error:
            raise _lost(self._port.name or "", error) from None

    def read_line(self, timeout_ms: float) -> str | None:
        """Returns the next line without its end, None if none is complete within the time. Raises LineLost."""
        end_s = time.monotonic() + timeout_ms / 1000
        while b"\n" not in self.tail:
            if len(self.tail) > _MAX_LINE_BYTES:
                self.tail += b"\n"
                break
            # At least one look, also without any time.
            data = self._read(max(0.0, end_s - time.monotonic()))
            if not data:
                return None
            self.tail += data
        line, _, self.tail = self.tail.partition(b"\n")
        return line.rstrip(b"\r").decode("utf-8", "replace")

    def _read(self, timeout_s: float) -> bytes:
        try:
            self._port.timeout = timeout_s
            # What is there at once, or else the first byte that comes.
            return self._port.read(max(1, self._port.in_waiting))
        except (serial.SerialException, OSError, termios.error, TypeError) as error:
            # pyserial raises TypeError when its file was closed meanwhile.
            raise _lost(self._port.name or "", error) from None

    def close(self) -> None:
        """Lets the port go; nothing that the board was told is undone."""
        try:
            self._port.close()
        except (serial.SerialException, OSError, termios.error):
            # A device that is gone cannot be closed any better.
            pass


class SerialPort:
    """A port by its URL or device file, in real time."""

    def __init__(self, url: str) -> None:
        self.name = url

    def open(self) -> SerialLine:
        """Raises UserError, as a sentence of why not."""
        try:
            opened = serial.serial_for_url(
                self.name, BAUD, timeout=0, write_timeout=_WRITE_S, exclusive=True, do_not_open=True
            )
            # The auto-reset circuit of a DevKit, and USB inside of a C3, pull EN while RTS is on without DTR, and IO0
            # while DTR is on without RTS: both on or both off lets the chip run. Linux and macOS turn both on together
            # at open() and both off together when the last one closes, so the lines are never moved one by one here:
            # both stay on, as with mpremote on these systems. Off before open(), as mpremote and esptool have it on
            # Windows, would take DTR away first here, which is a reset. Behind rfc2217 DTR goes on first, which is
            # none. Ptys and sockets have no such lines, and pyserial ignores it.
            opened.dtr = opened.rts = True
            opened.open()
        except (serial.SerialException, OSError, termios.error, ValueError) as error:
            raise UserError(why_closed(self.name, error)) from None
        return SerialLine(opened)

    def now_ms(self) -> float:
        """Returns milliseconds that never go back."""
        return time.monotonic() * 1000

    def sleep_ms(self, duration_ms: float) -> None:
        """Lets time pass."""
        time.sleep(duration_ms / 1000)


def _lost(name: str, error: Exception) -> LineLost:
    return LineLost(f"The line to {name} broke: is the cable still in? ({_words(error)})")


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:120].rstrip(".") or type(error).__name__


def _number(error: Exception) -> int | None:
    """Returns the errno in what pyserial raised; it keeps it in its text alone at times."""
    for number in (getattr(error, "errno", None), *error.args):
        if isinstance(number, int):
            return number
    text = str(error)
    for number in (errno.EACCES, errno.ENOENT, errno.EBUSY, errno.EAGAIN, errno.ECONNREFUSED):
        if f"Errno {number}]" in text:
            return number
    return None


def why_closed(name: str, error: Exception) -> str:
    """Returns why the port `name` could not be opened and what to do about it, as sentences."""
    number = _number(error)
    if number in (errno.EACCES, errno.EPERM):
        group = _group(name)
        return (
            f"There is no right to use {name}: it belongs to the group {group}. Join it with"
            f" `sudo usermod -aG {group} $USER`, log in again, and run this again."
        )
    if number in (errno.EBUSY, errno.EAGAIN):
        return f"{name} is in use: end the other program (a terminal, an IDE, another lobbylock) and run this again."
    if number == errno.ENOENT:
        return f"There is no port {name}: is the cable in, and does it carry data? `lobbylock doctor` lists the ports."
    if number == errno.ECONNREFUSED:
        return f"Nobody listens at {name}."
    if isinstance(error, ValueError):
        return f"{name} is no serial port: write a device file, or a URL such as socket://host:port."
    return f"{name} cannot be opened: {_words(error)}."


def _group(name: str) -> str:
    try:
        import grp

        return grp.getgrgid(os.stat(name).st_gid).gr_name
    except (ImportError, KeyError, OSError):
        return "dialout"
