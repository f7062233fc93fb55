"""`lobbylock audit`: a sound store passes, and whatever is changed in it is named."""

import hmac
import json
import os
import shutil
from pathlib import Path

import cbor2
import pytest
from scripted_door import ACCESS, BOOT, EVENTS_LOST, NOW_S, SEAL, ScriptedDoor, encode
from storeedit import edit, translate

from database_case import on_both, on_sqlite
from lobbylock.audit import audit_store
from lobbylock.collector import Collector
from lobbylock.enrolment import Enrolments
from lobbylock.journalkey import JournalKey
from lobbylock.store import Store
from lobbylock.verify import TWO_HISTORIES

PICTURE = b"\xff\xd8" + bytes(5000) + b"\xff\xd9"


def send(collector: Collector, lock: ScriptedDoor, first_seq: int = 1, last_seq: int | None = None) -> None:
    assert collector.handle(f"lobbylock/{lock.name}/events", lock.batch(first_seq, last_seq))


def send_picture(collector: Collector, lock: ScriptedDoor, number: int = 1) -> None:
    replies = [
        reply for piece in lock.pieces(number) for reply in collector.handle(f"lobbylock/{lock.name}/picture", piece)
    ]
    assert len(replies) == 1


@pytest.fixture
def filled(collector, lock, store, store_address):
    """The store's address after three deliveries: seqs 1 to 15; 3, 8, 13 announce pictures; 5, 10, 15 are seals."""
    for _ in range(3):
        lock.deliver(picture=PICTURE + bytes([lock.last_seq]))
    send(collector, lock)
    for number in (1, 2, 3):
        send_picture(collector, lock, number)
    store.close()
    return store_address


def broken(run) -> dict:
    """Returns what `audit verify` found, having compared its two ways of saying so."""
    code, text, error = run("audit", "verify")
    assert (code, error) == (1, "")
    assert text.startswith("BROKEN: ") and "Every chain is whole" not in text
    code, text, _ = run("audit", "verify", "--json")
    assert code == 1
    found = json.loads(text)
    assert found["ok"] is False
    return found


@pytest.mark.parametrize("hours", [11, 13])
def test_sound(filled, run, lock, monkeypatch, hours):
    monkeypatch.setattr("time.time", lambda: float(NOW_S + hours * 3600))
    code, text, _ = run("audit", "verify", "--json")
    assert code == 0
    found = json.loads(text)
    (door,) = found.pop("doors")
    assert found == {"ok": True}
    assert door.pop("silent_s") == hours * 3600
    assert door.pop("is_silent") is (hours > 12)
    assert door == {
        "door": lock.name,
        "public_key": lock.public_key.hex(),
        "ok": True,
        "events": 15,
        "last_seq": 15,
        "seals": 3,
        "unchecked": 0,
        "pictures": 3,
        "pending_pictures": [],
        "gaps": [],
        "conflicts": 0,
        "silences": [],
        "last_time": "2026-09-21T12:00:00Z",
    }
    code, text, _ = run("audit", "verify")
    assert code == 0 and lock.name in text and "15" in text and "h ago" in text


BLOB = "x'" + encode([7, ACCESS, 1, 1750, NOW_S, {1: 0, 2: 1, 3: 99, 4: 4, 5: 20717}]).hex() + "'"


