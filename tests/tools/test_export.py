"""`lobbylock audit export`, and a second program that reads what it writes from docs/protocol.md alone."""

import hmac
import json
import sqlite3
import stat
from contextlib import closing
from hashlib import sha256

import cbor2
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from scripted_door import EVENTS_LOST, NOW_S, ScriptedDoor
from storeedit import edit

from database_case import on_sqlite
from lobbylock.collector import Collector
from lobbylock.enrolment import Enrolments
from lobbylock.export import MAX_LINE_BYTES
from lobbylock.files import MAX_JSON_BYTES
from lobbylock.store import Store

EDDSA = b"\xa1\x01\x27"


# The second program: nothing of ours from here to its end.


def signed_by(key: bytes, payload: bytes, signature: bytes) -> None:
    signed = cbor2.dumps(["Signature1", EDDSA, b"", payload], canonical=True)
    Ed25519PublicKey.from_public_bytes(key).verify(signature, signed)


def open_sign1(message: str, key: bytes) -> list:
    protected, unprotected, payload, signature = cbor2.loads(bytes.fromhex(message))
    assert (protected, unprotected) == (EDDSA, {})
    signed_by(key, payload, signature)
    return cbor2.loads(payload)


def read_lines(path, collector_key: bytes) -> list[dict]:
    lines = path.read_bytes().splitlines(keepends=True)
    end = json.loads(lines[-1])
    digest = sha256(b"".join(lines[:-1])).digest()
    assert (end["type"], end["lines"], end["sha256"]) == ("end", len(lines) - 1, digest.hex())
    assert open_sign1(end["signature"], collector_key) == [4, len(lines) - 1, digest]
    head, *body = [json.loads(line) for line in lines[:-1]]
    assert (head["type"], head["version"]) == ("lobbylock export", 1)
    return body


def read_chain(chain: dict, rows: list[dict], collector_key: bytes, journal: tuple[int, bytes] | None) -> list:
    """Returns the records of one chain, everything about them verified; a journal key is needed to check tags."""
    public_key = bytes.fromhex(chain["public_key"])
    gaps = {row["first_seq"]: row for row in rows if row["type"] == "gap"}
    head = sha256(b"lobbylock journal 1" + public_key).digest()
    seq, key = journal or (1 << 63, b"")
    expected = 1
    records = []
    for row in (row for row in rows if row["type"] == "event"):
        if row["seq"] != expected:
            gap = gaps.pop(expected)
            assert gap["last_seq"] + 1 == row["seq"]
            head = bytes.fromhex(gap["head"])
        record = bytes.fromhex(row["record"])
        number, kind, boot, uptime_ms, time_s, details = cbor2.loads(record)
        if kind == 16:
            payload = ["lobbylock seal 1", chain["door"], number, boot, uptime_ms, time_s, head]
            signed_by(public_key, cbor2.dumps(payload, canonical=True), details[9])
        head = sha256(head + record).digest()
        assert (number, head.hex()) == (row["seq"], row["head"])
        while seq < number:
            key = hmac.digest(key, b"lobbylock journal key 1", "sha256")
            seq += 1
        assert seq > number or hmac.digest(key, head, "sha256")[:16].hex() == row["tag"]
        records.append(record)
        expected = number + 1
    assert not gaps and open_sign1(chain["ack"], collector_key) == [1, chain["door"], expected - 1, head]
    listed = [[row["first_seq"], row["last_seq"], bytes.fromhex(row["head"])] for row in rows if row["type"] == "gap"]
    came, pictures = (
        sorted((row for row in rows if row["type"] == "picture" and row["arrival"]), key=arrival),
        bytes(32),
    )
    for row in came:
        assert row["found"] == row["sha256"]
        pictures = sha256(pictures + row["seq"].to_bytes(8, "big") + bytes.fromhex(row["sha256"])).digest()
    kept = [(row["message"], row["seq"], row["received_s"]) for row in rows if row["type"] == "conflict"]
    kept = sorted([sha256(bytes.fromhex(message)).digest(), seq, time_s] for message, seq, time_s in kept)
    digests = [sha256(cbor2.dumps(value, canonical=True)).digest() for value in (listed, kept)]
    receipt = open_sign1(chain["receipt"], collector_key)
    assert receipt[:9] == [
        3,
        chain["door"],
        public_key,
        expected - 1,
        head,
        digests[0],
        len(came),
        pictures,
        digests[1],
    ]
    return records


def arrival(row: dict) -> int:
    return row["arrival"]


# Its end.


