"""The record as one file for other programs: docs/protocol.md, section 12.

JSON Lines: a head, then each chain with what belongs to it, and a signed end, so that a file that was cut off or
altered shows. Read back, an export is a store of its own that the same audit walks.
"""

import json
import os
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

import cbor
import cose
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from firmware.core import event
from lobbylock.backend import Backend
from lobbylock.deletion import Deletion
from lobbylock.door import Door
from lobbylock.errors import UserError
from lobbylock.files import check_writable
from lobbylock.finding import EXPORT_ALTERED, EXPORT_CUT, Broken, Finding
from lobbylock.names import is_door
from lobbylock.signature import Signer, is_signed
from lobbylock.store import Chain, Store
from lobbylock.tables import metadata
from lobbylock.verify import HEAD_BYTES, is_number

VERSION = 1
MAX_LINE_BYTES = 20_000
_MAX_LINES = 50_000_000
_MAX_CHAINS = 10_000
_MAX_RULE_CHARACTERS = 64
_END = 4


# Writing.


def write_export(
    store: Store, path: Path, doors: dict[str, Door], signer: Signer, made_s: int, *, only: str | None, with_keys: bool
) -> int:
    """Writes the chains of `store`, or those of the door `only`, to `path`. Returns how many events there are.

    With `with_keys` it holds the enrolled journal keys, which are secret: whoever has them can make tags. Raises
    UserError if the store holds what no collector writes.
    """
    check_writable(path)
    # The mode of a new file: a record of who came is nobody else's business.
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            count = _Writer(file, store, doors, signer, with_keys).write(made_s, only)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except _Unfit:
        raise UserError(f"{store.address} is damaged: `lobbylock audit verify` says where.") from None
    finally:
        partial.unlink(missing_ok=True)
    return count


class _Writer:
    def __init__(self, file: BinaryIO, store: Store, doors: dict[str, Door], signer: Signer, with_keys: bool) -> None:
        self._file = file
        self._store = store
        self._doors = doors
        self._signer = signer
        self._with_keys = with_keys
        self._digest = sha256()
        self._lines = 0

    def write(self, made_s: int, only: str | None) -> int:
        self._line("lobbylock export", version=VERSION, made_s=made_s, door=only)
        count = 0
        for chain in self._store.chains(only):
            count += self._write_chain(chain)
        digest = self._digest.digest()
        payload = cbor.encode([_END, self._lines, digest])
        signature = cose.pack(payload, self._signer.sign(cose.to_be_signed(payload)))
        self._line("end", lines=self._lines, sha256=digest.hex(), signature=signature.hex())
        return count

    def _line(self, kind: str, **values: Any) -> None:
        line = json.dumps({"type": kind, **values}, separators=(",", ":")).encode() + b"\n"
        self._digest.update(line)
        self._lines += 1
        self._file.write(line)

    def _write_chain(self, chain: Chain) -> int:
        store = self._store
        door = self._doors.get(chain.door)
        key = door.journal_keys.get(chain.public_key) if door is not None else None
        journal: dict[str, Any] | None = {"seq": key.seq} if key is not None else None
        if journal is not None and key is not None and self._with_keys:
            journal["key"] = key.key.hex()
        self._line(
            "chain",
            door=chain.door,
            public_key=_hex(chain.public_key),
            journal=journal,
            ack=_hex_or_none(chain.ack),
            receipt=_hex_or_none(chain.receipt),
        )
        for gap in store.gaps(chain):
            self._line("gap", first_seq=_number(gap.first_seq), last_seq=_number(gap.last_seq), head=_hex(gap.head))
        count = 0
        for row in store.events(chain):
            self._line("event", seq=_number(row.seq), record=_hex(row.record), head=_hex(row.head), tag=_hex(row.tag))
            count += 1
        deletions = store.deletions(chain)
        for seq, row in store.picture_rows(chain).items():
            self._line(
                "picture",
                seq=_number(seq),
                number=_number(row.number),
                length=_number(row.length),
                sha256=_hex(row.sha256),
                arrival=None if row.arrival is None else _number(row.arrival),
                digest=_hex_or_none(row.digest),
                found="" if seq in deletions else _found(store, row.file),
            )
        for note in deletions.values():
            seq, deleted_s = _number(note.seq), _number(note.deleted_s)
            signature = _hex(note.signature)
            self._line("deletion", seq=seq, deleted_s=deleted_s, rule=_text(note.rule), signature=signature)
        for kept in store.conflicts(chain):
            seq, received_s = _number(kept.seq), _number(kept.received_s)
            self._line("conflict", seq=seq, received_s=received_s, message=_hex(kept.message))
        return count


