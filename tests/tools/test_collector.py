"""The collector on a real store, one message at a time, without a broker."""

import json
import os
import sqlite3
import stat
import time
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripted_door import ACCESS, ScriptedDoor, encode, read_ack
from storeedit import edit

from database_case import on_sqlite
from firmware.core import ratchet
from lobbylock import verify
from lobbylock.collector import Collector
from lobbylock.enrolment import Enrolments
from lobbylock.errors import StoreFailed, UserError
from lobbylock.store import Store

PICTURE = b"\xff\xd8" + bytes(range(256)) * 40 + b"\xff\xd9"
EVENTS = "lobbylock/maple-12/front/events"
PIECES = "lobbylock/maple-12/front/picture"


def stored_seqs(store: Store) -> list[tuple[str, int]]:
    return [(chain.door, row.seq) for chain in store.chains() for row in store.events(chain)]


def test_events_are_stored_and_acknowledged(collector, home, lock, store, listener):
    lock.deliver()
    replies = collector.handle(EVENTS, lock.batch())
    assert [topic for topic, _ in replies] == ["lobbylock/maple-12/front/ack"]
    assert read_ack(replies[0][1], home.collector().public_key) == [1, lock.name, lock.last_seq, lock.heads[-1]]
    chain = store.chain(lock.name, lock.public_key)
    assert [row.record for row in store.events(chain)] == lock.records
    assert listener.events == [(lock.name, seq) for seq in range(1, lock.last_seq + 1)]
    assert listener.refusals == []


def test_duplicate_is_acknowledged_again_and_stored_once(collector, lock, store, listener):
    lock.deliver()
    first = collector.handle(EVENTS, lock.batch())
    assert collector.handle(EVENTS, lock.batch()) == first
    assert len(listener.events) == len(stored_seqs(store)) == lock.last_seq


def test_out_of_order_fills_the_gap(collector, lock, store, listener):
    for _ in range(3):
        lock.deliver()
    end = lock.last_seq // 3
    assert collector.handle(EVENTS, lock.batch(2 * end + 1))
    assert listener.gaps == [(lock.name, 1, 2 * end)]
    assert collector.handle(EVENTS, lock.batch(1, end))
    assert collector.handle(EVENTS, lock.batch(end + 1, 2 * end))
    chain = store.chain(lock.name, lock.public_key)
    assert store.gaps(chain) == []
    assert [row.record for row in store.events(chain)] == lock.records


def test_two_histories_leave_the_stored_one(collector, lock, store, listener):
    lock.deliver()
    collector.handle(EVENTS, lock.batch())
    other = ScriptedDoor()
    other.deliver(slot=8)
    assert collector.handle(EVENTS, other.batch()) == []
    assert listener.refusals == [verify.TWO_HISTORIES]
    assert [row.record for row in store.events(store.chain(lock.name, lock.public_key))] == lock.records


def test_replaced_board_begins_a_chain(collector, enrol, lock, store, listener):
    lock.deliver()
    collector.handle(EVENTS, lock.batch())
    other = ScriptedDoor(seed=b"\5" * 32)
    other.deliver()
    assert collector.handle(EVENTS, other.batch()) == []
    enrol(other, may_replace=True)
    assert collector.handle(EVENTS, other.batch())
    assert collector.handle(EVENTS, lock.batch()) == []
    assert [chain.public_key for chain in store.chains()] == [lock.public_key, other.public_key]


def test_door_enrolled_meanwhile(collector, enrol, listener):
    lock = ScriptedDoor("oak-3/yard")
    lock.deliver()
    assert collector.handle("lobbylock/oak-3/yard/events", lock.batch()) == []
    assert listener.refusals == [verify.UNKNOWN_DOOR]
    enrol(lock)
    assert collector.handle("lobbylock/oak-3/yard/events", lock.batch())


def test_door_without_a_journal_key(collector, home, lock, store, listener):
    lock.deliver()
    door = home.door(lock.name)
    known, door.journal_keys = door.journal_keys, {}
    home.save_door(door)
    assert collector.handle(EVENTS, lock.batch()) == []
    assert listener.refusals == [verify.NO_JOURNAL_KEY] and store.chains() == []
    door.journal_keys = known
    home.save_door(door)
    assert collector.handle(EVENTS, lock.batch())


def test_bad_tag_is_neither_stored_nor_acknowledged(collector, lock, store, listener):
    lock.deliver()
    lock.tags[1] = bytes(16)
    assert collector.handle(EVENTS, lock.batch()) == []
    assert listener.refusals == [verify.BAD_TAG] and store.chains() == []


def test_a_batch_costs_no_more_than_its_length(collector, lock, monkeypatch):
    """Keys are counted on from where the last batch ended, not from the enrolled one."""
    steps = []
    following = ratchet.following
    monkeypatch.setattr(ratchet, "following", lambda key: steps.append(1) or following(key))
    for at in range(50):
        lock.deliver()
        steps.clear()
        assert collector.handle(EVENTS, lock.batch(4 * at + 1))
        assert len(steps) <= 4
        assert collector.handle(EVENTS, lock.batch(4 * at + 1))
        assert len(steps) <= 4


