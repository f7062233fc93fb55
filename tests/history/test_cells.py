"""One cell of the SQLite file holds what no collector writes: pages still come, and the watchman names it."""

import contextlib
import sqlite3

import pytest
from visitcase import FRONT, MANAGER, House

from lobbylock import tables
from lobbylock.alarms import alarms
from lobbylock.database import Database
from lobbylock.errors import StoreFailed
from lobbylock.health import read_health
from lobbylock.readers import Reader
from lobbylock.trail import trail
from lobbylock.watchman import _Watchman

VALUES = ("x", b"\xff\x00", None, -7, 1 << 62)
# What of a table nobody signed, or may be as it likes.
FREE = {
    "event": {"received_s"},
    "visit": {"is_over"},
    "picture": set(),
    "chain": set(),
    "gap": {"chain"},
    "deletion": {"chain"},
    "status": set(tables.status.c.keys()),
    "conflict": {"chain"},
}
ACCESS = 8


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A store with three visits, and its file."""
    folder = tmp_path_factory.mktemp("cells")
    with Database.open(folder / "c.db") as database:
        house = House(database, folder / "home")
        house.enrol()
        for name in ("Dora", "Anna"):
            house.come(name)
        house.collect()
        with contextlib.closing(sqlite3.connect(folder / "c.db", isolation_level=None)) as opened:
            opened.execute(f"INSERT INTO status VALUES ('{FRONT}', 5, 1, 5, '{{}}')")
            yield house, opened


@contextlib.contextmanager
def edited(opened, table, statement, values):
    """Yields whether the file took the value, which is gone afterwards."""
    opened.execute(f"CREATE TEMP TABLE kept AS SELECT * FROM {table}")
    try:
        opened.execute(statement, values)
        is_taken = opened.execute(f"SELECT 1 FROM (SELECT * FROM {table} EXCEPT SELECT * FROM kept)").fetchall() != []
    except sqlite3.IntegrityError:
        is_taken = False
    yield is_taken
    opened.execute(f"DELETE FROM {table}")
    opened.execute(f"INSERT INTO {table} SELECT * FROM kept")
    opened.execute("DROP TABLE kept")


ADDED = {
    "gap": {"chain": 1, "first_seq": 5, "last_seq": 6, "head": b"h" * 32},
    "deletion": {"chain": 1, "seq": 3, "deleted_s": 5, "rule": "30d", "signature": b"s"},
    "conflict": {"chain": 1, "sha256": b"s" * 32, "seq": 5, "message": b"m", "received_s": 5},
}


def cells(table):
    """Yields (what, statement, its values) of one cell that is other than it was, or is added so."""
    for column in tables.metadata.tables[table].c.keys():
        for value in VALUES:
            if table in ADDED:
                row = {**ADDED[table], column: value}
                names, marks = ", ".join(row), ", ".join("?" * len(row))
                yield (table, column, value), f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(row.values())
            else:
                where = {"chain": "id = 1", "status": "1", "picture": "seq = 3"}.get(table, f"seq = {ACCESS}")
                yield (table, column, value), f"UPDATE {table} SET {column} = ? WHERE {where}", (value,)


def ask(house):
    """Asks for everything that is shown. Returns whether anything of it is broken."""
    history, doors = house.history, house.doors()
    resident = Reader("resident", "Anna")
    shown = [*house.page(limit=2).stories, *house.page(resident, person="Anna").stories]
    shown += filter(None, [history.story(MANAGER, FRONT, 1, ACCESS)])
    proofs = [each.proof for each in (*shown, *trail(history, MANAGER, FRONT, None).rows)]
    proofs += [each.proof for each in (history.check(FRONT, 1, seq) for seq in (3, ACCESS)) if each is not None]
    with house.database.connect() as connection:
        read_health(connection, doors[FRONT])
        alarms(connection, doors)
    return any(proof.is_broken for proof in proofs)


@pytest.mark.parametrize("table", FREE)
def test_one_cell(filled, table):
    house, opened = filled
    watchman = _Watchman(house.database.url, house.database.pictures, house.home)
    unnoticed = []
    no_text = (table, "person", "no UTF-8"), "UPDATE visit SET person = CAST(X'FF' AS TEXT) WHERE seq = 8", ()
    for what, statement, values in [*cells(table), *([no_text] if table == "visit" else [])]:
        with edited(opened, table, statement, values) as is_taken:
            if not is_taken:
                continue
            try:
                is_noticed = ask(house) or bool(watchman._look(house.database))
            except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, StoreFailed) as error:
                raise AssertionError(what) from error
            if not is_noticed and what[1] not in FREE[table]:
                unnoticed.append(what)
    assert unnoticed == []