def _hex(data: object) -> str:
    # In an edited store it may be of any type.
    if not isinstance(data, bytes):
        raise _Unfit
    return data.hex()


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > _MAX_RULE_CHARACTERS:
        raise _Unfit
    return value


def _hex_or_none(data: object) -> str | None:
    return None if data is None else _hex(data)


def _found(store: Store, file: object) -> str | None:
    """Returns the SHA-256 of a picture's file in hex, "" if it is not where its row says, None if it has not come."""
    if file is None:
        return None
    try:
        return store.picture_sha256(file).hex()
    except (OSError, ValueError):
        return ""


# Reading.

_INSERT = {name: insert(metadata.tables[name]) for name in ("chain", "gap", "event", "picture", "conflict", "deletion")}


class ExportedStore(Store):
    """An export, read into a database that ends with the process; a picture's `file` is the hash that was found."""

    made_s = 0

    def insert(self, table: str, *values: object) -> None:
        """Adds a row. Raises IntegrityError if there is one in its place."""
        columns = metadata.tables[table].c.keys()
        self._db.execute(_INSERT[table], dict(zip(columns, values, strict=True)))

    def picture_sha256(self, file: object) -> bytes:
        """Returns the SHA-256 that the file had when the export was made."""
        if not file:
            raise FileNotFoundError(2, "not there when the export was made")
        return bytes.fromhex(str(file))

    def later_deletion(self, chain: Chain, seq: int) -> Deletion | None:
        """An export is of one moment."""
        return None


def is_export(path: Path) -> bool:
    """Whether the file at `path` begins as an export does. Raises OSError if it cannot be read."""
    with open(path, "rb") as file:
        return file.read(1) == b"{"


def read_export(path: Path, collector_key: bytes) -> tuple[ExportedStore, list[Finding]]:
    """Returns what the export at `path` holds, and what is wrong with the file itself; lines behind something that is
    no line of an export are not read.

    Raises UserError if it is not an export of this version.
    """
    # An empty name: SQLite puts it on the disk when it grows, and takes it away by itself.
    database = Backend.temporary(str(path))
    store = ExportedStore(database, database.open_connection())
    store.close_with(database)
    findings = []
    try:
        with open(path, "rb") as file, store.transaction():
            try:
                _Reader(file, store, str(path)).read(collector_key)
            except Broken as broken:
                findings.append(broken.finding)
    except BaseException:
        store.close()
        raise
    return store, findings