EDITS = [
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
    ("DELETE FROM picture WHERE number = 2", 8, "picture missing"),
    ("UPDATE picture SET file = 'none.jpg' WHERE number = 2", 8, "picture missing"),
    ("UPDATE picture SET file = '../home/collector.json' WHERE number = 2", 8, "picture is another"),
    ("UPDATE picture SET file = (SELECT file FROM picture WHERE number = 1)", 8, "picture is another"),
    ("UPDATE event SET tag = x'' WHERE seq = 7", 7, "tag missing"),
    ("UPDATE event SET tag = zeroblob(16) WHERE seq = 7", 7, "edited"),
    ("UPDATE event SET tag = (SELECT tag FROM event WHERE seq = 8) WHERE seq = 7", 7, "edited"),
    ("UPDATE picture SET file = NULL WHERE number = 2", 8, "picture missing"),
    ("UPDATE picture SET file = NULL, arrival = NULL, digest = NULL WHERE number = 3", 0, "picture missing"),
    ("UPDATE picture SET sha256 = zeroblob(32) WHERE number = 2", 8, "picture is another"),
    ("UPDATE picture SET arrival = 9 WHERE number = 1", 8, "edited"),
    ("INSERT INTO picture VALUES (1, 9, 2, 5, zeroblob(32), NULL, NULL, NULL)", 9, "edited"),
    ("UPDATE chain SET receipt = NULL", 15, "edited"),
    ("UPDATE chain SET receipt = ack", 15, "edited"),
    ("UPDATE chain SET ack = receipt", 15, "edited"),
    ("UPDATE chain SET ack = NULL", 15, "edited"),
    ("UPDATE chain SET ack = x'80'", 15, "edited"),
    ("UPDATE chain SET public_key = zeroblob(32)", 0, "unknown key"),
    ("UPDATE chain SET door = 'oak-3/yard'", 0, "unknown key"),
    ("INSERT INTO gap VALUES (1, 16, 20, zeroblob(32))", 16, "edited"),
    # SQLite keeps values of other types than the column's.
    ("UPDATE event SET seq = 'x' WHERE seq = 15", 15, "reordered"),
    ("UPDATE event SET tag = 'text of 16 chars' WHERE seq = 7", 7, "tag missing"),
    ("INSERT INTO gap VALUES (1, 'a', 'b', 'c')", 0, "edited"),
]


def test_edited_rows(filled, database, home, lock):
    """Each edit is undone by the transaction in which it is seen."""
    doors = {lock.name: home.door(lock.name)}
    with database.open_connection() as connection:
        if database.is_sqlite:
            connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
            connection.rollback()
        with database.writing(connection):
            if not database.is_sqlite:
                connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            for statement, seq, what in EDITS if database.is_sqlite else EDITS[:-3]:
                with connection.begin_nested() as changes:
                    assert connection.exec_driver_sql(translate(filled, statement)).rowcount != 0
                    sums = audit_store(Store(database, connection), doors, home.collector().public_key)
                    first = [finding for each in sums for finding in each.findings][0]
                    assert (first.seq, first.what) == (seq, what), statement
                    changes.rollback()


def test_swapped_rows(filled, run):
    edit(
        filled,
        "UPDATE event SET seq = -1 WHERE seq = 6",
        "UPDATE event SET seq = 6 WHERE seq = 7",
        "UPDATE event SET seq = 7 WHERE seq = -1",
    )
    found = broken(run)
    assert (found["seq"], found["what"]) == (6, "reordered")


