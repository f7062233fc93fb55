"""Where the collector's store lies: one SQLite file, or a PostgreSQL database; and a folder of pictures beside it.

Reading is done on snapshots, each of one moment. Writing is done by one writer at a time on both databases, and is on
the disk when the transaction has ended. The form of the tables is that of `tables.py`; older ones are brought up to it
by the migrations.
"""

import contextlib
import os
import re
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy
from sqlalchemy import URL, Connection, Engine, event, exc, inspect, text

from lobbylock.errors import StoreFailed, UserError
from lobbylock.files import make_folder
from lobbylock.tables import metadata

_APPLICATION_ID = 0x4C4F434B
# PRAGMA user_version of a SQLite file: 2 is that of stores without a version table.
_FIRST_FORM = 2
_FORM = 3
# The newest migration, whose tables are those of tables.py, and the one that stands for form 2.
HEAD = "0002"
FIRST = "0001"
VERSION_TABLE = "lobbylock_version"
# How long to wait for another writer, or for a server that does not answer.
_WAIT_S = 10
_POOL = 8
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)

_Opened = TypeVar("_Opened", bound="Backend")


class _File(sqlite3.Connection):
    """A connection to the file at `path`, and which file lay there when it was opened."""

    path: Path
    identity: tuple[int, int] | None

    def is_there(self) -> bool:
        """Whether the file at the path is still the one that is open: what is written to another one is lost."""
        return self.identity is not None and self.identity == _identify(self.path)