def test_doors_do_not_answer_for_each_other(collector, enrol, lock, listener):
    other = enrol(ScriptedDoor("oak-3/yard", seed=b"\6" * 32))
    other.deliver()
    assert collector.handle(EVENTS, other.batch()) == []
    # Behind a head taken on trust, the seal alone stands in the way.
    other.deliver()
    assert collector.handle(EVENTS, other.batch(5)) == []
    assert listener.refusals == [verify.TWO_HISTORIES, verify.BAD_SEAL]


def test_picture(collector, home, lock, database, listener):
    access = lock.deliver(picture=PICTURE)
    collector.handle(EVENTS, lock.batch())
    replies = [reply for piece in lock.pieces(1) for reply in collector.handle(PIECES, piece)]
    assert [topic for topic, _ in replies] == ["lobbylock/maple-12/front/ack"]
    digest = read_ack(replies[0][1], home.collector().public_key)
    assert digest[:3] == [2, lock.name, 1]
    (door, number, path) = listener.pictures[0]
    assert (door, number) == (lock.name, 1) and access == 1
    with open(path, "rb") as file:
        assert file.read() == PICTURE
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    # The acknowledgement was lost: all of it again, one answer at the end, no second file.
    assert [reply for piece in lock.pieces(1) for reply in collector.handle(PIECES, piece)] == replies
    assert len(listener.pictures) == 1
    if database.is_sqlite:
        assert stat.S_IMODE(os.stat(database.address).st_mode) == 0o600


def test_lost_picture_file_is_taken_again(collector, lock, listener):
    lock.deliver(picture=PICTURE)
    collector.handle(EVENTS, lock.batch())
    for _ in range(2):
        for piece in lock.pieces(1):
            collector.handle(PIECES, piece)
        os.unlink(listener.pictures[-1][2])
    assert len(listener.pictures) == 2


def test_unannounced_picture(collector, lock, store, listener):
    lock.deliver(picture=PICTURE)
    for piece in lock.pieces(1):
        assert collector.handle(PIECES, piece) == []
    assert listener.refusals == [verify.UNANNOUNCED] * 3
    assert not store.pictures.exists()


def test_other_picture(collector, lock, store, listener):
    lock.deliver(picture=PICTURE)
    collector.handle(EVENTS, lock.batch())
    lock.pictures[1] = PICTURE[::-1]
    assert [reply for piece in lock.pieces(1) for reply in collector.handle(PIECES, piece)] == []
    assert listener.refusals == [verify.BAD_HASH]
    assert not store.pictures.exists()


def test_pictures_of_doors_interleave(collector, enrol, listener):
    locks = [enrol(ScriptedDoor(f"oak-3/door-{at}", bytes([at]) * 32)) for at in range(1, 6)]
    for at, lock in enumerate(locks):
        lock.deliver(picture=bytes([at]) * 9000)
        assert collector.handle(f"lobbylock/{lock.name}/events", lock.batch())
    for pieces in zip(*(lock.pieces(1) for lock in locks), strict=True):
        for lock, piece in zip(locks, pieces, strict=True):
            collector.handle(f"lobbylock/{lock.name}/picture", piece)
    assert sorted(door for door, _, _ in listener.pictures) == [lock.name for lock in locks]


def test_restart_in_the_middle_of_a_picture(home, lock, listener, database):
    lock.deliver(picture=PICTURE)

    def begin() -> Collector:
        opened = Store(database, database.open_connection())
        return Collector(opened, Enrolments(home), home.collector(), listener)

    before = begin()
    before.handle(EVENTS, lock.batch())
    before.handle(PIECES, lock.pieces(1)[0])
    after = begin()
    for piece in lock.pieces(1)[1:]:
        assert after.handle(PIECES, piece) == []
    assert listener.refusals == [verify.BAD_PIECE] * 2
    assert len([reply for piece in lock.pieces(1) for reply in after.handle(PIECES, piece)]) == 1


def test_status(collector, lock, listener):
    topic = "lobbylock/maple-12/front/status"
    collector.handle(topic, json.dumps({"online": True, "pending": 3, "version": "0.1.0", "x": [1]}).encode(), True)
    collector.handle(topic, b'{"online": false}', True)
    assert listener.statuses == [
        (lock.name, {"online": True, "pending": 3, "version": "0.1.0"}),
        (lock.name, {"online": False}),
    ]
    for payload in (b"", b"[]", b"{}", b'{"online": 1}', b"\xff", b"[" * 1000, b'{"online": NaN}'):
        collector.handle(topic, payload, True)
    assert listener.refusals == [verify.MALFORMED] * 7
    collector.handle(topic, b" " * 2000, True)
    assert listener.refusals[-1] == verify.TOO_LONG


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        ("", verify.UNKNOWN_TOPIC),
        ("lobbylock", verify.UNKNOWN_TOPIC),
        ("lobbylock/maple-12/front", verify.UNKNOWN_TOPIC),
        ("lobbylock/maple-12/front/ack", verify.UNKNOWN_TOPIC),
        ("lobbylock/maple-12/front/events/x", verify.UNKNOWN_TOPIC),
        ("other/maple-12/front/events", verify.UNKNOWN_TOPIC),
        ("lobbylock/" + "a" * 60000 + "/front/events", verify.UNKNOWN_TOPIC),
        ("lobbylock/maple-12/back/events", verify.UNKNOWN_DOOR),
        ("lobbylock/../../events", verify.UNKNOWN_DOOR),
        ("lobbylock/./front/events", verify.UNKNOWN_DOOR),
        ("lobbylock/MAPLE-12/front/events", verify.UNKNOWN_DOOR),
        ("lobbylock//front/events", verify.UNKNOWN_DOOR),
        ("lobbylock/maple-12/front\n/events", verify.UNKNOWN_DOOR),
        ("lobbylock/\x00/\ufffd/events", verify.UNKNOWN_DOOR),
    ],
)
def test_strangers_topics(collector, lock, listener, topic, reason):
    lock.deliver()
    assert collector.handle(topic, lock.batch()) == []
    assert listener.refusals == [reason]


