"""How long pictures are kept, and what stays of those that went."""

import json
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_door import NOW_S, PICTURE, ScriptedDoor
from storeedit import edit

from database_case import on_both
from lobbylock import retention
from lobbylock.deletion import deletion_holds, sign_deletion
from lobbylock.errors import UserError
from lobbylock.retention import parse_rules, prune
from lobbylock.signature import Signer

JPEG = b"\xff\xd8" + bytes(3000) + b"\xff\xd9"
DAY_S = 86_400


def send(collector, lock: ScriptedDoor, first_seq: int = 1) -> None:
    assert collector.handle(f"lobbylock/{lock.name}/events", lock.batch(first_seq))


def send_picture(collector, lock: ScriptedDoor, number: int) -> list:
    pieces = lock.pieces(number)
    return [reply for piece in pieces for reply in collector.handle(f"lobbylock/{lock.name}/picture", piece)]


@pytest.fixture
def filled(collector, lock, store):
    """Three deliveries a day apart, each with its picture: seqs 3, 8 and 13 announce them. The last one is of NOW_S."""
    for day in (2, 1, 0):
        lock.now_s = NOW_S - day * DAY_S
        lock.deliver(picture=JPEG + bytes([day]))
    send(collector, lock)
    for number in (1, 2, 3):
        assert len(send_picture(collector, lock, number)) == 1
    return store


@pytest.fixture
def delete(database, home):
    """`delete("30d", now_s=...)` -> what went, as (seq, rule)."""

    def call(*texts: str, now_s: float = NOW_S, is_clock_right: bool = False) -> list[tuple[int, str]]:
        doors = {name: home.door(name) for name in home.door_names()}
        deleted = prune(database, doors, home.collector(), parse_rules(texts), now_s, is_clock_right=is_clock_right)
        return [(each.seq, each.rule) for each in deleted]

    return call


def files(store) -> list[str]:
    return sorted(path.name for path in store.pictures.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("texts", "ages_s"),
    [
        ((), (None, None)),
        (("30d",), (30 * DAY_S, 30 * DAY_S)),
        (("12h",), (12 * 3600, 12 * 3600)),
        (("2w", "oak-3=7d"), (14 * DAY_S, 7 * DAY_S)),
        (("oak-3=7d",), (None, 7 * DAY_S)),
        (("7d", "oak-3=forever"), (7 * DAY_S, None)),
        (("forever", "oak-3=1h"), (None, 3600)),
    ],
)
def test_rules(texts, ages_s):
    rules = parse_rules(texts)
    assert bool(rules) is bool(texts)
    found = [rules.of(door) for door in ("maple-12/front", "oak-3/yard")]
    assert tuple(rule and rule.keep_s for rule in found) == ages_s


@pytest.mark.parametrize(
    "texts",
    [("",), ("30",), ("0d",), ("-1d",), ("1.5d",), ("9999999d",), ("30D",), ("=1d",), ("oak_3=1d",), ("a=b=1d",),
     ("1d", "2d"), ("oak-3=1d", "oak-3=2d"), ("1d\n",), (" 1d",)],
)  # fmt: skip
def test_rules_that_are_none(texts):
    with pytest.raises(UserError):
        parse_rules(texts)


@given(st.text(max_size=20))
def test_any_rule(text):
    try:
        assert parse_rules([text])
    except UserError:
        pass


def test_deletion_is_noted_and_the_hash_stays(filled, delete, run, lock):
    events = list(filled.events(filled.chains()[0]))
    rows = filled.picture_rows(filled.chains()[0])
    receipt = filled.chains()[0].receipt
    assert delete("3d") == []
    assert delete("36h") == [(3, "36h")]
    assert files(filled) == ["1-13-3.jpg", "1-8-2.jpg"]
    assert list(filled.events(filled.chains()[0])) == events and filled.chains()[0].receipt == receipt
    left = filled.picture_rows(filled.chains()[0])
    assert (left[3].sha256, left[3].arrival, left[3].digest) == (rows[3].sha256, rows[3].arrival, rows[3].digest)
    assert left[3].file is None and (left[8], left[13]) == (rows[8], rows[13])
    # Nothing of it is wrong, and the audit says how many.
    code, text, _ = run("audit", "verify", "--json")
    (door,) = json.loads(text)["doors"]
    assert (code, door["pictures"], door["deleted_pictures"]) == (0, 2, 1)
    assert delete("36h") == []
    assert delete("1h", now_s=NOW_S + DAY_S) == [(8, "1h"), (13, "1h")]
    assert files(filled) == []
    assert run("audit", "verify")[0] == 0


def test_rule_of_a_building(filled, collector, enrol, delete):
    other = enrol(ScriptedDoor("oak-3/yard", b"\5" * 32))
    other.now_s = NOW_S - 2 * DAY_S
    other.deliver(picture=JPEG)
    send(collector, other)
    send_picture(collector, other, 1)
    assert delete("oak-3=1d") == [(3, "oak-3=1d")]
    assert files(filled) == ["1-13-3.jpg", "1-3-1.jpg", "1-8-2.jpg"]
    assert delete("1d", "maple-12=forever") == []