class Backend:
    """An open store. Its methods may be called in any thread; a connection is for one thread at a time.

    Whatever fails in the database comes out as StoreFailed; only sqlalchemy.exc.IntegrityError, an answer to an insert,
    is left as it is.
    """

    def __init__(self, engine: Engine, address: str, pictures: Path, *, is_read_only: bool = False) -> None:
        self.address = address
        self.pictures = pictures
        self.is_sqlite = engine.dialect.name == "sqlite"
        self._engine = engine
        self._is_read_only = is_read_only
        self._turn = threading.Lock()
        event.listen(engine, "handle_error", self._name_failure, retval=True)
        event.listen(engine, "begin", self._check_file)
        event.listen(engine, "checkout", _check_out)

    @classmethod
    def open(
        cls: type[_Opened],
        address: str | Path,
        pictures: Path | None = None,
        *,
        to_read: bool = False,
        must_exist: bool = False,
    ) -> _Opened:
        """Opens the store at `address`, a path or the URL of a PostgreSQL database; to write, makes it if there is none
        (unless it `must_exist`) and brings an older form up to date.

        `pictures` is the folder of pictures; that of a SQLite file lies beside it by default, that of PostgreSQL has
        none. Raises UserError for what is no store of ours, StoreFailed if the database does not answer.
        """
        url = parse_address(address)
        if pictures is None:
            pictures = default_pictures(address, None)
        if url.get_backend_name() == "sqlite":
            engine, name = _sqlite_engine(Path(url.database or ""), to_read, must_exist), url.database or ""
        else:
            engine, name = _postgresql_engine(url, to_read), describe_address(url)
        opened = cls(engine, name, pictures, is_read_only=to_read)
        try:
            opened._check_form(to_read, must_exist)
        except StoreFailed as failure:
            opened.close()
            if not opened.is_sqlite:
                raise
            verb = "read" if to_read else "used"
            raise UserError(f"{opened.address} cannot be {verb} as a store: {failure}") from None
        except BaseException:
            opened.close()
            raise
        return opened

    @classmethod
    def temporary(cls: type[_Opened], name: str) -> _Opened:
        """Returns an empty store on the disk that is gone when it is closed, called `name`. It has one connection."""
        engine = sqlalchemy.create_engine(
            # An empty name: SQLite puts it on the disk when it grows, and takes it away by itself.
            "sqlite://",
            creator=lambda: sqlite3.connect("", isolation_level=None, check_same_thread=False),
            poolclass=sqlalchemy.StaticPool,
            hide_parameters=True,
        )
        opened = cls(engine, name, Path(f"{name}.pictures"))
        with opened.begin() as connection:
            metadata.create_all(connection)
        return opened

    @property
    def url(self) -> str:
        """The whole address, for another process to open: there may be a password in it, so it is never shown."""
        return self.address if self.is_sqlite else self._engine.url.render_as_string(hide_password=False)

    def close(self) -> None:
        """Closes all connections that nobody uses."""
        self._engine.dispose()

    def __enter__(self: _Opened) -> _Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Connections.

    @contextlib.contextmanager
    def connect(self) -> Iterator[Connection]:
        """Yields a connection that sees the store as it is now, whatever is written meanwhile; nothing is kept of what
        is written on it."""
        with self.open_connection() as connection:
            self.begin_reading(connection)
            try:
                yield connection
            finally:
                connection.rollback()

    @contextlib.contextmanager
    def begin(self, wait_s: float | None = None) -> Iterator[Connection]:
        """Yields a connection in a transaction of which all is kept, durably, or nothing; no other writer comes in
        between. Raises StoreFailed where another one goes on for `wait_s`, or as long as is usual."""
        with self.open_connection() as connection, self.writing(connection, wait_s):
            yield connection

    def open_connection(self) -> Connection:
        """Returns a connection on which nothing has begun; the caller closes it."""
        try:
            return self._engine.connect()
        except exc.SQLAlchemyError as error:
            raise StoreFailed(f"The store at {self.address} has no connection free.") from error

    def begin_reading(self, connection: Connection) -> None:
        """Makes everything read on `connection` be of one moment, until its transaction ends."""
        if self.is_sqlite:
            connection.begin()
            connection.exec_driver_sql("BEGIN")
        else:
            # On one that may only read, this option would end that when it is taken back.
            options = {} if self._is_read_only else {"postgresql_readonly": True}
            connection.execution_options(isolation_level="REPEATABLE READ", **options)
            connection.begin()

    @contextlib.contextmanager
    def writing(self, connection: Connection, wait_s: float | None = None) -> Iterator[None]:
        """Makes what happens on `connection` inside a transaction as `begin` does."""
        if not self._turn.acquire(timeout=_WAIT_S if wait_s is None else wait_s):
            raise StoreFailed(f"The store at {self.address} is busy: another part of this program is writing.")
        try:
            self._begin_writing(connection, wait_s)
            try:
                yield
                connection.commit()
                # Nobody is told that something is kept in a file that was taken away meanwhile.
                self._check_file(connection)
            except BaseException:
                # What is rolled back does not matter any more, and the first failure is the one to tell.
                with contextlib.suppress(StoreFailed):
                    connection.rollback()
                raise
        finally:
            self._turn.release()

    def _begin_writing(self, connection: Connection, wait_s: float | None) -> None:
        for is_last in (False, True):
            try:
                connection.begin()
                if self.is_sqlite:
                    self._begin_immediate(connection, wait_s)
                else:
                    if wait_s is not None:
                        # Until the transaction ends.
                        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{max(1, round(wait_s * 1000))}ms'")
                    connection.execute(_LOCK)
                return
            except StoreFailed as failure:
                with contextlib.suppress(StoreFailed):
                    connection.rollback()
                # A server that went away since the last time may be back; nothing has been written yet.
                if is_last or not failure.is_gone:
                    raise

    def _begin_immediate(self, connection: Connection, wait_s: float | None) -> None:
        if wait_s is None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            return
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {round(wait_s * 1000)}")
        opened: Any = connection.connection.driver_connection
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        finally:
            # Past SQLAlchemy, which may have given up the connection; one that was closed is nobody's any more.
            with contextlib.suppress(sqlite3.Error):
                opened.execute(f"PRAGMA busy_timeout = {_WAIT_S * 1000}")

    def _check_file(self, connection: Connection) -> None:
        """Raises StoreFailed if the file of SQLite was moved, deleted or replaced; the next attempt opens what is there
        then."""
        opened = connection.connection.driver_connection
        if isinstance(opened, _File) and not opened.is_there():
            connection.invalidate()
            raise StoreFailed(f"The file at {self.address} is not the one any more that was opened.", is_gone=True)

    # Form.

    def _check_form(self, to_read: bool, must_exist: bool) -> None:
        """Makes or migrates the tables, or raises UserError."""
        with self.connect() as connection:
            version = self._version(connection)
        if version == HEAD:
            return
        if version is None and (to_read or must_exist):
            raise UserError(f"There is no store at {self.address}.")
        if to_read:
            raise UserError(
                f"{self.address} was written by an older version of LobbyLock: `lobbylock store migrate` brings it up"
                " to this one."
            )
        with self.begin() as connection:
            # Another process may have been here first.
            version = self._version(connection)
            if version is None:
                metadata.create_all(connection)
                self._stamp(connection, HEAD)
            elif version != HEAD:
                from lobbylock.migrations.upgrade import upgrade

                if version == FIRST and not inspect(connection).has_table(VERSION_TABLE):
                    self._stamp(connection, FIRST)
                upgrade(connection)
                self._mark(connection)

    def _version(self, connection: Connection) -> str | None:
        """Returns the migration that the tables are at, None if there are none. Raises UserError for another's."""
        if self.is_sqlite:
            # These say more than names of tables do.
            application = connection.exec_driver_sql("PRAGMA application_id").scalar()
            form = connection.exec_driver_sql("PRAGMA user_version").scalar()
            if connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar() == 0:
                return None
            if application != _APPLICATION_ID:
                raise UserError(f"{self.address} is not a LobbyLock store.")
            if form not in (_FIRST_FORM, _FORM):
                # One of form 1 holds no tags, so nothing in it could ever be checked as this version does.
                raise UserError(
                    f"{self.address} was written by another version of LobbyLock; its form is {form}, not {_FORM}: keep"
                    " it for that version, and start a new one."
                )
            if form == _FIRST_FORM:
                return FIRST
        elif not connection.execute(_HAS_VERSION).scalar():
            if inspect(connection).get_table_names():
                raise UserError(f"{self.address} is not a LobbyLock store.")
            return None
        version = connection.execute(_VERSION).scalar()
        if version not in (FIRST, HEAD):
            raise UserError(f"{self.address} was written by another version of LobbyLock.")
        return version

    def _stamp(self, connection: Connection, version: str) -> None:
        connection.execute(
            text(f"CREATE TABLE IF NOT EXISTS {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
        )
        connection.execute(text(f"INSERT INTO {VERSION_TABLE} VALUES (:version)"), {"version": version})  # noqa: S608
        self._mark(connection)

    def _mark(self, connection: Connection) -> None:
        if self.is_sqlite:
            connection.exec_driver_sql(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.exec_driver_sql(f"PRAGMA user_version = {_FORM}")

    # Failures.

    def _name_failure(self, context: Any) -> Exception | None:
        """Returns the sentence for what went wrong, for SQLAlchemy to raise in place of its own."""
        if context.sqlalchemy_exception is None or isinstance(context.sqlalchemy_exception, exc.IntegrityError):
            return None
        sentence = self._sentence(context.original_exception, context.is_disconnect)
        return StoreFailed(sentence, is_gone=context.is_disconnect)

    def _sentence(self, error: BaseException, is_gone: bool) -> str:
        state = getattr(error, "sqlstate", None) or ""
        said = str(error)
        at = f"the store at {self.address}"
        if self.is_sqlite and "unable to open" in said:
            return f"There is no store at {self.address} that can be opened."
        if state == "53100" or "is full" in said:
            return f"The disk of {at} is full."
        if state == "55P03" or "is locked" in said:
            return f"T{at[1:]} is busy: another program has been writing to it for {_WAIT_S} seconds."
        if not self.is_sqlite:
            if "authentication failed" in said or state[:2] == "28":
                return f"The database of {at} lets nobody in by that name and password."
            if "no password supplied" in said:
                return f"The database of {at} wants a password: put it into ~/.pgpass or into the address."
            if state == "3D000" or ("database " in said and "does not exist" in said):
                return f"There is no such database as that of {at}; `createdb` makes one."
            if is_gone or state[:2] in ("08", "57") or type(error).__name__ == "OperationalError":
                return f"The database of {at} does not answer."
        primary = getattr(getattr(error, "diag", None), "message_primary", None)
        return f"T{at[1:]} failed: {primary or said.partition(chr(10))[0]}."


# One lock for each schema: several stores may share a server.
_LOCK = text("SELECT pg_advisory_xact_lock(1280262987, current_schema()::regnamespace::oid::bigint::bit(32)::integer)")
_HAS_VERSION = text("SELECT to_regclass(:name) IS NOT NULL").bindparams(name=VERSION_TABLE)
_VERSION = text(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608


def parse_address(address: str | Path) -> URL:
    """Returns the URL of a store's address, which may be a path. Raises UserError, without repeating the address."""
    if isinstance(address, Path) or not _ADDRESS.match(address):
        return URL.create("sqlite", database=str(Path(address).expanduser()))
    try:
        url = sqlalchemy.make_url(address)
    except (exc.ArgumentError, ValueError):
        raise UserError("The address of the store is not a URL.") from None
    name = url.drivername.lower()
    if name == "sqlite" and url.database not in (None, "", ":memory:") and not url.host:
        return URL.create("sqlite", database=str(Path(url.database or "").expanduser()))
    if name in ("postgresql", "postgres", "postgresql+psycopg"):
        return url.set(drivername="postgresql+psycopg")
    raise UserError("A store is the path of a SQLite file, or postgresql://USER@HOST/DATABASE.")


def default_pictures(address: str | Path, other: Path | None) -> Path:
    """Returns the folder beside a SQLite file, or `other` for PostgreSQL. Raises UserError if that is None."""
    url = parse_address(address)
    if url.get_backend_name() == "sqlite":
        path = Path(url.database or "")
        return path.with_name(path.name + ".pictures")
    if other is None:
        raise UserError("A store in PostgreSQL needs a folder for its pictures.")
    return other


def describe_address(url: URL) -> str:
    """Returns a PostgreSQL address for people: no password in it, nor options, which may hold one."""
    shown = URL.create("postgresql", url.username, None, url.host, url.port, url.database)
    return shown.render_as_string()


def _sqlite_engine(path: Path, to_read: bool, must_exist: bool) -> Engine:
    if (to_read or must_exist) and not path.is_file():
        raise UserError(f"There is no store at {path}.")
    if to_read:
        # Not `immutable`: a collector may be writing to it.
        name = f"{path.resolve().as_uri()}?mode=ro"
    else:
        make_folder(path.resolve().parent)
        # SQLite would make it readable for all; its -wal and -shm files take their mode from this one.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        # Not made again where somebody took it away: a new one would hide that.
        name = f"{path.resolve().as_uri()}?mode=rw"

    file = path.resolve()

    def connect() -> sqlite3.Connection:
        # Before it is opened: one that is put there in between is then taken for another one, never for the same.
        identity = _identify(file)
        # Transactions are begun by hand.
        opened = sqlite3.connect(
            name, uri=True, timeout=_WAIT_S, isolation_level=None, check_same_thread=False, factory=_File
        )
        opened.path, opened.identity = file, identity
        # A byte that somebody edited must not keep everything else from being read.
        opened.text_factory = _decode
        try:
            if not to_read:
                opened.execute("PRAGMA journal_mode = WAL")
                opened.execute("PRAGMA synchronous = FULL")
                opened.execute("PRAGMA foreign_keys = ON")
        except BaseException:
            opened.close()
            raise
        return opened

    return sqlalchemy.create_engine(
        URL.create("sqlite", database=str(path)),
        creator=connect,
        poolclass=sqlalchemy.QueuePool,
        pool_size=_POOL,
        max_overflow=_POOL,
        pool_timeout=_WAIT_S,
        hide_parameters=True,
    )


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _identify(path: Path) -> tuple[int, int] | None:
    """Returns what tells the file at `path` from any other, None if there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _check_out(opened: Any, _record: object, _proxy: object) -> None:
    """Has the pool open the file anew for one that was replaced while nobody used it."""
    if isinstance(opened, _File) and not opened.is_there():
        raise exc.DisconnectionError


def _postgresql_engine(url: URL, to_read: bool) -> Engine:
    engine = sqlalchemy.create_engine(
        url,
        connect_args={
            "connect_timeout": _WAIT_S,
            "tcp_user_timeout": _WAIT_S * 1000,
            # While an answer is waited for there is nothing on its way that could be missed.
            "keepalives_idle": _WAIT_S,
            "keepalives_interval": _WAIT_S // 3,
            "keepalives_count": 3,
        },
        pool_size=_POOL,
        max_overflow=_POOL,
        pool_timeout=_WAIT_S,
        # A server that was restarted has closed what is in the pool.
        pool_pre_ping=True,
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def _settle(connection: Any, _record: object) -> None:
        was_autocommit = connection.autocommit
        connection.autocommit = True
        # Whatever the server's own setting is: an acknowledgement must not leave before its event is on the disk.
        connection.execute("SET synchronous_commit = on")
        connection.execute(f"SET lock_timeout = '{_WAIT_S}s'")
        if to_read:
            connection.execute("SET default_transaction_read_only = on")
        connection.autocommit = was_autocommit

    return engine