def test_retained(collector, lock, listener):
    lock.deliver()
    assert collector.handle(EVENTS, lock.batch(), True) == []
    assert listener.refusals == [verify.RETAINED]


@pytest.mark.parametrize("payload", [b"", b"\xff" * 100, b"{}", bytes(1 << 20), b"\x9f" * 8192, b"\x81" * 8192])
@pytest.mark.parametrize("topic", [EVENTS, PIECES])
def test_strangers_payloads(collector, lock, store, listener, topic, payload):
    assert collector.handle(topic, payload) == []
    assert listener.refusals[0] in (verify.MALFORMED, verify.TOO_LONG)
    assert store.chains() == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sampled_from([EVENTS, PIECES, "lobbylock/maple-12/front/status"]), st.binary(max_size=200))
def test_any_payload(collector, lock, topic, payload):
    assert collector.handle(topic, payload) == []


def test_strangers_cost_no_memory(collector, lock, listener):
    listener.refused = lambda topic, refusal: None
    megabyte = bytes(1 << 20)

    def flood(count: int) -> None:
        for at in range(count):
            collector.handle(EVENTS, megabyte)
            collector.handle(f"lobbylock/building-{at}/front/events", b"x")
            collector.handle(PIECES, encode([1, at, 5000, 0, b"x" * 4096]))

    flood(50)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    flood(2000)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 100_000


def test_unwritable_store_is_not_acknowledged(home, lock, listener, store_address, pictures_path):
    lock.deliver()
    Store.open(store_address, pictures_path).close()
    broken = Collector(Store.open_to_read(store_address, pictures_path), Enrolments(home), home.collector(), listener)
    with pytest.raises(StoreFailed):
        broken.handle(EVENTS, lock.batch())
    assert listener.events == []


def test_two_collectors_on_one_store(home, lock, listener, store_address, pictures_path):
    for _ in range(4):
        lock.deliver()
    stores = [Store.open(store_address, pictures_path) for _ in range(2)]
    collectors = [Collector(store, Enrolments(home), home.collector(), listener) for store in stores]
    for at in range(4):
        collectors[at % 2].handle(EVENTS, lock.batch(4 * at + 1, 4 * at + 4))
        collectors[1 - at % 2].handle(EVENTS, lock.batch(1, 4 * at + 4))
    assert len(listener.events) == lock.last_seq
    assert listener.refusals == listener.gaps == []


@pytest.mark.parametrize("content", [b"not a database", b"\0" * 5000])
def test_file_that_is_no_store(tmp_path, content):
    path = tmp_path / "other.db"
    path.write_bytes(content)
    with pytest.raises(UserError):
        Store.open(path)
    assert path.read_bytes() == content


def test_database_of_something_else(tmp_path):
    path = tmp_path / "other.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE event (x)")
    other.close()
    for opening in (Store.open, Store.open_to_read):
        with pytest.raises(UserError, match="not a LobbyLock store"):
            opening(path)


@on_sqlite
def test_store_of_another_version(store, store_address):
    edit(store_address, "PRAGMA user_version = 1")
    with pytest.raises(UserError, match="another version"):
        Store.open(store_address)


def test_huge_numbers_from_an_enrolled_door(collector, lock, store, listener):
    largest = (1 << 63) - 1
    lock.append_record(encode([1, ACCESS, largest, largest, largest, {3: largest, 6: largest}]))
    lock.seal()
    assert collector.handle(EVENTS, lock.batch())
    assert next(store.events(store.chain(lock.name, lock.public_key))).time_s == largest


def test_throughput(collector, lock):
    """Well above what a building makes: a floor against a quadratic store, not a benchmark."""
    for _ in range(40):
        for _ in range(31):
            lock.add(ACCESS, {1: 1, 2: 1})
        lock.seal()
    # Of its own processor time: whatever else the machine does meanwhile is not its fault.
    started_s = time.process_time()
    for first in range(1, lock.last_seq, 32):
        assert collector.handle(EVENTS, lock.batch(first, first + 31))
    assert lock.last_seq / (time.process_time() - started_s) > 300
