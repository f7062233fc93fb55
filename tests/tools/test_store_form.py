"""The form of a store on both databases: made at once or by migrations, found again, and refused where it is none."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from scripted_door import ScriptedDoor
from sqlalchemy import func, select, text
from storeedit import edit

from database_case import on_sqlite
from lobbylock import tables
from lobbylock.audit import audit_store
from lobbylock.database import HEAD, VERSION_TABLE, Database
from lobbylock.errors import StoreFailed, UserError
from lobbylock.files import write_json
from lobbylock.migrations.upgrade import configure
from lobbylock.signature import Signer

FORM_2 = Path(__file__).with_name("form_2.sql")
# Of the collector that wrote it.
SEED = b"\x11" * 32


def differences(database: Database) -> list:
    with database.connect() as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True}
        return compare_metadata(MigrationContext.configure(connection, opts=options), tables.metadata)


@pytest.fixture
def old(home, enrol, database_path):
    """A store that 0.1.0 wrote: two doors, a gap, a picture of two, evidence of a second history."""
    with closing(sqlite3.connect(database_path)) as connection:
        connection.executescript(FORM_2.read_text())
    public_key = Signer(SEED).public_key
    secret = {"version": 1, "ed25519_seed": SEED.hex(), "public_key": public_key.hex()}
    write_json(home.path / "collector.json", secret)
    for lock in (ScriptedDoor(), ScriptedDoor("oak-3/yard", b"\4" * 32)):
        enrol(lock)
    return database_path


def rows_of(path: Path) -> dict[str, list]:
    with closing(sqlite3.connect(path)) as connection:
        names = ("chain", "event", "gap", "picture", "conflict")
        return {name: connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in names}


def test_new_one_is_that_of_the_migrations(database):
    assert differences(database) == []
    with database.connect() as connection:
        script = ScriptDirectory.from_config(configure(connection))
        assert script.get_current_head() == HEAD
        assert connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalars().all() == [HEAD]


def test_form_2_becomes_this_one(old, run, home):
    before = rows_of(old)
    code, text_, error = run("audit", "list")
    assert (code, text_) == (2, "") and "lobbylock store migrate" in error
    assert rows_of(old) == before
    assert run("store", "migrate")[0] == 0
    assert rows_of(old) == before
    with Database.open(old) as database, database.store() as store:
        assert differences(database) == []
        doors = {name: home.door(name) for name in home.door_names()}
        findings = [each for found in audit_store(store, doors, Signer(SEED).public_key) for each in found.findings]
        assert [(each.seq, each.what) for each in findings] == [
            (3, "picture missing"),
            (6, "gap"),
            (1, "two histories"),
        ]
        # Visits of an older version are found as well.
        assert store.connection.execute(select(func.count()).select_from(tables.visit)).scalar() == 3
    # A second time there is nothing to do.
    assert run("store", "migrate")[0] == 0
    assert rows_of(old) == before


def test_form_2_on_postgresql(old, postgresql, tmp_path):
    """The migrations run there too: from the old tables, as a copy of them would be."""
    url = postgresql.empty()
    with Database.open(url, tmp_path) as database, database.begin() as connection:
        new = [table for table in reversed(tables.metadata.sorted_tables) if table.name not in rows_of(old)]
        for table in new:
            table.drop(connection)
        connection.execute(text("DROP INDEX event_kind"))
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '0001'"))
    with pytest.raises(UserError, match="lobbylock store migrate"):
        Database.open(url, tmp_path, to_read=True)
    with Database.open(url, tmp_path) as database:
        assert differences(database) == []


def test_form_of_a_later_version(database, store_address, pictures_path):
    edit(store_address, f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    for to_read in (False, True):
        with pytest.raises(UserError, match="another version"):
            Database.open(store_address, pictures_path, to_read=to_read)
    edit(store_address, f"UPDATE {VERSION_TABLE} SET version_num = '{HEAD}'")


def test_database_of_something_else_on_postgresql(postgresql, tmp_path):
    url = postgresql.empty()
    with pytest.raises(UserError, match="There is no store"):
        Database.open(url, tmp_path, to_read=True)
    postgresql.execute("CREATE TABLE event (x int)", url.partition("?")[0].rpartition("/")[2])
    for to_read in (False, True):
        with pytest.raises(UserError, match="not a LobbyLock store"):
            Database.open(url, tmp_path, to_read=to_read)


@pytest.mark.parametrize(
    "address",
    [
        "mysql://root:geheim@localhost/x",
        "postgresql+asyncpg://root:geheim@localhost/x",
        "postgresql://root:geheim@localhost:port/x",
        "sqlite://",
        "sqlite:///:memory:",
        "http://geheim",
        "redis://:geheim@localhost",
    ],
)
def test_addresses_that_are_none(run, home, address):
    code, text_, error = run("audit", "verify", "--store", address)
    assert (code, text_) == (2, "")
    assert error.count("\n") == 1 and "geheim" not in error and "SELECT" not in error


def test_server_that_is_not_there(run, home):
    """One sentence, with the address and without the password."""
    address = "postgresql://anna:geheim@127.0.0.1:9/store?connect_timeout=5&password=geheim"
    for command in (("audit", "verify"), ("collect", "--once")):
        code, text_, error = run(*command, "--store", address)
        assert (code, text_) == (2, "")
        assert error == "lobbylock: The database of the store at postgresql://anna@127.0.0.1:9/store does not answer.\n"


def test_database_that_is_not_there(postgresql, tmp_path):
    with pytest.raises(StoreFailed) as caught:
        Database.open(postgresql.url("nowhere"), tmp_path)
    assert "nowhere" in str(caught.value)


@on_sqlite
def test_sqlite_url(run, store, store_address, lock, collector):
    lock.deliver()
    assert collector.handle(f"lobbylock/{lock.name}/events", lock.batch())
    assert run("audit", "verify", "--store", f"sqlite:///{store_address}")[0] == 0


def test_writing_is_durable(database):
    with database.begin() as connection:
        if database.is_sqlite:
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        else:
            assert connection.execute(text("SHOW synchronous_commit")).scalar() == "on"


def test_names_that_a_database_cannot_hold(database):
    """Text from a lock or a browser is kept, with what no database takes replaced."""
    with database.begin() as connection:
        for name in ("a\0b", "\ud800x", "\U0001f6aa", "'; DROP TABLE chain; --", "%s %(x)s :x ?"):
            connection.execute(tables.status.insert(), {"door": name, "received_s": 1, "online": True, "content": "{}"})
    with database.connect() as connection:
        doors = connection.execute(select(tables.status.c.door).order_by(tables.status.c.door)).scalars().all()
    assert doors == sorted(["a\ufffdb", "\ufffdx", "\U0001f6aa", "'; DROP TABLE chain; --", "%s %(x)s :x ?"])


def test_a_database_that_does_not_exist_is_named(postgresql, tmp_path):
    with pytest.raises(StoreFailed, match="no such database"):
        Database.open(postgresql.url("nobody_made_it"), tmp_path)
