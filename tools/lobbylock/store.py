"""What the collector keeps: a chain for each board's history, with its gaps, pictures and evidence.

A chain is the history of one board at one door, told apart by the board's public key. Each message is one
transaction, durable before the acknowledgement leaves.
"""

import contextlib
import errno
import json
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, bindparam, delete, desc, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from firmware.core import event
from lobbylock import tables
from lobbylock.backend import Backend
from lobbylock.deletion import Deletion
from lobbylock.errors import UserError
from lobbylock.files import make_folder, write_private
from lobbylock.picture import MAX_PICTURE_BYTES, Announcement, announcement
from lobbylock.receipt import Account, digest_conflicts, digest_gaps, digest_picture
from lobbylock.verify import Batch, Gap, Known, Verdict, is_number

# Evidence of other histories that is kept of a chain; whoever has a door's key could send it without end.
MAX_CONFLICTS = 16
# Rows fetched at a time of a chain, which may be longer than memory.
_ROWS = 1000


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
    """The records in `database`, on one `connection` of it. Methods raise StoreFailed when the database fails, OSError
    when a picture's file does."""

    def __init__(self, database: Backend, connection: Connection) -> None:
        self._database = database
        self._db = connection
        self._closing: list[Callable[[], None]] = [connection.close]
        # An export may hold one door only.
        self.only_door: str | None = None

    @classmethod
    def open(cls, address: Path | str, pictures: Path | None = None) -> "Store":
        """Opens the store for writing with a database of its own, as `Backend.open` does."""
        return cls._open(address, pictures, False)

    @classmethod
    def open_to_read(cls, address: Path | str, pictures: Path | None = None) -> "Store":
        """Opens an existing store without the right to change it. Raises UserError if there is none."""
        return cls._open(address, pictures, True)

    @classmethod
    def _open(cls, address: Path | str, pictures: Path | None, to_read: bool) -> "Store":
        database = Backend.open(address, pictures, to_read=to_read)
        try:
            store = cls(database, database.open_connection())
        except BaseException:
            database.close()
            raise
        store.close_with(database)
        return store

    def close_with(self, database: Backend) -> None:
        """Makes `close` close the database as well."""
        self._closing.append(database.close)

    def close(self) -> None:
        """Closes the connection, and the database if the store was opened with one of its own."""
        for close in self._closing:
            close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def address(self) -> str:
        """Where the store is, for people."""
        return self._database.address

    @property
    def pictures(self) -> Path:
        """The folder of pictures."""
        return self._database.pictures

    @property
    def connection(self) -> Connection:
        """What the methods read and write on."""
        return self._db

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All of what happens inside is kept, durably, or nothing; no other writer comes in between."""
        with self._database.writing(self._db):
            yield

    def snapshot(self) -> None:
        """Makes everything read from here on be of one moment, whatever a collector adds meanwhile."""
        self._database.begin_reading(self._db)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Ends what SQLAlchemy begins by itself, or the next reading would still see the same moment."""
        if self._db.in_transaction():
            yield
            return
        try:
            yield
        finally:
            self._db.rollback()

    def _rows(self, statement: Any, **values: object) -> Sequence[Any]:
        with self._reading():
            return self._db.execute(statement, values).all()

    def _row(self, statement: Any, **values: object) -> Any:
        with self._reading():
            return self._db.execute(statement, values).first()

    def _scalar(self, statement: Any, **values: object) -> Any:
        with self._reading():
            return self._db.execute(statement, values).scalar()

    def chains(self, door: str | None = None) -> list[Chain]:
        """Returns the chains of `door`, or all of them, in the order in which they began."""
        return [Chain(*row) for row in self._rows(_CHAINS) if door in (None, row[1])]

    def chain(self, door: str, public_key: bytes) -> Chain | None:
        """Returns the chain of the board with `public_key` at `door`."""
        row = self._row(_CHAIN, of_door=door, of_key=public_key)
        return Chain(*row) if row else None

    def begin_chain(self, door: str, public_key: bytes) -> Chain:
        """Returns the chain, which is new if there was none."""
        chain = self.chain(door, public_key)
        if chain is not None:
            return chain
        number = self._scalar(_BEGIN_CHAIN, door=door, public_key=public_key)
        return Chain(number, door, public_key, None, None)

    def known(self, chain: Chain, batch: Batch) -> Known:
        """Returns what is stored around `batch`, for `verify.check_batch`."""
        last_seq = self._scalar(_LAST_SEQ, of_chain=chain.id) or 0
        rows = []
        if not is_number(last_seq) or batch.first_seq - 1 <= last_seq:
            rows = self._rows(_AROUND, of_chain=chain.id, first=batch.first_seq - 1, last=batch.last_seq)
        gaps = self.gaps(chain)
        if not is_number(last_seq) or any(not is_number(gap.first_seq) or not is_number(gap.last_seq) for gap in gaps):
            raise UserError(f"{self.address} is damaged: `lobbylock audit verify` says where.")
        heads = {gap.last_seq: gap.head for gap in gaps}
        heads.update((seq, head) for seq, _, head, _ in rows)
        records = {seq: record for seq, record, _, _ in rows}
        return Known(last_seq, records, heads, gaps, {seq: tag for seq, _, _, tag in rows})

    def last_seq(self, chain: Chain) -> int:
        """Returns the number of the chain's last event, 0 if it has none, or none that is a number."""
        last_seq = self._scalar(_LAST_SEQ, of_chain=chain.id)
        return last_seq if is_number(last_seq) else 0

    def gaps(self, chain: Chain) -> list[Gap]:
        """Returns the gaps of a chain, in order."""
        return [Gap(*row) for row in self._rows(_GAPS, of_chain=chain.id)]

    def add(self, chain: Chain, verdict: Verdict, known: Known, ack: bytes, received_s: int) -> None:
        """Keeps the new events of a verified batch, the pictures that they announce, and the gaps that are left;
        `known` is what `verdict` was found by."""
        batch = verdict.batch
        new_seqs = set(verdict.new_seqs)
        rows = [
            {
                "chain": chain.id,
                "seq": found.seq,
                "kind": found.kind,
                "time_s": found.time_s,
                "record": record,
                "head": head,
                "tag": tag,
                "received_s": received_s,
            }
            for found, record, head, tag in zip(batch.events, batch.records, verdict.heads, batch.tags, strict=True)
            if found.seq in new_seqs
        ]
        self._insert(_ADD_EVENTS, rows)
        announced = [each for each in map(announcement, batch.events) if each is not None and each.seq in new_seqs]
        self._insert(_ADD_PICTURES, [{"chain": chain.id, **asdict(each)} for each in announced])
        if verdict.gaps != known.gaps:
            self._db.execute(_CLEAR_GAPS, {"of_chain": chain.id})
            self._insert(_ADD_GAPS, [{"chain": chain.id, **asdict(gap)} for gap in verdict.gaps])
        # The acknowledgement of the newest event stays: without it, cutting off a chain's end would leave no trace.
        if batch.last_seq >= known.last_seq:
            self._db.execute(_SET_ACK, {"of_chain": chain.id, "new_ack": ack})

    def _insert(self, statements: dict[str, Any], rows: list[dict[str, Any]]) -> None:
        """Adds `rows` but those whose place is taken."""
        if rows:
            self._db.execute(statements[self._db.dialect.name], rows if len(rows) > 1 else rows[0])

    def announced(self, chain: Chain, number: int) -> tuple[Announcement, Path | None] | None:
        """Returns the latest announcement of picture `number`, and its file if that is here and the announced one."""
        row = self._row(_ANNOUNCED, of_chain=chain.id, of_number=number)
        if row is None:
            return None
        try:
            is_here = self.picture_sha256(row[4]) == row[3]
        except (OSError, ValueError):
            is_here = False
        return Announcement(*row[:4]), self.picture_path(row[4]) if is_here else None

    def picture_path(self, file: object) -> Path | None:
        """Returns where the picture row's `file` lies, or None if it names none inside the pictures' folder."""
        if not isinstance(file, str) or not file or ".." in file or "\0" in file or file.startswith("/"):
            return None
        return self.pictures / file

    def keep_picture(
        self, chain: Chain, announced: Announcement, data: bytes, sign: Callable[[Account], bytes]
    ) -> Path:
        """Writes a picture's file, then its row and the chain's receipt; call it outside of a transaction."""
        file = picture_name(chain, announced.seq, announced.number)
        path = self.pictures / file
        make_folder(path.parent)
        write_private(path, data)
        with self.transaction():
            count, digest = self._pictures(chain)
            where = {"of_chain": chain.id, "of_seq": announced.seq}
            self._db.execute(_SET_FILE, {**where, "new_file": file})
            # One that is taken in again, because its file was lost, keeps its place.
            behind = digest_picture(digest, announced.seq, announced.sha256)
            self._db.execute(_SET_ARRIVAL, {**where, "new_arrival": count + 1, "new_digest": behind})
            self.settle(chain, sign)
        return path

    def _pictures(self, chain: Chain) -> tuple[int, bytes | None]:
        row = self._row(_LAST_ARRIVAL, of_chain=chain.id)
        return row if row is not None else (0, None)

    def picture_file(self, chain: int, seq: int) -> str | None:
        """Returns the `file` of the picture that event `seq` of the chain with that id announced, None if there is
        none."""
        return self._scalar(_FILE, of_chain=chain, of_seq=seq)

    def later_deletion(self, chain: Chain, seq: int) -> Deletion | None:
        """Returns the note that the picture of event `seq` was deleted, as of now instead of the moment that is read.

        Pictures may go by rule while somebody reads, whose moment of the store still has them."""
        with self._database.connect() as connection:
            row = connection.execute(_DELETION_NOW, {"of_chain": chain.id, "of_seq": seq}).first()
        return None if row is None else Deletion(*row)

    def picture_sha256(self, file: object) -> bytes:
        """Returns the SHA-256 of what the picture row's `file` names, no more of it read than a picture can have.

        Raises FileNotFoundError or another OSError if it is not there, ValueError if it names no file of the store.
        """
        path = self.picture_path(file)
        if path is None:
            raise ValueError("its row names no file of the store")
        return sha256(read_picture(path)).digest()

    def keep_conflict(self, chain: Chain, conflict: Conflict) -> bool:
        """Keeps evidence of another history. Returns whether it is new and there was room for it."""
        kept = self.conflicts(chain)
        if len(kept) >= MAX_CONFLICTS or any(each.sha256 == conflict.sha256 for each in kept):
            return False
        self._insert(_ADD_CONFLICT, [{"chain": chain.id, **asdict(conflict)}])
        return True

    def conflicts(self, chain: Chain) -> list[Conflict]:
        """Returns the evidence of other histories than the chain's, in order of where they begin."""
        return [Conflict(*row) for row in self._rows(_CONFLICTS, of_chain=chain.id)]

    def account(self, chain: Chain) -> Account:
        """Returns the chain as it stands, for its receipt. Raises UserError if the store is damaged there."""
        row = self._row(_STATE, of_chain=chain.id, of_door=chain.door)
        seq, head, count, digest, of_door, of_all = row
        if seq is None:
            seq, head = 0, event.genesis(chain.public_key)
        conflicts = digest_conflicts([conflict.stamp for conflict in self.conflicts(chain)])
        gaps = digest_gaps(self.gaps(chain))
        return Account(
            chain.door, chain.public_key, seq, head, gaps, count or 0, digest or bytes(32), conflicts, of_door, of_all
        )

    def settle(self, chain: Chain, sign: Callable[[Account], bytes]) -> None:
        """Signs the chain as it stands now; to be called in every transaction that changes it."""
        self._db.execute(_SET_RECEIPT, {"of_chain": chain.id, "new_receipt": sign(self.account(chain))})

    def events(self, chain: Chain) -> Iterator[Entry]:
        """Yields the rows of a chain in order of seq, fetched as they are taken."""
        with self._reading():
            rows = self._db.execute(_EVENTS, {"of_chain": chain.id}, execution_options={"yield_per": _ROWS})
            with contextlib.closing(rows):
                for row in rows:
                    yield Entry(*row)

    def rows(self, chain: Chain, first_seq: int, last_seq: int) -> list[Entry]:
        """Returns the rows `first_seq` to `last_seq` of a chain that are there, in order."""
        return [Entry(*row) for row in self._rows(_SOME_EVENTS, of_chain=chain.id, first=first_seq, last=last_seq)]

    def picture_rows(self, chain: Chain) -> dict[int, PictureRow]:
        """Returns the row of each announced picture by the announcement's seq."""
        return {row[0]: PictureRow(*row[1:]) for row in self._rows(_PICTURES, of_chain=chain.id)}

    def is_indexed(self) -> bool:
        """Whether the index of visits holds any, where there are some: that of an older version has none."""
        return self._scalar(_ANY_VISIT) is not None or self._scalar(_ANY_ACCESS) is None

    def keep_status(self, door: str, status: dict[str, object], received_s: int) -> None:
        """Keeps the last status message of a door in place of the one before; call it inside of a transaction."""
        is_online = bool(status["online"])
        row = {
            "door": door,
            "received_s": received_s,
            "online": is_online,
            "online_s": received_s if is_online else None,
            "content": json.dumps(status),
        }
        self._db.execute(_SET_STATUS[self._db.dialect.name], row)

    def deletions(self, chain: Chain) -> dict[int, Deletion]:
        """Returns what was noted of pictures that were deleted, by the seq of their announcement."""
        return {row[0]: Deletion(*row) for row in self._rows(_DELETIONS, of_chain=chain.id)}

    def deletion(self, chain: Chain, seq: int) -> Deletion | None:
        """Returns what was noted of the picture that event `seq` announced, whoever wrote it: see `deletion_holds`."""
        row = self._row(_DELETION_OF, of_chain=chain.id, of_seq=seq)
        return None if row is None else Deletion(*row)