@pytest.fixture
def filled(collector, enrol, lock, store):
    """Two doors; the first one with a gap that it reported, two pictures of three, and evidence of a second history."""
    for at in range(3):
        lock.deliver(picture=b"picture %d" % at)
        if at != 1:
            assert collector.handle(f"lobbylock/{lock.name}/events", lock.batch(5 * at + 1))
    lock.add(EVENTS_LOST, {14: 6, 12: 5, 7: lock.heads[10]})
    lock.seal()
    assert collector.handle(f"lobbylock/{lock.name}/events", lock.batch(16))
    for number in (1, 3):
        for piece in lock.pieces(number):
            assert collector.handle(f"lobbylock/{lock.name}/picture", piece)
    forged = ScriptedDoor()
    forged.deliver(slot=1)
    assert collector.handle(f"lobbylock/{lock.name}/events", forged.batch()) == []
    other = enrol(ScriptedDoor("oak-3/yard", b"\5" * 32))
    other.deliver()
    assert collector.handle(f"lobbylock/{other.name}/events", other.batch())
    store.close()
    return {lock.name: lock, other.name: other}


def export(run, tmp_path, *options: str, name: str = "export"):
    path = tmp_path / name
    code, text, error = run("audit", "export", str(path), *options)
    assert (code, text) == (0, ""), error
    return path


@pytest.mark.parametrize("with_keys", [False, True])
def test_second_reader(filled, run, tmp_path, home, with_keys):
    path = export(run, tmp_path, *(["--with-keys"] if with_keys else []))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    collector_key = home.collector().public_key
    body = read_lines(path, collector_key)
    starts = [at for at, row in enumerate(body) if row["type"] == "chain"]
    assert [body[at]["door"] for at in starts] == list(filled)
    for at, end in zip(starts, [*starts[1:], len(body)], strict=True):
        chain = body[at]
        lock = filled[chain["door"]]
        assert ("key" in chain["journal"]) is with_keys
        journal = (1, bytes.fromhex(chain["journal"]["key"])) if with_keys else (1, lock.keys[0])
        for keys in (journal, None):
            records = read_chain(chain, body[at + 1 : end], collector_key, keys)
            assert records == [record for record in lock.records if record in records]
            assert len(records) == {"maple-12/front": 12, "oak-3/yard": 4}[chain["door"]]
    assert not any(key in path.read_text() for lock in filled.values() for key in [lock.keys[0].hex()]) or with_keys


def test_second_reader_notices(filled, run, tmp_path, home):
    path = export(run, tmp_path)
    data = path.read_bytes()
    for at in range(0, len(data) - 1, 97):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises((AssertionError, ValueError, KeyError, InvalidSignature, cbor2.CBORDecodeError)):
            read_lines(path, home.collector().public_key)


def verify(run, *paths) -> tuple[int, dict]:
    code, text, error = run("audit", "verify", "--json", *map(str, paths))
    assert error == ""
    return code, json.loads(text)


def test_verify_of_an_export_is_that_of_the_store(filled, run, tmp_path):
    """Its findings are the gap and the second history; the rest of what is seen is the same as well."""
    path = export(run, tmp_path)
    ours, theirs = verify(run), verify(run, path)
    for _, found in (ours, theirs):
        for door in found["doors"]:
            door.pop("silent_s")
    assert ours == theirs and ours[0] == 1
    assert [each["what"] for each in ours[1]["findings"]] == ["gap", "two histories"]
    assert ours[1]["doors"][0]["gaps"] == [{"first_seq": 6, "last_seq": 10, "reported": True}]


def test_one_door(filled, run, tmp_path):
    path = export(run, tmp_path, "--door", "oak-3/yard")
    code, found = verify(run, path)
    assert code == 0 and [door["door"] for door in found["doors"]] == ["oak-3/yard"]


DAMAGES = [
    (lambda lines: lines[:-1], "export cut off"),
    (lambda lines: lines[:5], "export cut off"),
    (lambda lines: lines[:1], "export cut off"),
    (lambda lines: [*lines[:-2], lines[-2][:-5]], "export cut off"),
    (lambda lines: [*lines, b"\n"], "export altered"),
    (lambda lines: [*lines, lines[-1]], "export altered"),
    (lambda lines: lines[:3] + lines[4:], "export altered"),
    (lambda lines: lines[:3] + [b"{}\n"] + lines[3:], "export altered"),
    (lambda lines: lines[:3] + [b"\xff\n"] + lines[3:], "export altered"),
    (lambda lines: lines[:3] + [b"[" * 10_000 + b"\n"] + lines[3:], "export altered"),
    (lambda lines: lines[:3] + [b" " * MAX_LINE_BYTES + b"\n"] + lines[3:], "export altered"),
    (lambda lines: lines[:3] + [b'{"type":"event","seq":9223372036854775808}\n'] + lines[3:], "export altered"),
    (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], "export altered"),
    (lambda lines: [lines[0].replace(b'"door":null', b'"door":5'), *lines[1:]], "export altered"),
    (lambda lines: [*lines[:-1], lines[-1].replace(b'signature":"84', b'signature":"85')], "export altered"),
]


