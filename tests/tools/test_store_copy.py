"""`lobbylock store`: copies between the two databases, backups, and what is refused."""

import io
import json
import os
import shutil
import stat
import tarfile

import pytest
from scripted_door import EVENTS_LOST, NOW_S, ScriptedDoor
from sqlalchemy import select
from storeedit import edit

from database_case import on_sqlite
from lobbylock import backup
from lobbylock.database import Database
from lobbylock.retention import parse_rules, prune
from lobbylock.tables import metadata

PICTURE = b"\xff\xd8" + bytes(3000) + b"\xff\xd9"


@pytest.fixture
def filled(collector, enrol, lock, store, store_address):
    """A store with a bit of everything a collector keeps: two doors, a gap, pictures, evidence, status, visits."""
    topic = f"lobbylock/{lock.name}"
    for at in range(3):
        lock.deliver(picture=PICTURE + bytes([at]))
        if at != 1:
            assert collector.handle(f"{topic}/events", lock.batch(5 * at + 1))
    lock.add(EVENTS_LOST, {14: 6, 12: 5, 7: lock.heads[10]})
    lock.seal()
    assert collector.handle(f"{topic}/events", lock.batch(16))
    for number in (1, 3):
        for piece in lock.pieces(number):
            collector.handle(f"{topic}/picture", piece)
    forged = ScriptedDoor()
    forged.deliver(slot=1)
    assert collector.handle(f"{topic}/events", forged.batch()) == []
    other = enrol(ScriptedDoor("oak-3/yard", b"\5" * 32))
    other.deliver()
    assert collector.handle(f"lobbylock/{other.name}/events", other.batch())
    collector.handle(f"{topic}/status", b'{"online": true, "pending": 3}')
    store.close()
    return store_address


@pytest.fixture
def other_kind(store_address, postgresql, tmp_path):
    """An empty store of the other kind than the test's own: (address, folder of pictures)."""
    if "://" not in store_address:
        url = postgresql.fresh()
        yield url, tmp_path / "other" / "pictures"
        postgresql.take_back(url)
    else:
        yield str(tmp_path / "other" / "copy.db"), tmp_path / "other" / "copy.db.pictures"


def content(address, pictures) -> tuple[dict, dict]:
    """Everything that a store holds: rows by table, pictures by name."""
    with Database.open(address, pictures, to_read=True) as database, database.connect() as connection:
        rows = {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for table in metadata.sorted_tables
        }
    files = {str(path.relative_to(pictures)): path.read_bytes() for path in pictures.rglob("*") if path.is_file()}
    return rows, files


def audit(run, *options) -> dict:
    """What an audit finds, without the silence of the boards: it grows with each second."""
    found = json.loads(run("audit", "verify", *options, "--json")[1])
    for door in found["doors"]:
        assert door.pop("silent_s") >= 0
    return found


def test_copy_to_the_other_kind_and_back(filled, other_kind, pictures_path, run, collector, lock, tmp_path):
    address, pictures = other_kind
    options = ("--pictures", str(pictures_path), "--to-pictures", str(pictures))
    code, text, error = run("store", "copy", filled, address, *options)
    assert (code, text) == (0, "") and error.startswith("Copied 16 events of 2 boards to ")
    before = content(filled, pictures_path)
    assert content(address, pictures) == before
    assert all(before[0][name] for name in ("chain", "event", "gap", "picture", "conflict", "status", "visit"))
    assert len(before[1]) == 2
    # Its audit, and that of both beside each other.
    assert audit(run, "--store", address, "--pictures", str(pictures)) == audit(run)
    # A copy is not laid over what is there.
    code, text, error = run("store", "copy", filled, address, *options)
    assert (code, text) == (2, "") and "needs an empty one" in error
    assert content(address, pictures) == before
    again = tmp_path / "again.db"
    options = ("--pictures", str(pictures), "--to-pictures", str(tmp_path / "again.db.pictures"))
    assert run("store", "copy", address, str(again), *options)[0] == 0
    assert content(again, tmp_path / "again.db.pictures") == before


def test_a_copy_goes_on(filled, other_kind, pictures_path, run, enrol, home, listener):
    """A collector on the copy counts on where the source was: new boards, new events."""
    from lobbylock.collector import Collector
    from lobbylock.enrolment import Enrolments
    from lobbylock.store import Store

    address, pictures = other_kind
    run("store", "copy", filled, address, "--pictures", str(pictures_path), "--to-pictures", str(pictures))
    third = enrol(ScriptedDoor("oak-3/cellar", b"\6" * 32))
    third.deliver()
    with Store.open(address, pictures) as store:
        collector = Collector(store, Enrolments(home), home.collector(), listener)
        assert collector.handle(f"lobbylock/{third.name}/events", third.batch())
        assert sorted(chain.id for chain in store.chains()) == [1, 2, 3]


