"""Private files: readable by their owner only, written whole or not at all."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lobbylock.errors import UserError

# A door with 100 drivers takes about 20 KB.
MAX_JSON_BYTES = 1 << 20
MAX_LINE_BYTES = 1_024


def make_folder(path: Path) -> None:
    """Makes `path` and its missing parents, those that it makes with mode 0700."""
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)


def write_private(path: Path, data: bytes) -> None:
    """Writes `data` to `path` with mode 0600, durably: after a crash the old content is there, or the new one.

    Raises UserError if the folder is missing or `path` is one, otherwise OSError.
    """
    check_writable(path)
    # The process id keeps two writers apart; the name is otherwise fixed so that leftovers are overwritten.
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with contextlib.suppress(FileNotFoundError):
            partial.unlink()
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise
    _sync_folder(path.parent)


def check_writable(path: Path, *inputs: Path | str | None) -> None:
    """Raises UserError if no file can lie at `path`, or if one of `inputs` does, by whatever name; to be asked before
    something else is changed.

    `inputs` are what the command was given to read: a text may name a file or be the thing itself, None is nothing.
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder.")
    if not path.parent.is_dir():
        raise UserError(f"There is no folder {path.parent}.")
    if any(each is not None and _is_same(path, each) for each in inputs):
        raise UserError(f"{path} would be overwritten, and it is read here: name another file for what is written.")


def _is_same(path: Path, other: Path | str) -> bool:
    try:
        return os.path.samefile(path, os.path.expanduser(other))
    except (OSError, ValueError):
        # One of them is not there yet, or no file's name at all.
        return False


def _sync_folder(path: Path) -> None:
    # The rename itself is durable only once the folder is.
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Writes `value` to `path` as `write_private` does."""
    write_private(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def read_json(path: Path, what: str) -> dict[str, Any]:
    """Returns the JSON object in `path`; `what` names the thing in messages, for example "door record".

    Raises UserError if it is missing, over MAX_JSON_BYTES or not a JSON object.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_JSON_BYTES + 1)
    except FileNotFoundError:
        raise UserError(f"There is no {what} at {path}.") from None
    if len(data) > MAX_JSON_BYTES:
        raise UserError(f"The {what} {path} is too long to be one.")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise UserError(f"The {what} {path} is not JSON.") from None
    if not isinstance(value, dict):
        raise UserError(f"The {what} {path} is not a JSON object.")
    return value


def append_line(path: Path, value: dict[str, Any]) -> None:
    """Adds `value` to the JSON lines in the private file at `path`, durably."""
    line = json.dumps(value, ensure_ascii=False).encode() + b"\n"
    with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "a+b") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            # What a cut has left there must not spoil this one as well.
            line = line if file.read(1) == b"\n" else b"\n" + line
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields (number of the line from 1, JSON object) of the file at `path`, nothing if there is none.

    Lines that a cut has damaged, and those over MAX_LINE_BYTES, are passed over.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return
    for number, line in enumerate(lines, 1):
        if not 0 < len(line) <= MAX_LINE_BYTES:
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            yield number, value
