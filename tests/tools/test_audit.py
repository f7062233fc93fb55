"""`lobbylock audit`: a sound store passes, and whatever is changed in it is named."""

import json
import os
import shutil
import sqlite3

import pytest
from scripted_door import ACCESS, BOOT, EVENTS_LOST, NOW_S, ScriptedDoor, encode

from lobbylock.collector import Collector

PICTURE = b"\xff\xd8" + bytes(5000) + b"\xff\xd9"


def send(collector: Collector, lock: ScriptedDoor, first_seq: int = 1, last_seq: int | None = None) -> None:
    assert collector.handle(f"lobbylock/{lock.name}/events", lock.batch(first_seq, last_seq))


def send_picture(collector: Collector, lock: ScriptedDoor, number: int = 1) -> None:
    replies = [
        reply for piece in lock.pieces(number) for reply in collector.handle(f"lobbylock/{lock.name}/picture", piece)
    ]
    assert len(replies) == 1


@pytest.fixture
def filled(collector, lock, store):
    """The store's path after three deliveries: seqs 1 to 15; 3, 8, 13 announce pictures; 5, 10, 15 are seals."""
    for _ in range(3):
        lock.deliver(picture=PICTURE + bytes([lock.last_seq]))
    send(collector, lock)
    for number in (1, 2, 3):
        send_picture(collector, lock, number)
    store.close()
    return store.path


def edit(path, *statements: str) -> None:
    database = sqlite3.connect(path)
    with database:
        for statement in statements:
            assert database.execute(statement).rowcount != 0, statement
    database.close()


def broken(run) -> dict:
    """Returns what `audit verify` found, having compared its two ways of saying so."""
    code, text, error = run("audit", "verify")
    assert (code, error) == (1, "")
    assert text.startswith("BROKEN: ")
    code, text, _ = run("audit", "verify", "--json")
    assert code == 1
    found = json.loads(text)
    assert found["ok"] is False
    return found


def test_sound(filled, run, lock):
    code, text, _ = run("audit", "verify", "--json")
    assert code == 0
    assert json.loads(text) == {
        "ok": True,
        "doors": [
            {
                "door": lock.name,
                "public_key": lock.public_key.hex(),
                "events": 15,
                "last_seq": 15,
                "seals": 3,
                "pictures": 3,
                "pending_pictures": [],
                "gaps": [],
            }
        ],
    }
    code, text, _ = run("audit", "verify")
    assert code == 0 and lock.name in text and "15" in text


BLOB = "x'" + encode([7, ACCESS, 1, 1750, NOW_S, {1: 0, 2: 1, 3: 99, 4: 4, 5: 20717}]).hex() + "'"


@pytest.mark.parametrize(
    ("statement", "seq", "what"),
    [
        (f"UPDATE event SET record = {BLOB} WHERE seq = 7", 7, "edited"),
        ("UPDATE event SET record = x'' WHERE seq = 7", 7, "edited"),
        ("UPDATE event SET record = 'text' WHERE seq = 7", 7, "edited"),
        ("UPDATE event SET head = zeroblob(32) WHERE seq = 7", 7, "edited"),
        ("UPDATE event SET kind = 9 WHERE seq = 7", 7, "edited"),
        ("UPDATE event SET time_s = time_s + 3600 WHERE seq = 7", 7, "edited"),
        ("UPDATE event SET time_s = NULL WHERE seq = 7", 7, "edited"),
        ("DELETE FROM event WHERE seq = 1", 1, "missing row"),
        ("DELETE FROM event WHERE seq = 7", 7, "missing row"),
        ("DELETE FROM event WHERE seq = 15", 15, "missing row"),
        ("DELETE FROM event WHERE seq > 10", 11, "missing row"),
        ("DELETE FROM event WHERE seq > 7", 8, "missing row"),
        ("DELETE FROM event", 1, "missing row"),
        ("UPDATE event SET seq = 99 WHERE seq = 15", 15, "reordered"),
        ("UPDATE event SET seq = 'x' WHERE seq = 15", 15, "reordered"),
        ("DELETE FROM picture WHERE number = 2", 8, "picture missing"),
        ("UPDATE picture SET file = 'none.jpg' WHERE number = 2", 8, "picture missing"),
        ("UPDATE picture SET file = '../home/collector.json' WHERE number = 2", 8, "picture is another"),
        ("UPDATE picture SET file = (SELECT file FROM picture WHERE number = 1)", 8, "picture is another"),
        ("UPDATE chain SET ack = NULL", 15, "edited"),
        ("UPDATE chain SET ack = x'80'", 15, "edited"),
        ("UPDATE chain SET public_key = zeroblob(32)", 0, "unknown key"),
        ("UPDATE chain SET door = 'oak-3/yard'", 0, "unknown key"),
        ("INSERT INTO gap VALUES (1, 16, 20, zeroblob(32))", 16, "edited"),
        ("INSERT INTO gap VALUES (1, 'a', 'b', 'c')", 0, "edited"),
    ],
)
def test_edited_rows(filled, run, lock, statement, seq, what):
    edit(filled, statement)
    found = broken(run)
    assert (found["seq"], found["what"]) == (seq, what)