def _open_plainly(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def picture_name(chain: Chain, seq: int, number: int) -> str:
    """Returns where the picture `number`, which event `seq` announced, is kept in the pictures' folder."""
    # The id tells a door's boards apart, whose numbers may be the same.
    return f"{chain.door}/{chain.id}-{seq}-{number}.jpg"


def read_picture(path: Path) -> bytes:
    """Returns what the file at `path` holds, at most one byte more than a picture can have.

    Raises OSError if it cannot be read, also for what is no regular file: a link leads elsewhere, a pipe never ends.
    """
    with open(path, "rb", opener=_open_plainly) as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise OSError(errno.EINVAL, "Not a regular file")
        return opened.read(MAX_PICTURE_BYTES + 1)


def _of_chain(table: Any) -> Any:
    return table.c.chain == bindparam("of_chain")


def _insert_new(table: Any, *columns: str) -> dict[str, Any]:
    """Returns, for each kind of database, what adds rows but those whose place is taken."""
    names = columns or tuple(table.c.keys())
    values = {name: bindparam(name, type_=table.c[name].type) for name in names}
    return {
        "sqlite": sqlite.insert(table).values(values).on_conflict_do_nothing(),
        "postgresql": postgresql.insert(table).values(values).on_conflict_do_nothing(),
    }


def _set_status(table: Any, kind: Any) -> Any:
    names = table.c.keys()
    adding = kind(table).values({name: bindparam(name, type_=table.c[name].type) for name in names})
    new = adding.excluded
    changes = {name: new[name] for name in names if name not in ("door", "online_s")}
    # One that goes off says when it was there last.
    changes["online_s"] = func.coalesce(new.online_s, table.c.online_s)
    return adding.on_conflict_do_update(index_elements=["door"], set_=changes)


# Made once, so that SQLAlchemy compiles each once and the database prepares it.
_chain, _event, _gap, _picture = tables.chain, tables.event, tables.gap, tables.picture
_conflict, _deletion = tables.conflict, tables.deletion
_CHAINS = select(*_chain.c).order_by(_chain.c.door, _chain.c.id)
_CHAIN = select(*_chain.c).where(_chain.c.door == bindparam("of_door"), _chain.c.public_key == bindparam("of_key"))
_BEGIN_CHAIN = insert(_chain).returning(_chain.c.id)
_COUNT_CHAINS = select(func.count()).select_from(_chain)
_COUNT_OF_DOOR = _COUNT_CHAINS.where(_chain.c.door == bindparam("of_door"))
_SET_ACK = update(_chain).where(_chain.c.id == bindparam("of_chain")).values(ack=bindparam("new_ack"))
_SET_RECEIPT = update(_chain).where(_chain.c.id == bindparam("of_chain")).values(receipt=bindparam("new_receipt"))
_ENTRY = [_event.c[name] for name in ("seq", "kind", "time_s", "record", "head", "tag", "received_s")]
_EVENTS = select(*_ENTRY).where(_of_chain(_event)).order_by(_event.c.seq)
_WITHIN = _event.c.seq.between(bindparam("first"), bindparam("last"))
_SOME_EVENTS = _EVENTS.where(_WITHIN)
_AROUND = select(_event.c.seq, _event.c.record, _event.c.head, _event.c.tag).where(_of_chain(_event), _WITHIN)
_LAST_SEQ = select(func.max(_event.c.seq)).where(_of_chain(_event))
_LAST = select(_event.c.seq).where(_of_chain(_event)).order_by(desc(_event.c.seq)).limit(1)
_ADD_EVENTS = _insert_new(_event)
_ANY_VISIT = select(tables.visit.c.seq).limit(1)
_ANY_ACCESS = select(_event.c.seq).where(_event.c.kind == event.ACCESS).limit(1)
_SET_STATUS = {
    "sqlite": _set_status(tables.status, sqlite.insert),
    "postgresql": _set_status(tables.status, postgresql.insert),
}
_GAPS = select(_gap.c.first_seq, _gap.c.last_seq, _gap.c.head).where(_of_chain(_gap)).order_by(_gap.c.first_seq)
_CLEAR_GAPS = delete(_gap).where(_of_chain(_gap))
_ADD_GAPS = _insert_new(_gap)
_ANNOUNCEMENT = ("seq", "number", "length", "sha256")
_PICTURE_ROW = [_picture.c[name] for name in (*_ANNOUNCEMENT, "file", "arrival", "digest")]
_PICTURES = select(*_PICTURE_ROW).where(_of_chain(_picture)).order_by(_picture.c.seq)
_ANNOUNCED = (
    select(*_PICTURE_ROW)
    .where(_of_chain(_picture), _picture.c.number == bindparam("of_number"))
    .order_by(desc(_picture.c.seq))
    .limit(1)
)
_ADD_PICTURES = _insert_new(_picture, "chain", *_ANNOUNCEMENT)
_THIS_PICTURE = update(_picture).where(_of_chain(_picture), _picture.c.seq == bindparam("of_seq"))
_FILE = select(_picture.c.file).where(_of_chain(_picture), _picture.c.seq == bindparam("of_seq"))
_SET_FILE = _THIS_PICTURE.values(file=bindparam("new_file"))
_SET_ARRIVAL = _THIS_PICTURE.where(_picture.c.arrival.is_(None)).values(
    arrival=bindparam("new_arrival"), digest=bindparam("new_digest")
)
_LAST_ARRIVAL = (
    select(_picture.c.arrival, _picture.c.digest)
    .where(_of_chain(_picture), _picture.c.arrival.is_not(None))
    .order_by(desc(_picture.c.arrival))
    .limit(1)
)
# All that a receipt counts, in one question.
_STATE = select(
    _LAST.scalar_subquery(),
    _LAST.with_only_columns(_event.c.head).scalar_subquery(),
    _LAST_ARRIVAL.with_only_columns(_picture.c.arrival).scalar_subquery(),
    _LAST_ARRIVAL.with_only_columns(_picture.c.digest).scalar_subquery(),
    _COUNT_OF_DOOR.scalar_subquery(),
    _COUNT_CHAINS.scalar_subquery(),
)
_CONFLICTS = (
    select(_conflict.c.sha256, _conflict.c.seq, _conflict.c.message, _conflict.c.received_s)
    .where(_of_chain(_conflict))
    .order_by(_conflict.c.seq, _conflict.c.sha256)
)
_ADD_CONFLICT = _insert_new(_conflict)
_DELETIONS = select(_deletion.c.seq, _deletion.c.deleted_s, _deletion.c.rule, _deletion.c.signature).where(
    _of_chain(_deletion)
)
_DELETION_NOW = _DELETIONS.where(_deletion.c.seq == bindparam("of_seq"))
_DELETION_OF = _DELETIONS.where(_deletion.c.seq == bindparam("of_seq"))
