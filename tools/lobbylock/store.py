"""What the collector keeps: one SQLite file, and a folder of pictures beside it.

A chain is the history of one board at one door, told apart by the board's public key. Each message is one
transaction; `synchronous = FULL` makes it durable before the acknowledgement leaves.
"""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from hashlib import sha256
from pathlib import Path

from firmware.core import event
from lobbylock.errors import UserError
from lobbylock.files import make_folder, write_private
from lobbylock.picture import MAX_PICTURE_BYTES, Announcement, announcement
from lobbylock.receipt import Account, digest_conflicts, digest_gaps, digest_picture
from lobbylock.verify import Batch, Gap, Known, Verdict, is_number

_APPLICATION_ID = 0x4C4F434B
_VERSION = 2
# Evidence of other histories that is kept of a chain; whoever has a door's key could send it without end.
MAX_CONFLICTS = 16
_SCHEMA = """
CREATE TABLE chain (
    id INTEGER PRIMARY KEY,
    door TEXT NOT NULL,
    public_key BLOB NOT NULL,
    ack BLOB,
    receipt BLOB,
    UNIQUE (door, public_key)
);
CREATE TABLE event (
    chain INTEGER NOT NULL REFERENCES chain (id),
    seq INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    time_s INTEGER,
    record BLOB NOT NULL,
    head BLOB NOT NULL,
    tag BLOB NOT NULL,
    received_s INTEGER NOT NULL,
    PRIMARY KEY (chain, seq)
) WITHOUT ROWID;
CREATE TABLE gap (
    chain INTEGER NOT NULL REFERENCES chain (id),
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    head BLOB NOT NULL,
    PRIMARY KEY (chain, first_seq)
) WITHOUT ROWID;
CREATE TABLE picture (
    chain INTEGER NOT NULL REFERENCES chain (id),
    seq INTEGER NOT NULL,
    number INTEGER NOT NULL,
    length INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    file TEXT,
    arrival INTEGER,
    digest BLOB,
    PRIMARY KEY (chain, seq)
) WITHOUT ROWID;
CREATE INDEX picture_number ON picture (chain, number);
CREATE UNIQUE INDEX picture_arrival ON picture (chain, arrival);
CREATE TABLE conflict (
    chain INTEGER NOT NULL REFERENCES chain (id),
    sha256 BLOB NOT NULL,
    seq INTEGER NOT NULL,
    message BLOB NOT NULL,
    received_s INTEGER NOT NULL,
    PRIMARY KEY (chain, sha256)
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Chain:
    """One board's history at one door. `ack` is the last acknowledgement sent for its events, `receipt` what the
    collector signed for itself."""

    id: int
    door: str
    public_key: bytes
    ack: bytes | None
    receipt: bytes | None


@dataclass(frozen=True)
class Entry:
    """One row of a chain; in an edited store the values are of whatever type."""

    seq: int
    kind: int
    time_s: int | None
    record: bytes
    head: bytes
    tag: bytes
    received_s: int


@dataclass(frozen=True)
class PictureRow:
    """What the store says of an announced picture: its file and place among those that came, None while it has not."""

    number: int
    length: int
    sha256: bytes
    file: str | None
    arrival: int | None
    digest: bytes | None


@dataclass(frozen=True)
class Conflict:
    """An `events` message under the door's own seal that tells another history than the stored one, from `seq` on."""

    sha256: bytes
    seq: int
    message: bytes
    received_s: int

    @property
    def stamp(self) -> tuple[bytes, int, int]:
        """What the receipt is about."""
        return self.sha256, self.seq, self.received_s