def test_swapped_rows(filled, run):
    edit(
        filled,
        "UPDATE event SET seq = -1 WHERE seq = 6",
        "UPDATE event SET seq = 6 WHERE seq = 7",
        "UPDATE event SET seq = 7 WHERE seq = -1",
    )
    found = broken(run)
    assert (found["seq"], found["what"]) == (6, "reordered")


def test_rewritten_chain(filled, run, lock):
    """Whoever recomputes all heads still cannot sign: the next seal tells."""
    forged = ScriptedDoor()
    for record in lock.records[:6]:
        forged.append_record(record)
    forged.append_record(encode([7, ACCESS, 1, 1750, NOW_S, {1: 0, 2: 1, 3: 99, 4: 4, 5: 20717}]))
    for record in lock.records[7:]:
        forged.append_record(record)
    database = sqlite3.connect(filled)
    with database:
        for seq, record in enumerate(forged.records, 1):
            database.execute(
                "UPDATE event SET record = ?, head = ?, kind = ? WHERE seq = ?",
                (record, forged.heads[seq], ACCESS if seq == 7 else record[2], seq),
            )
    database.close()
    found = broken(run)
    assert (found["seq"], found["what"]) == (10, "bad seal")


def test_cut_and_recomputed_end(filled, run, lock):
    """A chain cut behind an earlier seal is sound in itself; the collector's acknowledgement says what was there."""
    edit(filled, "DELETE FROM event WHERE seq > 10", "DELETE FROM picture WHERE seq > 10")
    found = broken(run)
    assert (found["seq"], found["what"]) == (11, "missing row")


def test_hidden_behind_a_gap(filled, run, lock):
    """Deleting and noting a gap instead is possible for who has the store, but not unseen."""
    edit(
        filled,
        "DELETE FROM event WHERE seq BETWEEN 6 AND 10",
        "DELETE FROM picture WHERE seq BETWEEN 6 AND 10",
        f"INSERT INTO gap VALUES (1, 6, 10, x'{lock.heads[10].hex()}')",
    )
    code, text, _ = run("audit", "verify", "--json")
    assert code == 0
    assert json.loads(text)["doors"][0]["gaps"] == [{"first_seq": 6, "last_seq": 10, "reported": False}]
    assert "unexplained" in run("audit", "verify")[1]


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda path: os.truncate(path, 100), "picture is another"),
        (lambda path: path.write_bytes(PICTURE[::-1] + b"\x05"), "picture is another"),
        (lambda path: path.write_bytes(bytes(1 << 20)), "picture is another"),
        (lambda path: path.unlink(), "picture missing"),
        (lambda path: (path.unlink(), path.mkdir()), "picture missing"),
    ],
)
def test_damaged_pictures(filled, run, store, damage, what):
    path = store.pictures / "maple-12" / "front" / "1-8-2.jpg"
    assert path.is_file()
    damage(path)
    found = broken(run)
    assert (found["seq"], found["what"]) == (8, what)


def test_swapped_pictures(filled, run, store):
    first, second = (store.pictures / "maple-12" / "front" / name for name in ("1-3-1.jpg", "1-8-2.jpg"))
    first.rename(first.with_suffix(".tmp"))
    second.rename(first)
    first.with_suffix(".tmp").rename(second)
    found = broken(run)
    assert (found["seq"], found["what"]) == (3, "picture is another")


def test_gaps_are_named(collector, store, run, lock):
    for _ in range(3):
        lock.deliver()
    lock.add(EVENTS_LOST, {14: 5, 12: 4, 7: lock.heads[8]})
    lock.seal()
    send(collector, lock, 1, 4)
    send(collector, lock, 9)
    code, text, _ = run("audit", "verify", "--json")
    assert code == 0
    assert json.loads(text)["doors"][0]["gaps"] == [{"first_seq": 5, "last_seq": 8, "reported": True}]
    assert "5 to 8 (reported by the lock)" in run("audit", "verify")[1]
    edit(store.path, "UPDATE gap SET head = zeroblob(32)")
    assert broken(run)["seq"] == 9