def rewrite(address, lock: ScriptedDoor, first_seq: int) -> None:
    """Puts the records of `lock` from `first_seq` on in place of the stored ones."""
    edit(address, "DELETE FROM event WHERE seq >= ?", values=(first_seq,))
    for seq in range(first_seq, lock.last_seq + 1):
        record = lock.records[seq - 1]
        _, kind, _, _, time_s, _ = cbor2.loads(record)
        values = (1, seq, kind, time_s, record, lock.heads[seq], lock.tags[seq - 1], NOW_S)
        edit(address, "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values=values)


def taken(lock: ScriptedDoor, behind: int) -> ScriptedDoor:
    """The lock in a thief's hands, who goes on behind event `behind` with the one key that is left."""
    thief = ScriptedDoor()
    for record in lock.records[:behind]:
        thief.append_record(record)
    thief.keys = [lock.keys[-1]]
    return thief


def test_rewritten_chain(filled, run, lock):
    """Whoever recomputes all heads and signs all seals anew has no key for the tags."""
    forged = taken(lock, 6)
    forged.append_record(encode([7, ACCESS, 1, 1750, NOW_S, {1: 0, 2: 1, 3: 99, 4: 4, 5: 20717}]))
    forged.seal()
    forged.tags[6:] = lock.tags[6:8]
    rewrite(filled, forged, 7)
    found = broken(run)
    assert (found["seq"], found["what"]) == (7, "edited")


def test_seal_of_another(filled, run, lock):
    """A seal that the door did not make, under tags that hold: by whoever has the journal key and not the seed."""
    forged = ScriptedDoor()
    for record in lock.records[:14]:
        forged.append_record(record)
    forged.append_record(encode([15, SEAL, 1, 250 * 15, NOW_S, {9: bytes(64)}]))
    rewrite(filled, forged, 15)
    found = broken(run)
    assert (found["seq"], found["what"]) == (15, "bad seal")


@on_both(("unsent",), [0, 3, 200])
def test_cut_back_and_resumed(filled, run, lock, unsent):
    for _ in range(unsent):
        lock.add(BOOT)
    forged = taken(lock, 10)
    forged.deliver(slot=99)
    rewrite(filled, forged, 11)
    found = broken(run)
    assert (found["seq"], found["what"]) == (11, "cut back and resumed")
    missing = 15 + unsent - 10
    assert f"event {16 + unsent} and later: {missing} events are missing" in found["detail"]


def test_newer_key_for_one_event(filled, run, lock):
    """An earlier design took what any key of the lock had made."""
    forged = taken(lock, 6)
    forged.append_record(encode([7, ACCESS, 1, 1750, NOW_S, {1: 0, 2: 1, 3: 99, 4: 4, 5: 20717}]))
    edit(
        filled,
        f"UPDATE event SET record = x'{forged.records[6].hex()}', head = x'{forged.heads[7].hex()}', kind = 2,"
        f" tag = x'{forged.tags[6].hex()}' WHERE seq = 7",
    )
    found = broken(run)
    assert (found["seq"], found["what"]) == (7, "tag of another event's key")
    assert "key of event 16" in found["detail"]


def test_older_key(filled, run, lock):
    tag = hmac.digest(lock.keys[2], lock.heads[7], "sha256")[:16]
    edit(filled, f"UPDATE event SET tag = x'{tag.hex()}' WHERE seq = 7")
    found = broken(run)
    assert (found["seq"], found["what"]) == (7, "tag of another event's key")
    assert "key of event 3" in found["detail"]


def test_cut_and_recomputed_end(filled, run, lock):
    """A chain cut behind an earlier seal is sound in itself; the collector's acknowledgement says what was there."""
    edit(filled, "DELETE FROM event WHERE seq > 10", "DELETE FROM picture WHERE seq > 10")
    found = broken(run)
    assert (found["seq"], found["what"]) == (11, "missing row")


def test_hidden_behind_a_gap(filled, run, lock):
    """Noting a gap where something was deleted: the collector never knew of one there."""
    edit(
        filled,
        "DELETE FROM event WHERE seq BETWEEN 6 AND 10",
        "DELETE FROM picture WHERE seq BETWEEN 6 AND 10",
        f"INSERT INTO gap VALUES (1, 6, 10, x'{lock.heads[10].hex()}')",
    )
    found = broken(run)
    assert (found["seq"], found["what"]) == (6, "missing row")
    assert "6 to 10 (unexplained)" in run("audit", "verify")[1]


def test_history_that_is_gone(collector, enrol, run, filled, store, home, lock):
    other = enrol(ScriptedDoor("oak-3/yard", b"\5" * 32))
    other.deliver()
    with Store.open(filled, store.pictures) as again:
        send(Collector(again, Enrolments(home), home.collector(), collector._listener), other)
    assert run("audit", "verify")[0] == 0
    edit(filled, "DELETE FROM event WHERE chain = 2", "DELETE FROM chain WHERE id = 2")
    found = broken(run)
    assert (found["door"], found["seq"], found["what"]) == (lock.name, 0, "missing row")
    assert "nothing ever came" in run("audit", "verify")[1]


@on_both(
    ("damage", "what"),
    [
        (lambda path: os.truncate(path, 100), "picture is another"),
        (lambda path: path.write_bytes(PICTURE[::-1] + b"\x05"), "picture is another"),
        (lambda path: path.write_bytes(bytes(1 << 20)), "picture is another"),
        (lambda path: path.unlink(), "picture missing"),
        (lambda path: (path.unlink(), path.mkdir()), "picture missing"),
        # Nobody waits for what never comes, nor reads what lies elsewhere.
        (lambda path: (path.unlink(), os.mkfifo(path)), "picture missing"),
        (
            lambda path: (path.rename(path.with_suffix(".moved")), path.symlink_to(path.with_suffix(".moved"))),
            "picture missing",
        ),
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


@on_both(
    ("reports", "head_seq", "is_reported"),
    [
        ([(5, 4)], 8, True),
        ([(4, 5)], 8, True),
        ([(5, 2), (5, 4)], 8, True),
        ([(7, 2), (5, 2)], 8, True),
        ([(5, 3)], 7, False),
        ([(6, 3)], 8, False),
        ([], 0, False),
    ],
)
def test_gaps_are_named(collector, store_address, run, lock, reports, head_seq, is_reported):
    for _ in range(3):
        lock.deliver()
    for first, count in reports:
        lock.add(EVENTS_LOST, {14: first, 12: count, 7: lock.heads[first + count - 1]})
    lock.seal()
    send(collector, lock, 1, 4)
    send(collector, lock, 9)
    code, text, _ = run("audit", "verify", "--json")
    found = json.loads(text)
    # Named either way: whoever holds the lock can have it say so.
    assert code == 1
    assert found["doors"][0]["gaps"] == [{"first_seq": 5, "last_seq": 8, "reported": is_reported}]
    words = "reported by the lock" if is_reported else "unexplained"
    assert f"5 to 8 ({words})" in run("audit", "verify")[1]
    assert (found["seq"], found["what"]) == (5, "gap")
    edit(store_address, "UPDATE gap SET head = zeroblob(32)")
    assert broken(run)["seq"] == 9


def test_gap_of_other_events_than_reported(collector, run, lock):
    for _ in range(3):
        lock.deliver()
    lock.add(EVENTS_LOST, {14: 5, 12: 4, 7: bytes(32)})
    lock.seal()
    send(collector, lock, 1, 4)
    send(collector, lock, 9)
    found = broken(run)
    assert (found["seq"], found["what"]) == (5, "gap")


def test_second_history(collector, store, run, lock, listener):
    """A thief puts an older copy back into the lock, or makes up what it recorded: the collector keeps it."""
    for _ in range(2):
        lock.deliver()
    send(collector, lock)
    forged = taken(lock, 4)
    forged.deliver(slot=8)
    topic = f"lobbylock/{lock.name}/events"
    assert collector.handle(topic, forged.batch(5)) == []
    assert collector.handle(topic, forged.batch(5)) == []
    # Without the door's seal anybody could have made it.
    stranger = ScriptedDoor(seed=b"\7" * 32)
    stranger.deliver()
    assert collector.handle(topic, stranger.batch()) == []
    assert listener.refusals.count(TWO_HISTORIES) == 3
    found = broken(run)
    assert (found["seq"], found["what"]) == (5, "two histories")
    assert "tags do not hold" in found["detail"] and len(found["findings"]) == 1
    assert found["doors"][0]["conflicts"] == 1
    # Who came can still be read: what is stored is the door's own.
    code, text, error = run("audit", "list", "--json")
    assert code == 0 and len(text.splitlines()) == 2 and "two histories" in error


@on_both(
    ("statement",),
    [
        "DELETE FROM conflict",
        "UPDATE conflict SET seq = 6",
        "UPDATE conflict SET received_s = 0",
        "UPDATE conflict SET message = x'80'",
        "UPDATE conflict SET message = 'text'",
    ],
)
def test_evidence_that_was_touched(collector, store_address, run, lock, statement):
    lock.deliver()
    send(collector, lock)
    forged = taken(lock, 0)
    forged.deliver(slot=8)
    collector.handle(f"lobbylock/{lock.name}/events", forged.batch())
    assert broken(run)["what"] == "two histories"
    edit(store_address, statement)
    assert broken(run)["what"] == "edited"


def test_copied_lock(collector, run, lock):
    """Two locks with one memory: the tags of both hold."""
    lock.deliver()
    send(collector, lock)
    twin = ScriptedDoor()
    for record in lock.records:
        twin.append_record(record)
    lock.deliver(slot=1)
    twin.deliver(slot=2)
    send(collector, lock, 5)
    assert collector.handle(f"lobbylock/{lock.name}/events", twin.batch(5)) == []
    found = broken(run)
    assert (found["seq"], found["what"]) == (5, "two histories")
    assert "its tags hold too" in found["detail"]


def test_evidence_is_bounded(collector, store, run, lock):
    lock.deliver()
    send(collector, lock)
    for slot in range(30):
        forged = taken(lock, 0)
        forged.deliver(slot=slot + 10)
        assert collector.handle(f"lobbylock/{lock.name}/events", forged.batch()) == []
    assert len(store.conflicts(store.chains()[0])) == 16
    assert len(broken(run)["findings"]) == 16


def test_silences(collector, run, lock):
    for hours in (0, 6, 11, 24, 23, 36, 100):
        lock.now_s = NOW_S + hours * 3600
        lock.add(BOOT, time_s=None)
        lock.seal()
    send(collector, lock)
    code, text, _ = run("audit", "verify", "--json")
    assert code == 0
    (door,) = json.loads(text)["doors"]
    assert [(each["seq"], each["hours"]) for each in door["silences"]] == [(8, 13.0), (12, 13.0), (14, 64.0)]
    assert door["last_time"] == "2026-09-25T16:00:00Z"
    text = run("audit", "verify")[1]
    assert text.count("silent from") == 3


def test_events_from_before_the_enrolment(home, collector, run, lock):
    for _ in range(2):
        lock.deliver()
    door = home.door(lock.name)
    door.journal_keys = {lock.public_key: JournalKey(5, lock.keys[4])}
    home.save_door(door)
    send(collector, lock)
    code, text, _ = run("audit", "verify", "--json")
    assert code == 0 and json.loads(text)["doors"][0]["unchecked"] == 4
    assert "4 events are from before" in run("audit", "verify")[1]
    door.journal_keys = {}
    home.save_door(door)
    assert (broken(run)["seq"], broken(run)["what"]) == (0, "unknown key")


def test_gap_that_does_not_fit(collector, store_address, run, lock):
    for _ in range(3):
        lock.deliver()
    send(collector, lock, 9)
    edit(store_address, "UPDATE gap SET last_seq = 7")
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


@on_sqlite
def test_verify_in_a_folder_that_cannot_be_written(collector, database, store, store_address, run, lock, home):
    lock.deliver()
    send(collector, lock)
    store.close()
    database.close()
    copy = home.path / "copy.db"
    shutil.copy(store_address, copy)
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


@on_sqlite
def test_damaged_pages(filled, database, run):
    database.close()
    path = Path(filled)
    data = bytearray(path.read_bytes())
    for at in range(4096, len(data), 4096):
        data[at : at + 100] = b"\xff" * 100
    path.write_bytes(data)
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


@on_both(
    ("statement",),
    [
        "UPDATE event SET kind = 9 WHERE seq = 6",
        "UPDATE event SET time_s = time_s + 86400 WHERE seq = 6",
        "UPDATE event SET time_s = NULL WHERE seq = 6",
        "UPDATE event SET chain = 2 WHERE seq = 6",
        "UPDATE chain SET door = 'oak-3/yard'",
        "DELETE FROM event WHERE seq = 6",
    ],
)
def test_nothing_is_hidden_from_a_view(filled, run, enrol, statement):
    """Earlier designs showed what their columns said, and what was moved out of the view was not missed."""
    enrol(ScriptedDoor("oak-3/yard", b"\5" * 32))
    views = [(), ("--day", "2026-09-21"), ("--door", "maple-12/front")]
    assert [len(run("audit", "list", "--json", *view)[1].splitlines()) for view in views] == [3, 3, 3]
    edit(filled, statement)
    for view in views:
        code, text, error = run("audit", "list", "--json", *view)
        assert (code, text) == (1, "")
        assert "nothing is shown" in error


def test_unverified_list(filled, run):
    edit(filled, "UPDATE event SET kind = 9 WHERE seq = 6")
    code, text, error = run("audit", "list", "--json", "--unverified")
    assert code == 0 and "edited" in error
    assert [json.loads(line)["seq"] for line in text.splitlines()] == [1, 6, 11]