class Store:
    """The store at `path`. Methods raise sqlite3.Error and OSError when the disk or the file fails."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.pictures = path.with_name(path.name + ".pictures")
        self._db = connection
        # An export may hold one door only.
        self.only_door: str | None = None

    @classmethod
    def open(cls, path: Path) -> "Store":
        """Opens the store for writing, making it if it is not there. Raises UserError if the file is another's."""
        make_folder(path.resolve().parent)
        # SQLite would make it readable for all; its -wal and -shm files take their mode from this one.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        # Transactions are begun by hand.
        store = cls(path, sqlite3.connect(path, timeout=10, isolation_level=None))
        try:
            store._db.execute("PRAGMA journal_mode = WAL")
            store._db.execute("PRAGMA synchronous = FULL")
            with store.transaction():
                if store._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
                    store.create()
            store._check_kind()
        except sqlite3.DatabaseError as error:
            store.close()
            raise UserError(f"{path} cannot be used as a store: {error}.") from None
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def open_to_read(cls, path: Path) -> "Store":
        """Opens an existing store without the right to change it. Raises UserError if there is none."""
        if not path.is_file():
            raise UserError(f"There is no store at {path}.")
        # Not `immutable`: a collector may be writing to it.
        store = cls(path, sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=10))
        try:
            store._check_kind()
        except sqlite3.DatabaseError as error:
            store.close()
            raise UserError(f"{path} cannot be read as a store: {error}.") from None
        except BaseException:
            store.close()
            raise
        return store

    def create(self) -> None:
        """Makes the tables of an empty store."""
        for statement in _SCHEMA.split(";"):
            self._db.execute(statement)
        self._db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        self._db.execute(f"PRAGMA user_version = {_VERSION}")

    def _check_kind(self) -> None:
        if self._db.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
            raise UserError(f"{self.path} is not a LobbyLock store.")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version != _VERSION:
            # One of version 1 holds no tags, so nothing in it could ever be checked as this version does.
            raise UserError(
                f"{self.path} was written by another version of LobbyLock; its form is {version}, not"
                f" {_VERSION}: keep it for that version, and start a new one."
            )

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All of what happens inside is kept, durably, or nothing; no other writer comes in between."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            # A failed COMMIT (disk full) may have ended the transaction itself.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def chains(self, door: str | None = None) -> list[Chain]:
        """Returns the chains of `door`, or all of them, in the order in which they began."""
        rows = self._db.execute("SELECT id, door, public_key, ack, receipt FROM chain ORDER BY door, id")
        return [Chain(*row) for row in rows if door in (None, row[1])]

    def chain(self, door: str, public_key: bytes) -> Chain | None:
        """Returns the chain of the board with `public_key` at `door`."""
        row = self._db.execute(
            "SELECT id, door, public_key, ack, receipt FROM chain WHERE door = ? AND public_key = ?", (door, public_key)
        ).fetchone()
        return Chain(*row) if row else None

    def begin_chain(self, door: str, public_key: bytes) -> Chain:
        """Returns the chain, which is new if there was none."""
        chain = self.chain(door, public_key)
        if chain is not None:
            return chain
        row = self._db.execute("INSERT INTO chain (door, public_key) VALUES (?, ?)", (door, public_key))
        return Chain(row.lastrowid or 0, door, public_key, None, None)

    def known(self, chain: Chain, batch: Batch) -> Known:
        """Returns what is stored around `batch`, for `verify.check_batch`."""
        last_seq = self._db.execute("SELECT max(seq) FROM event WHERE chain = ?", (chain.id,)).fetchone()[0] or 0
        rows = self._db.execute(
            "SELECT seq, record, head, tag FROM event WHERE chain = ? AND seq BETWEEN ? AND ?",
            (chain.id, batch.first_seq - 1, batch.last_seq),
        ).fetchall()
        gaps = self.gaps(chain)
        if not is_number(last_seq) or any(not is_number(gap.first_seq) or not is_number(gap.last_seq) for gap in gaps):
            raise UserError(f"{self.path} is damaged: `lobbylock audit verify` says where.")
        heads = {gap.last_seq: gap.head for gap in gaps}
        heads.update((seq, head) for seq, _, head, _ in rows)
        records = {seq: record for seq, record, _, _ in rows}
        return Known(last_seq, records, heads, gaps, {seq: tag for seq, _, _, tag in rows})

    def gaps(self, chain: Chain) -> list[Gap]:
        """Returns the gaps of a chain, in order."""
        rows = self._db.execute(
            "SELECT first_seq, last_seq, head FROM gap WHERE chain = ? ORDER BY first_seq", (chain.id,)
        )
        return [Gap(*row) for row in rows]

    def add(self, chain: Chain, verdict: Verdict, ack: bytes, received_s: int) -> None:
        """Keeps the new events of a verified batch, the pictures that they announce, and the gaps that are left."""
        batch = verdict.batch
        rows = [
            (chain.id, found.seq, found.kind, found.time_s, record, head, tag, received_s)
            for found, record, head, tag in zip(batch.events, batch.records, verdict.heads, batch.tags, strict=True)
        ]
        self._db.executemany("INSERT OR IGNORE INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        for announced in filter(None, map(announcement, batch.events)):
            self._db.execute(
                "INSERT OR IGNORE INTO picture (chain, seq, number, length, sha256) VALUES (?, ?, ?, ?, ?)",
                (chain.id, announced.seq, announced.number, announced.length, announced.sha256),
            )
        if verdict.gaps != self.gaps(chain):
            self._db.execute("DELETE FROM gap WHERE chain = ?", (chain.id,))
            gaps = [(chain.id, gap.first_seq, gap.last_seq, gap.head) for gap in verdict.gaps]
            self._db.executemany("INSERT INTO gap VALUES (?, ?, ?, ?)", gaps)
        # The acknowledgement of the newest event stays: without it, cutting off a chain's end would leave no trace.
        newest = self._db.execute("SELECT max(seq) FROM event WHERE chain = ?", (chain.id,)).fetchone()[0]
        if batch.last_seq == newest:
            self._db.execute("UPDATE chain SET ack = ? WHERE id = ?", (ack, chain.id))

    def announced(self, chain: Chain, number: int) -> tuple[Announcement, Path | None] | None:
        """Returns the latest announcement of picture `number`, and its file if that is here."""
        row = self._db.execute(
            "SELECT seq, number, length, sha256, file FROM picture WHERE chain = ? AND number = ?"
            " ORDER BY seq DESC LIMIT 1",
            (chain.id, number),
        ).fetchone()
        if row is None:
            return None
        path = self.picture_path(row[4])
        return Announcement(*row[:4]), path if path is not None and path.is_file() else None

    def picture_path(self, file: object) -> Path | None:
        """Returns where the picture row's `file` lies, or None if it names none inside the pictures' folder."""
        if not isinstance(file, str) or not file or ".." in file or "\0" in file or file.startswith("/"):
            return None
        return self.pictures / file

    def keep_picture(
        self, chain: Chain, announced: Announcement, data: bytes, sign: Callable[[Account], bytes]
    ) -> Path:
        """Writes a picture's file, then its row and the chain's receipt; call it outside of a transaction."""
        # The id tells a door's boards apart, whose numbers may be the same.
        file = f"{chain.door}/{chain.id}-{announced.seq}-{announced.number}.jpg"
        path = self.pictures / file
        make_folder(path.parent)
        write_private(path, data)
        with self.transaction():
            count, digest = self._pictures(chain)
            self._db.execute("UPDATE picture SET file = ? WHERE chain = ? AND seq = ?", (file, chain.id, announced.seq))
            # One that is taken in again, because its file was lost, keeps its place.
            self._db.execute(
                "UPDATE picture SET arrival = ?, digest = ? WHERE chain = ? AND seq = ? AND arrival IS NULL",
                (count + 1, digest_picture(digest, announced.seq, announced.sha256), chain.id, announced.seq),
            )
            self.settle(chain, sign)
        return path

    def _pictures(self, chain: Chain) -> tuple[int, bytes | None]:
        row = self._db.execute(
            "SELECT arrival, digest FROM picture WHERE chain = ? AND arrival IS NOT NULL ORDER BY arrival DESC LIMIT 1",
            (chain.id,),
        ).fetchone()
        return row if row is not None else (0, None)

    def picture_sha256(self, file: object) -> bytes:
        """Returns the SHA-256 of what the picture row's `file` names, no more of it read than a picture can have.

        Raises FileNotFoundError or another OSError if it is not there, ValueError if it names no file of the store.
        """
        path = self.picture_path(file)
        if path is None:
            raise ValueError("its row names no file of the store")
        with open(path, "rb") as opened:
            return sha256(opened.read(MAX_PICTURE_BYTES + 1)).digest()

    def keep_conflict(self, chain: Chain, conflict: Conflict) -> bool:
        """Keeps evidence of another history. Returns whether it is new and there was room for it."""
        if (
            self._db.execute("SELECT count(*) FROM conflict WHERE chain = ?", (chain.id,)).fetchone()[0]
            >= MAX_CONFLICTS
        ):
            return False
        values = (chain.id, *astuple(conflict))
        return self._db.execute("INSERT OR IGNORE INTO conflict VALUES (?, ?, ?, ?, ?)", values).rowcount > 0

    def conflicts(self, chain: Chain) -> list[Conflict]:
        """Returns the evidence of other histories than the chain's, in order of where they begin."""
        rows = self._db.execute(
            "SELECT sha256, seq, message, received_s FROM conflict WHERE chain = ? ORDER BY seq, sha256", (chain.id,)
        )
        return [Conflict(*row) for row in rows]

    def account(self, chain: Chain) -> Account:
        """Returns the chain as it stands, for its receipt. Raises UserError if the store is damaged there."""
        seq, head = self._db.execute(
            "SELECT seq, head FROM event WHERE chain = ? ORDER BY seq DESC LIMIT 1", (chain.id,)
        ).fetchone() or (0, event.genesis(chain.public_key))
        count, digest = self._pictures(chain)
        of_door, of_all = self._db.execute("SELECT sum(door = ?), count(*) FROM chain", (chain.door,)).fetchone()
        conflicts = digest_conflicts([conflict.stamp for conflict in self.conflicts(chain)])
        gaps = digest_gaps(self.gaps(chain))
        return Account(
            chain.door, chain.public_key, seq, head, gaps, count, digest or bytes(32), conflicts, of_door, of_all
        )

    def settle(self, chain: Chain, sign: Callable[[Account], bytes]) -> None:
        """Signs the chain as it stands now; to be called in every transaction that changes it."""
        self._db.execute("UPDATE chain SET receipt = ? WHERE id = ?", (sign(self.account(chain)), chain.id))

    def events(self, chain: Chain) -> Iterator[Entry]:
        """Yields the rows of a chain in order of seq."""
        for row in self._db.execute(
            "SELECT seq, kind, time_s, record, head, tag, received_s FROM event WHERE chain = ? ORDER BY seq",
            (chain.id,),
        ):
            yield Entry(*row)

    def picture_rows(self, chain: Chain) -> dict[int, PictureRow]:
        """Returns the row of each announced picture by the announcement's seq."""
        rows = self._db.execute(
            "SELECT seq, number, length, sha256, file, arrival, digest FROM picture WHERE chain = ? ORDER BY seq",
            (chain.id,),
        )
        return {row[0]: PictureRow(*row[1:]) for row in rows}

    def snapshot(self) -> None:
        """Makes everything read from here on be of one moment, whatever a collector adds meanwhile."""
        self._db.execute("BEGIN")