def test_gap_that_does_not_fit(collector, store, run, lock):
    for _ in range(3):
        lock.deliver()
    send(collector, lock, 9)
    edit(store.path, "UPDATE gap SET last_seq = 7")
    assert (broken(run)["seq"], broken(run)["what"]) == (1, "missing row")


def test_picture_that_has_not_come(collector, store, run, lock):
    lock.deliver(picture=PICTURE)
    send(collector, lock)
    code, text, _ = run("audit", "verify", "--json")
    assert code == 0
    assert json.loads(text)["doors"][0]["pending_pictures"] == [1]


def test_replaced_board_stays_verifiable(collector, enrol, run, lock):
    lock.deliver()
    send(collector, lock)
    other = enrol(ScriptedDoor(seed=b"\5" * 32), may_replace=True)
    other.deliver()
    send(collector, other)
    code, text, _ = run("audit", "verify", "--json")
    assert code == 0
    assert [found["events"] for found in json.loads(text)["doors"]] == [4, 4]


def test_one_door(collector, enrol, run, filled, lock):
    enrol(ScriptedDoor("oak-3/yard"))
    edit(filled, "UPDATE event SET kind = 9 WHERE seq = 7")
    assert run("audit", "verify", "--door", "oak-3/yard")[0] == 0
    assert run("audit", "verify", "--door", lock.name)[0] == 1
    assert run("audit", "verify", "--door", "oak-3/cellar")[0] == 2


def test_verify_beside_a_running_collector(collector, store, run, lock):
    for at in range(5):
        lock.deliver()
        send(collector, lock, 4 * at + 1)
        assert run("audit", "verify")[0] == 0


def test_verify_in_a_folder_that_cannot_be_written(collector, store, run, lock, home):
    lock.deliver()
    send(collector, lock)
    store.close()
    copy = home.path / "copy.db"
    shutil.copy(store.path, copy)
    copy.chmod(0o400)
    assert run("audit", "verify", "--store", str(copy))[0] == 0


@pytest.mark.parametrize("content", [None, b"", b"not a database" * 500, b"SQLite format 3\0" + bytes(5000)])
def test_no_store(run, home, lock, content):
    path = home.path / "collector.db"
    if content is not None:
        path.write_bytes(content)
    for what in ("verify", "list"):
        code, text, error = run("audit", what)
        assert (code, text) == (2, "")
        assert str(path) in error and error.count("\n") == 1


def test_damaged_pages(filled, run):
    data = bytearray(filled.read_bytes())
    for at in range(4096, len(data), 4096):
        data[at : at + 100] = b"\xff" * 100
    filled.write_bytes(data)
    code, _, error = run("audit", "verify")
    assert code == 2 and error.count("\n") == 1


def test_list(collector, home, run, lock):
    run("code", lock.name, "Anna Ng", "--slot", "7", "--from", "2026-09-21T00:00Z", "--for", "1d")
    lock.deliver(slot=7, picture=PICTURE)
    lock.add(ACCESS, {1: 3, 2: 1, 3: 55, 4: 4, 5: 1}, time_s=NOW_S + 86_400)
    lock.add(ACCESS, {1: 1, 2: 1}, time_s=None)
    lock.add(ACCESS, {1: 0, 2: 2, 18: "DHL 81"}, time_s=None)
    lock.add(BOOT)
    lock.seal()
    send(collector, lock)
    code, text, _ = run("audit", "list", "--json")
    rows = [json.loads(line) for line in text.splitlines()]
    assert code == 0
    assert [(row["seq"], row["details"]["reason"], row.get("driver")) for row in rows] == [
        (1, "granted", "Anna Ng"),
        (6, "expired", None),
        (7, "wrong_code", None),
        (8, "granted", None),
    ]
    assert [
        len(run("audit", "list", "--json", "--day", day)[1].splitlines()) for day in ("2026-09-21", "2026-09-22")
    ] == [
        1,
        1,
    ]
    code, text, _ = run("audit", "list")
    assert code == 0
    for word in ("Anna Ng", "DHL 81", "granted", "expired", "wrong_code", "slot 55", "not here yet"):
        assert word in text
    assert run("audit", "list", "--day", "yesterday")[0] == 2