class _Reader:
    def __init__(self, file: BinaryIO, store: ExportedStore, name: str) -> None:
        self._file = file
        self._store = store
        self._name = name
        self._digest = sha256()
        self._number = 0
        self._chain = 0

    def read(self, collector_key: bytes) -> None:
        lines = self._lines()
        _, head = next(lines, (b"", None))
        if head is None or head.get("type") != "lobbylock export" or head.get("version") != VERSION:
            raise UserError(f"{self._name} is not an export of version {VERSION}.")
        made_s, door = head.get("made_s"), head.get("door")
        if not is_number(made_s) or not (door is None or (isinstance(door, str) and is_door(door))):
            raise self._altered("its first line")
        self._store.made_s, self._store.only_door = made_s, door
        for before, value in lines:
            if value is None:
                raise self._altered(f"line {self._number} is none of an export")
            if value.get("type") == "end":
                self._check_end(value, before, collector_key)
                return
            self._take(value)
        raise Broken(Finding(self._name, 0, EXPORT_CUT, f"it has {self._number} lines and no end"))

    def _altered(self, what: str) -> Broken:
        return Broken(Finding(self._name, 0, EXPORT_ALTERED, what))

    def _lines(self) -> Iterator[tuple[bytes, dict[str, Any] | None]]:
        """Yields (digest of what is before, JSON object or None if the line holds none)."""
        while self._number < _MAX_LINES:
            line = self._file.readline(MAX_LINE_BYTES)
            if not line:
                return
            before = self._digest.digest()
            self._digest.update(line)
            self._number += 1
            if not line.endswith(b"\n"):
                if len(line) == MAX_LINE_BYTES:
                    raise self._altered(f"line {self._number} is longer than {MAX_LINE_BYTES} bytes")
                raise Broken(Finding(self._name, 0, EXPORT_CUT, f"it ends within line {self._number}"))
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                value = None
            yield before, value if isinstance(value, dict) else None

    def _check_end(self, value: dict[str, Any], digest: bytes, collector_key: bytes) -> None:
        if self._file.read(1):
            raise self._altered(f"something follows its end in line {self._number}")
        expected = cbor.encode([_END, self._number - 1, digest])
        try:
            payload, signature = cose.unpack(_bytes(value.get("signature")))
        except (cose.CoseError, _Unfit):
            raise self._altered("its end is not signed") from None
        if not is_signed(collector_key, cose.to_be_signed(payload), signature):
            raise self._altered("its end is not signed by the collector")
        if payload != expected or (value.get("lines"), value.get("sha256")) != (self._number - 1, digest.hex()):
            raise self._altered("its lines are not those that the collector signed")

    def _take(self, value: dict[str, Any]) -> None:
        take: Callable[[dict[str, Any]], None] | None = {
            "chain": self._take_chain,
            "gap": self._take_gap,
            "event": self._take_event,
            "picture": self._take_picture,
            "conflict": self._take_conflict,
            "deletion": self._take_deletion,
        }.get(str(value.get("type")))
        try:
            if take is None or (self._chain == 0 and value["type"] != "chain"):
                raise _Unfit
            take(value)
        except (_Unfit, cbor.CborError, IntegrityError):
            # A second row of one number, for example.
            raise self._altered(f"line {self._number} is none of an export") from None

    def _take_chain(self, value: dict[str, Any]) -> None:
        door = value.get("door")
        if not isinstance(door, str) or not is_door(door) or self._chain >= _MAX_CHAINS:
            raise _Unfit
        ack, receipt = (_bytes_or_none(value.get(name)) for name in ("ack", "receipt"))
        self._chain += 1
        self._store.insert("chain", self._chain, door, _bytes(value.get("public_key"), 32), ack, receipt)

    def _take_gap(self, value: dict[str, Any]) -> None:
        first_seq, last_seq = _number(value.get("first_seq")), _number(value.get("last_seq"))
        self._store.insert("gap", self._chain, first_seq, last_seq, _bytes(value.get("head"), HEAD_BYTES))

    def _take_event(self, value: dict[str, Any]) -> None:
        record = _bytes(value.get("record"))
        head, tag = _bytes(value.get("head")), _bytes(value.get("tag"))
        kind, time_s = _kind_and_time(record)
        self._store.insert("event", self._chain, _number(value.get("seq")), kind, time_s, record, head, tag, 0)

    def _take_picture(self, value: dict[str, Any]) -> None:
        arrival, found = value.get("arrival"), value.get("found")
        if found not in (None, ""):
            _bytes(found, 32)
        numbers = [_number(value.get(name)) for name in ("seq", "number", "length")]
        digest = _bytes(value.get("sha256"), 32)
        place = None if arrival is None else _number(arrival)
        behind = _bytes_or_none(value.get("digest"))
        self._store.insert("picture", self._chain, *numbers, digest, found, place, behind)

    def _take_conflict(self, value: dict[str, Any]) -> None:
        message = _bytes(value.get("message"))
        numbers = [_number(value.get(name)) for name in ("seq", "received_s")]
        self._store.insert("conflict", self._chain, sha256(message).digest(), numbers[0], message, numbers[1])

    def _take_deletion(self, value: dict[str, Any]) -> None:
        numbers = [_number(value.get(name)) for name in ("seq", "deleted_s")]
        rule, signature = _text(value.get("rule")), _bytes(value.get("signature"))
        self._store.insert("deletion", self._chain, *numbers, rule, signature)


class _Unfit(Exception):
    """What is there is not of the form that its place in an export has."""


def _number(value: object) -> int:
    if not is_number(value):
        raise _Unfit
    return value


def _bytes(value: object, length: int | None = None) -> bytes:
    if not isinstance(value, str):
        raise _Unfit
    try:
        data = bytes.fromhex(value)
    except ValueError:
        raise _Unfit from None
    # bytes.fromhex passes over blanks.
    if data.hex() != value or length not in (None, len(data)):
        raise _Unfit
    return data


def _bytes_or_none(value: object) -> bytes | None:
    return None if value is None else _bytes(value)


def _kind_and_time(record: bytes) -> tuple[int, int | None]:
    """Returns what the store's columns hold of a record; the audit names one that is none."""
    try:
        found = event.decode(record)
    except cbor.CborError:
        return 0, None
    if not is_number(found.kind) or not is_number(found.time_s or 0):
        raise _Unfit
    return found.kind, found.time_s
