"""What somebody with the database in hand does to a stored row: the demonstration's own edit, past the collector."""

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cbor

from firmware.core import event

_BUSY_S = 10.0
_LAST_BIT = 1


@dataclass(frozen=True)
class RowEdit:
    """A record that was written over: of the event `seq` of chain `chain` (its number in the store) at `door`.

    `sentence` says what it was and what it is now.
    """

    chain: int
    door: str
    seq: int
    before: bytes
    sentence: str


def alter_row(path: Path) -> RowEdit | None:
    """Alters the newest access in the SQLite store at `path`, or the newest event; returns None if none is there.

    Raises sqlite3.Error.
    """
    with _connect(path) as opened:
        row = _newest(opened, event.ACCESS) or _newest(opened, None)
        if row is None:
            return None
        chain, door, seq, before = row
        after, what = _falsify(bytes(before))
        opened.execute("UPDATE event SET record = ? WHERE chain = ? AND seq = ?", (after, chain, seq))
    return RowEdit(chain, door, seq, bytes(before), f"Row #{seq} of {door} was written over in the database: {what}.")


def restore_row(path: Path, edit: RowEdit) -> None:
    """Writes the row back as it was. Raises sqlite3.Error."""
    with _connect(path) as opened:
        opened.execute("UPDATE event SET record = ? WHERE chain = ? AND seq = ?", (edit.before, edit.chain, edit.seq))


@contextlib.contextmanager
def _connect(path: Path) -> Any:
    """Yields a connection of its own, whose transaction is kept if nothing is raised."""
    with contextlib.closing(sqlite3.connect(path, timeout=_BUSY_S)) as opened, opened:
        yield opened


def _newest(opened: sqlite3.Connection, kind: int | None) -> Any:
    return opened.execute(
        "SELECT event.chain, chain.door, event.seq, event.record FROM event JOIN chain ON chain.id = event.chain"
        " WHERE ?1 IS NULL OR event.kind = ?1 ORDER BY event.chain DESC, event.seq DESC LIMIT 1",
        (kind,),
    ).fetchone()


def _falsify(record: bytes) -> tuple[bytes, str]:
    """Returns the record with another person in it, or else with one bit changed, and what that is in words."""
    with contextlib.suppress(cbor.CborError):
        found = event.decode(record)
        subject, slot = found.details.get(event.SUBJECT), found.details.get(event.SLOT)
        if isinstance(subject, str) and subject:
            other = subject[:-1] + ("2" if subject[-1] != "2" else "3")
            found.details[event.SUBJECT] = other
            return found.encode(), f"{subject} became {other}"
        if isinstance(slot, int):
            found.details[event.SLOT] = slot + 1
            return found.encode(), f"the code of slot {slot} became one of slot {slot + 1}"
    changed = bytearray(record)
    changed[-1] ^= _LAST_BIT
    return bytes(changed), "the last bit of its record is another one"