def test_copy_that_is_not_whole(filled, other_kind, pictures_path, run, monkeypatch):
    """What differs in the copy is noticed, and nothing of it stays."""
    address, pictures = other_kind
    copying = "lobbylock.copying._copy_table"
    from lobbylock import copying as module

    copy_table = module._copy_table

    def forget(table, reading, writing):
        count = copy_table(table, reading, writing)
        if table.name == "event":
            writing.exec_driver_sql("DELETE FROM event WHERE chain = 1 AND seq = 1")
        return count

    monkeypatch.setattr(copying, forget)
    code, text, error = run(
        "store", "copy", filled, address, "--pictures", str(pictures_path), "--to-pictures", str(pictures)
    )
    assert (code, text) == (2, "") and "Nothing is copied" in error
    rows, files = content(address, pictures)
    assert not any(rows.values()) and not files


def test_backup_and_restore(filled, other_kind, pictures_path, run, tmp_path):
    file = tmp_path / "backup.tar"
    code, text, error = run("store", "backup", str(file))
    assert (code, text) == (0, "") and error.startswith("Wrote 16 events of 2 boards to ")
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if "backup" in path.name] == ["backup.tar"]
    address, pictures = other_kind
    options = ("--store", address, "--pictures", str(pictures))
    assert run("store", "restore", str(file), *options)[0] == 0
    assert content(address, pictures) == content(filled, pictures_path)
    code, _, error = run("store", "restore", str(file), *options)
    assert code == 2 and "needs an empty one" in error
    assert not list(pictures.parent.glob(".restore*"))