def test_damaged_exports(filled, run, tmp_path):
    path = export(run, tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    for number, (damage, what) in enumerate(DAMAGES):
        path.write_bytes(b"".join(damage(list(lines))))
        code, found = verify(run, path)
        assert (code, found["what"], found["door"]) == (1, what, str(path)), number


@pytest.mark.parametrize(
    "content", [b"{", b"{}\n", b'{"type":"lobbylock export","version":2}\n', b"{" * (MAX_JSON_BYTES)]
)
def test_no_export(lock, run, tmp_path, content):
    path = tmp_path / "export"
    path.write_bytes(content)
    code, text, error = run("audit", "verify", str(path))
    assert (code, error.count("\n")) in {(2, 1), (1, 0)} and "Traceback" not in text + error


def test_signed_by_another_collector(filled, run, tmp_path, home):
    path = export(run, tmp_path)
    file = home.path / "collector.json"
    stranger = json.loads(file.read_text())
    stranger["ed25519_seed"] = "07" * 32
    stranger.pop("public_key")
    signed = ScriptedDoor(seed=b"\7" * 32)
    file.write_text(json.dumps({**stranger, "public_key": signed.public_key.hex()}))
    code, found = verify(run, path)
    assert (code, found["what"]) == (1, "export altered")


# Two records.


def test_two_exports_of_one_history(collector, store_address, lock, run, tmp_path, monkeypatch):
    lock.deliver()
    assert collector.handle(f"lobbylock/{lock.name}/events", lock.batch())
    early = export(run, tmp_path, name="early")
    lock.deliver()
    assert collector.handle(f"lobbylock/{lock.name}/events", lock.batch(5))
    monkeypatch.setattr("time.time", lambda: NOW_S + 1e9)
    late = export(run, tmp_path, name="late")
    code, found = verify(run, early, late)
    assert code == 0 and [door["events"] for door in found["doors"]] == [4, 8]
    assert verify(run, late, early)[0] == verify(run, early, store_address)[0] == 0


@on_sqlite
def test_store_that_was_put_back(collector, store_address, lock, run, tmp_path):
    """An older copy of the whole store is sound in itself; an export from before tells."""
    lock.deliver()
    assert collector.handle(f"lobbylock/{lock.name}/events", lock.batch())
    with closing(sqlite3.connect(store_address)) as source:
        source.execute("VACUUM INTO ?", (str(tmp_path / "old.db"),))
    lock.deliver(picture=b"picture")
    assert collector.handle(f"lobbylock/{lock.name}/events", lock.batch(5))
    path = export(run, tmp_path)
    assert verify(run, tmp_path / "old.db")[0] == 0
    code, found = verify(run, tmp_path / "old.db", path)
    assert (code, found["seq"], found["what"]) == (1, 5, "missing row")


def test_two_stores_with_two_histories(home, lock, listener, run, tmp_path):
    """A lock's whole flash was copied, and each copy went on at a collector of its own."""
    twin = ScriptedDoor()
    for one in (lock, twin):
        one.deliver()
    lock.deliver(slot=1)
    twin.deliver(slot=2)
    paths = []
    for one in (lock, twin):
        paths.append(tmp_path / f"{len(paths)}.db")
        with Store.open(paths[-1]) as opened:
            collector = Collector(opened, Enrolments(home), home.collector(), listener)
            assert collector.handle(f"lobbylock/{one.name}/events", one.batch())
    assert all(verify(run, path)[0] == 0 for path in paths)
    code, found = verify(run, *paths)
    assert (code, found["seq"], found["what"]) == (1, 5, "two histories")
    assert "two histories" in run("audit", "verify", *map(str, paths))[1]
    assert run("audit", "verify", *map(str, [*paths, paths[0]]))[0] == 2


def test_export_of_a_damaged_store(filled, run, store_address, tmp_path):
    edit(store_address, "UPDATE gap SET first_seq = -1")
    code, text, error = run("audit", "export", str(tmp_path / "export"))
    assert (code, text) == (2, "") and "damaged" in error
    assert list(tmp_path.glob("*export*")) == []