@on_both(("time_s",), [None, NOW_S + 100 * DAY_S])
def test_a_lock_without_the_time(collector, lock, store, delete, time_s):
    """The age counts from when it was received, also of a lock whose clock is ahead of that."""
    lock.pictures[1] = JPEG
    lock.add(PICTURE, {6: 1, 8: len(JPEG), 7: sha256(JPEG).digest()}, time_s=time_s)
    lock.seal()
    send(collector, lock)
    assert len(send_picture(collector, lock, 1)) == 1
    # The collector of these tests lives at five seconds past NOW_S.
    assert delete("1d", now_s=NOW_S + DAY_S + 4) == []
    assert delete("1d", now_s=NOW_S + DAY_S + 6) == [(1, "1d")]


def test_a_picture_that_comes_again(filled, delete, collector, lock, listener):
    """Its acknowledgement was lost, so the lock sends it once more: it is acknowledged, and stays deleted."""
    told = len(listener.pictures)
    delete("36h")
    assert len(send_picture(collector, lock, 1)) == 1
    assert files(filled) == ["1-13-3.jpg", "1-8-2.jpg"] and len(listener.pictures) == told


def test_a_picture_that_has_not_come(collector, lock, store, delete):
    lock.now_s = NOW_S - 9 * DAY_S
    lock.deliver(picture=JPEG)
    send(collector, lock)
    assert delete("1d") == []
    assert len(send_picture(collector, lock, 1)) == 1
    assert delete("1d") == [(3, "1d")]


def test_what_a_crash_leaves(filled, delete, run, monkeypatch):
    """The note is there and the file as well: it goes the next time, whatever the rules are by then."""

    def fail(_self) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(retention._Pruning, "finish", fail)
        with pytest.raises(OSError):
            delete("36h")
    finish = retention._Pruning.finish
    calls = []

    def fail_second(self) -> None:
        calls.append(1)
        if len(calls) > 1:
            raise OSError(5, "Input/output error")
        finish(self)

    with monkeypatch.context() as patched:
        patched.setattr(retention._Pruning, "finish", fail_second)
        with pytest.raises(OSError):
            delete("36h")
    assert len(files(filled)) == 3 and run("audit", "verify")[0] == 0
    assert delete("99w") == []
    assert files(filled) == ["1-13-3.jpg", "1-8-2.jpg"] and run("audit", "verify")[0] == 0


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO deletion VALUES (1, 3, 5, '30d', zeroblob(64))",
        # A picture that is old enough, whose row points at one that is not.
        "UPDATE picture SET file = (SELECT file FROM picture WHERE seq = 13) WHERE seq = 3",
    ],
)
def test_an_editor_deletes_nothing(filled, delete, store_address, statement):
    edit(store_address, statement)
    assert delete("36h") == [] and delete("99w") == []
    assert len(files(filled)) == 3


def test_a_picture_that_cannot_be_deleted_keeps_no_other(filled, delete):
    path = filled.pictures / "maple-12/front/1-3-1.jpg"
    path.unlink()
    path.mkdir()
    with pytest.raises(OSError):
        delete("1h", now_s=NOW_S + DAY_S)
    assert files(filled) == []
    path.rmdir()
    assert delete("1h", now_s=NOW_S + DAY_S) == []
    assert [row.file for row in filled.picture_rows(filled.chains()[0]).values()] == [None] * 3


def test_a_clock_far_ahead_of_the_record(filled, delete, lock, collector):
    """It is the collector's that is wrong, or nothing has come for long: somebody says which."""
    later_s = NOW_S + 31 * DAY_S
    with pytest.raises(UserError, match="newest event is 31 days old"):
        delete("1d", now_s=later_s)
    assert len(files(filled)) == 3 and delete("99w", now_s=NOW_S + 29 * DAY_S) == []
    lock.now_s = later_s - DAY_S
    first = lock.last_seq + 1
    lock.deliver()
    send(collector, lock, first)
    assert delete("32d", now_s=later_s) == [(3, "32d")]
    assert delete("1d", now_s=later_s + 99 * DAY_S, is_clock_right=True) == [(8, "1d"), (13, "1d")]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO deletion VALUES (1, 8, 5, '30d', zeroblob(64))",
        "UPDATE picture SET file = (SELECT file FROM picture WHERE seq = 3), arrival = 2 WHERE seq = 8",
    ],
)
def test_what_is_acknowledged_is_kept(collector, lock, store, store_address, statement):
    """Neither a note that is not signed nor another picture's file makes a lock throw its picture away."""
    for byte in (b"a", b"b"):
        lock.deliver(picture=JPEG + byte)
    send(collector, lock)
    send_picture(collector, lock, 1)
    edit(store_address, statement)
    assert len(send_picture(collector, lock, 2)) == 1
    assert files(store) == ["1-3-1.jpg", "1-8-2.jpg"]