def rewrite(path, change) -> None:
    """Writes the tar file anew, each member through `change(name, data)` -> (name, data) or None."""
    with tarfile.open(path) as archive:
        files = [(each.name, archive.extractfile(each)) for each in archive]
        members = [(name, file.read()) for name, file in files if file is not None]
    with tarfile.open(path, "w") as archive:
        for name, data in filter(None, (change(*member) for member in members)):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(b"not a backup" * 100),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:3000]),
        lambda path: rewrite(path, lambda name, data: None if name == "store.db" else (name, data)),
        lambda path: rewrite(path, lambda name, data: (name, data[: len(data) // 2] if name == "store.db" else data)),
    ],
)
@pytest.mark.parametrize("store_address", ["sqlite"], indirect=True)
def test_files_that_are_no_backup(filled, run, tmp_path, change):
    file = tmp_path / "backup.tar"
    assert run("store", "backup", str(file))[0] == 0
    change(file)
    target = tmp_path / "to" / "restored.db"
    code, text, error = run("store", "restore", str(file), "--store", str(target))
    assert (code, text) == (2, "") and error.count("\n") == 1
    rows, files = content(target, target.with_name("restored.db.pictures"))
    assert not any(rows.values()) and not files
    assert not list(tmp_path.glob("**/.restore*"))


@on_sqlite
def test_members_that_no_backup_has(filled, run, tmp_path):
    """They are told of and left out; the store is restored, and its audit says what is missing."""
    for number, change in enumerate(
        [
            lambda name, data: (name.replace("pictures/", "../"), data),
            lambda name, data: (name.replace("pictures/", f"{tmp_path}/x/"), data),
            lambda name, data: (name.replace("pictures/m", "pictures/../m"), data),
            lambda name, data: (name, data if name == "store.db" else bytes(1 << 20)),
        ]
    ):
        file = tmp_path / "backup.tar"
        assert run("store", "backup", str(file))[0] == 0
        rewrite(file, change)
        target = tmp_path / str(number) / "restored.db"
        pictures = target.with_name("pictures")
        code, text, error = run("store", "restore", str(file), "--store", str(target), "--pictures", str(pictures))
        assert (code, text) == (0, "") and error.count("Left out: ") == 2
        rows, files = content(target, pictures)
        assert len(rows["event"]) == 16 and not files
    assert not list(tmp_path.glob("**/x")) and not list(tmp_path.glob("**/.restore*"))


@on_sqlite
def test_rows_that_point_elsewhere(filled, pictures_path, run, tmp_path):
    """What an editor of the store wrote does not make its backups useless."""
    picture, other = [pictures_path / "maple-12/front" / name for name in ("1-3-1.jpg", "1-13-3.jpg")]
    shutil.copy(picture, pictures_path / "x.jpg")
    edit(filled, "UPDATE picture SET file = 'x.jpg' WHERE seq = 3")
    other.unlink()
    other.symlink_to(picture)
    file, target = tmp_path / "backup.tar", tmp_path / "to" / "restored.db"
    code, text, error = run("store", "backup", str(file))
    assert (code, text) == (0, "") and error.count("Not in the backup: ") == 2 and "'x.jpg'" in error
    options = ("--store", str(target), "--pictures", str(target.with_name("pictures")))
    assert run("store", "restore", str(file), *options)[0] == 0
    code, text, _ = run("audit", "verify", *options)
    assert code == 1 and text.count("picture missing") == 2


@on_sqlite
@pytest.mark.parametrize("name", ["copy_store", "_add"])
def test_pictures_that_go_during_a_backup(filled, database, home, run, tmp_path, monkeypatch, name):
    """It begins anew, so that what is in the file is of one moment."""
    doors = {door: home.door(door) for door in home.door_names()}
    original = getattr(backup, name)
    calls = []

    def delete_one(*arguments):
        result = original(*arguments) if name == "copy_store" else None
        calls.append(1)
        if len(calls) == 1:
            prune(database, doors, home.collector(), parse_rules(["1h"]), NOW_S + 3 * 3600)
        return result if name == "copy_store" else original(*arguments)

    monkeypatch.setattr(backup, name, delete_one)
    file, target = tmp_path / "backup.tar", tmp_path / "to" / "restored.db"
    assert run("store", "backup", str(file))[0] == 0
    options = ("--store", str(target), "--pictures", str(target.with_name("pictures")))
    assert run("store", "restore", str(file), *options)[0] == 0
    found = json.loads(run("audit", "verify", "--json", *options)[1])
    assert not [each for each in found["findings"] if each["what"] == "picture missing"]
    assert sum(door.get("deleted_pictures", 0) for door in found["doors"]) == 2


@on_sqlite
def test_pictures_that_go_all_the_while(filled, run, tmp_path, monkeypatch):
    monkeypatch.setattr(backup, "_deleted", lambda _: {(1, 3)})
    monkeypatch.setattr(backup, "_add", fail_to_find)
    code, _, error = run("store", "backup", str(tmp_path / "backup.tar"))
    assert code == 2 and "try it again" in error
    assert not list(tmp_path.glob("*backup.tar*"))


def fail_to_find(*_: object) -> None:
    raise FileNotFoundError(2, "No such file")


@pytest.mark.parametrize("store_address", ["sqlite"], indirect=True)
def test_rows_that_no_other_database_takes(filled, pictures_path, postgresql, run, tmp_path):
    """An edited file with a word for a number cannot go to PostgreSQL, and the sentence says what to do."""
    edit(filled, "UPDATE event SET kind = 'x' WHERE seq = 1 AND chain = 1")
    url = postgresql.fresh()
    options = ("--pictures", str(pictures_path), "--to-pictures", str(tmp_path / "to"))
    code, text, error = run("store", "copy", filled, url, *options)
    assert (code, text) == (2, "") and "audit verify" in error and error.count("\n") == 1
    assert not any(content(url, tmp_path / "to")[0].values())
    postgresql.take_back(url)


def test_commands_without_a_store(run, home, tmp_path):
    for command in (["migrate"], ["reindex"], ["prune", "--keep-pictures", "1d"], ["backup", str(tmp_path / "file")]):
        code, text, error = run("store", *command)
        assert (code, text) == (2, "") and "There is no store at" in error
    assert not (home.path / "collector.db").exists()
    assert run("store", "restore", str(tmp_path / "nothing"))[0] == 2


def test_reindex(filled, store, run, store_address, pictures_path):
    before = content(filled, pictures_path)
    edit(store_address, "DELETE FROM visit")
    assert run("store", "reindex") == (0, "", "The index has 3 visits.\n")
    assert content(filled, pictures_path) == before


def test_a_backup_is_whole_or_not_there(filled, run, tmp_path, monkeypatch):
    file = tmp_path / "backup.tar"
    assert run("store", "backup", str(file))[0] == 0
    before = file.read_bytes()
    shutil.copy(file, tmp_path / "copy")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    code, text, error = run("store", "backup", str(file))
    assert (code, text) == (2, "") and "No space left on device" in error
    assert file.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir() if "backup" in path.name) == ["backup.tar"]
