"""Private files: readable by their owner only, written whole or not at all."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from lobbylock.errors import UserError

# A door with 100 drivers takes about 20 KB.
MAX_JSON_BYTES = 1 << 20


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


def check_writable(path: Path) -> None:
    """Raises UserError if no file can lie at `path`; to be asked before something else is changed."""
    if path.is_dir():
        raise UserError(f"{path} is a folder.")
    if not path.parent.is_dir():
        raise UserError(f"There is no folder {path.parent}.")


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