def test_more_than_a_transaction_takes(filled, delete, monkeypatch):
    monkeypatch.setattr(retention, "_OLD", retention._OLD.limit(1))
    monkeypatch.setattr(retention, "_AT_ONCE", 1)
    assert [seq for seq, _ in delete("1h", now_s=NOW_S + DAY_S)] == [3, 8, 13]


@on_both(
    ("statement",),
    [
        "UPDATE event SET time_s = 0",
        "UPDATE event SET received_s = 0",
        "UPDATE event SET head = zeroblob(32), time_s = 0",
        "UPDATE event SET record = x'80', time_s = 0",
        "UPDATE event SET tag = zeroblob(16), time_s = 0, received_s = 0",
        "UPDATE chain SET door = 'oak-3/yard'",
    ],
)
def test_an_editor_makes_nothing_older(filled, delete, enrol, store_address, statement):
    """What he writes into the columns must not have the collector sign that a rule took the pictures."""
    enrol(ScriptedDoor("oak-3/yard", b"\5" * 32))
    edit(store_address, statement)
    seqs = [seq for seq, _ in delete("3d", "oak-3=1h")]
    assert seqs == [] and len(files(filled)) == 3


@on_both(
    ("statement", "seq", "what"),
    [
        ("UPDATE deletion SET signature = zeroblob(64)", 3, "picture missing"),
        ("UPDATE deletion SET rule = 'x'", 3, "picture missing"),
        ("UPDATE deletion SET deleted_s = 1", 3, "picture missing"),
        ("DELETE FROM deletion", 3, "picture missing"),
        ("UPDATE deletion SET seq = 8", 3, "picture missing"),
        ("UPDATE deletion SET seq = 9", 3, "picture missing"),
        ("UPDATE picture SET arrival = NULL, digest = NULL WHERE seq = 3", 3, "edited"),
        ("INSERT INTO deletion SELECT chain, 8, deleted_s, rule, signature FROM deletion", 8, "picture missing"),
        ("INSERT INTO deletion SELECT chain, 9, deleted_s, rule, signature FROM deletion", 9, "edited"),
    ],
)
def test_notes_that_somebody_wrote(filled, delete, run, store_address, statement, seq, what):
    delete("36h")
    edit(store_address, statement)
    code, text, _ = run("audit", "verify", "--json")
    found = json.loads(text)
    assert code == 1
    assert (seq, what) in [(each["seq"], each["what"]) for each in found["findings"]]


def test_export_of_what_was_deleted(filled, delete, run, tmp_path):
    path = tmp_path / "export"
    assert run("audit", "export", str(path))[0] == 0
    assert b'"deletion"' not in path.read_bytes()
    delete("36h")
    assert run("audit", "export", str(path))[0] == 0
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    (note,) = [line for line in lines if line["type"] == "deletion"]
    assert sorted(note) == ["deleted_s", "rule", "seq", "signature", "type"]
    assert (note["seq"], note["rule"], note["deleted_s"]) == (3, "36h", NOW_S)
    code, text, _ = run("audit", "verify", str(path), "--json")
    assert code == 0 and json.loads(text)["doors"][0]["deleted_pictures"] == 1
    # Without the note the picture is missing.
    for change in (lambda line: line["type"] != "deletion", lambda line: True):
        kept = [{**line, "rule": "1h"} if line["type"] == "deletion" else line for line in lines if change(line)]
        path.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in kept))
        code, text, _ = run("audit", "verify", str(path), "--json")
        assert code == 1
        assert (3, "picture missing") in [(each["seq"], each["what"]) for each in json.loads(text)["findings"]]


def test_command(filled, run):
    code, text, error = run("store", "prune", "--keep-pictures", "1d", "--clock-is-right")
    # NOW_S may be ahead of the machine's clock or behind it.
    assert code == 0 and error == f"Deleted {len(text.splitlines())} pictures.\n"
    code, text, error = run("store", "prune")
    assert code == 2 and "--keep-pictures" in error


def test_signature_of_a_deletion():
    signer = Signer(b"\1" * 32)
    key, digest = b"k" * 32, b"h" * 32
    note = sign_deletion(signer, "maple-12/front", key, 3, digest, NOW_S, "30d")
    assert deletion_holds(note, "maple-12/front", key, digest, signer.public_key)
    assert not deletion_holds(note, "maple-12/back", key, digest, signer.public_key)
    assert not deletion_holds(note, "maple-12/front", digest, digest, signer.public_key)
    assert not deletion_holds(note, "maple-12/front", key, key, signer.public_key)
    assert not deletion_holds(note, "maple-12/front", key, digest, Signer(b"\2" * 32).public_key)
