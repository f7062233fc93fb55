"""How a door is, and what of its record somebody should look at, on both databases."""

import json

import pytest
from scripted_door import NOW_S, ScriptedDoor
from sqlalchemy import insert

from firmware.core import event
from lobbylock import tables
from lobbylock.alarms import ALARM_KINDS, KINDS, MAX_EACH, alarms, kind_of, mark_seen, sentence_of
from lobbylock.health import FAILED, NOT_FITTED, UNKNOWN, WORKS, read_health
from lobbylock.settings import Options

DOORS = ["maple-12/front"]


@pytest.fixture
def send(collector, lock):
    """`send()` hands over what the lock has not sent yet."""
    sent = [0]

    def hand_over(first_seq=None):
        if event.kind_of(lock.records[-1]) != event.SEAL:
            lock.seal()
        replies = collector.handle(f"lobbylock/{lock.name}/events", lock.batch(first_seq or sent[0] + 1))
        assert replies, "refused"
        sent[0] = lock.last_seq

    return hand_over


def found_in(database, since_s=0, findings=(), **options):
    with database.connect() as connection:
        return alarms(connection, DOORS, since_s, findings, **options)


class Finding:
    def __init__(self, seq, what, door=DOORS[0]):
        self.door, self.seq, self.what, self.sentence = door, seq, what, f"{what} at {seq}"


def test_every_kind_has_words():
    for number, kind in KINDS.items():
        found = event.Event(1, number, 1, 1, NOW_S, {})
        assert kind_of(found) == kind in ALARM_KINDS
        assert sentence_of(found).endswith(".") and "_" not in sentence_of(found)
    assert kind_of(event.Event(1, event.ACCESS, 1, 1, NOW_S, {})) is None
    refused = event.Event(1, event.CLOCK_REFUSED, 1, 1, NOW_S, {event.STEP_S: 9, event.NAME: "ntp\x1b[2J"})
    assert sentence_of(refused) == "The lock was told a time that it did not believe (ntp?[2J)."


def test_alarms_newest_first(database, lock, send):
    lock.add(event.BOOT)
    lock.add(event.DOOR_FORCED)
    lock.deliver()
    lock.now_s += 60
    lock.add(event.DOOR_HELD, {event.DURATION_S: 30})
    lock.add(event.LOCKOUT_STARTED, {event.DURATION_S: 60}, time_s=None)
    send()
    found = found_in(database)
    assert [(each.kind, each.what, each.seq) for each in found] == [
        ("held", "door_held", 7),
        ("locked_out", "lockout_started", 8),
        ("forced", "door_forced", 2),
    ]
    # One without a time is as old as it came.
    assert [each.time_s for each in found] == [NOW_S + 60, NOW_S + 5, NOW_S]
    assert found[0].sentence == "The door is held open (for 30 s)."
    assert [each.seq for each in found_in(database, NOW_S + 1)] == [7, 8]
    assert [each.seq for each in found_in(database, kinds=["forced"])] == [2]
    with database.connect() as connection:
        assert alarms(connection, ["oak-3/front"]) == []


def test_gaps_conflicts_and_findings(database, lock, send, collector):
    lock.deliver()
    send()
    copy = ScriptedDoor()
    copy.add(event.BOOT, {event.VERSION: "other"})
    copy.deliver()
    copy.seal()
    collector.handle(f"lobbylock/{lock.name}/events", copy.batch())
    lock.deliver()
    lock.deliver()
    send(9)
    finding, other = Finding(3, "edited"), Finding(3, "gap")
    found = found_in(database, findings=[finding, other, Finding(1, "edited", "oak-3/front")])
    assert sorted((each.kind, each.seq) for each in found) == [("chain", 3), ("gap", 5), ("tamper", 1)]
    assert found[0].sentence == "edited at 3" and found[0].is_grave and found[0].chain == 0
    gap = next(each for each in found if each.kind == "gap")
    assert gap.sentence == "Events 5 to 8 never came." and not gap.has_row


def test_put_aside(database, lock, send):
    lock.add(event.DOOR_FORCED)
    lock.add(event.DOOR_FORCED)
    send()
    with database.begin() as connection:
        chain = alarms(connection, DOORS)[0].chain
        mark_seen(connection, chain, [2], "door_forced", "mia", NOW_S)
        mark_seen(connection, chain, [2, 1], "door_held", "mia", NOW_S)
        mark_seen(connection, chain, [2], "door_forced", "max", NOW_S + 1)
    assert [(each.seq, each.is_seen, each.seen_by) for each in found_in(database)] == [
        (2, True, "mia"),
        (1, False, None),
    ]


def test_a_dead_camera_is_one_alarm(database, lock, send):
    for _ in range(6):
        lock.deliver()
        lock.add(event.CAMERA_FAILED, {event.REASON: event.NO_ANSWER})
        lock.now_s += 60
    lock.add(event.READER_FAULT)
    send()
    camera = [each for each in found_in(database) if each.what == "camera_failed"]
    assert len(camera) == 1 and camera[0].count == 6 and camera[0].seq == max(camera[0].seqs)
    assert camera[0].sentence == "The camera failed (no answer)."
    assert [each.what for each in found_in(database)] == ["reader_fault", "camera_failed"]
    with database.begin() as connection:
        mark_seen(connection, camera[0].chain, camera[0].seqs, "camera_failed", "mia", NOW_S)
    lock.add(event.CAMERA_FAILED, {event.REASON: event.NO_ANSWER})
    send()
    unseen = [each for each in found_in(database) if not each.is_seen]
    assert [(each.what, each.count) for each in unseen] == [("camera_failed", 1), ("reader_fault", 1)]


def test_a_contact_that_chatters_is_bounded(database, lock, send):
    for _ in range(MAX_EACH + 12):
        lock.add(event.DOOR_FORCED)
        if lock.last_seq % 40 == 0:
            send()
    send()
    found = found_in(database)
    assert len(found) == MAX_EACH and found[0].seq > found[-1].seq > 12


def test_altered_rows_raise_nothing(database, lock, send):
    lock.add(event.DOOR_FORCED)
    lock.add(event.DOOR_HELD)
    send()
    rows = tables.event
    with database.begin() as connection:
        connection.execute(rows.update().where(rows.c.seq == 1).values(record=b"\xff\x00"))
        connection.execute(rows.update().where(rows.c.seq == 2).values(kind=event.DOOR_FORCED))
    assert [(each.kind, each.seq) for each in found_in(database)] == [("held", 2)]


# How a door is.


def health_of(database, home, lock):
    with database.connect() as connection:
        return read_health(connection, home.door(lock.name))


def say(database, received_s, **content):
    row = {"door": DOORS[0], "received_s": received_s, "online": True, "online_s": received_s}
    with database.begin() as connection:
        connection.execute(insert(tables.status).values(**row, content=json.dumps(content)))


def test_a_door_that_nobody_has_heard_of(database, home, lock):
    health = health_of(database, home, lock)
    assert (health.chain, health.is_online, health.last_seen_s, health.wear) == (None, None, None, None)
    assert health.is_silent(NOW_S) and health.clock.state == UNKNOWN
    assert {part.state for part in health.parts} == {UNKNOWN, NOT_FITTED}


def test_what_the_record_says(database, home, lock, send):
    record = home.door(lock.name)
    record.options = Options(nfc="uart", ble="on")
    home.save_door(record)
    lock.add(event.BOOT, {event.CAUSE: 1, event.VERSION: "0.5.0"}, time_s=None)
    lock.add(event.CLOCK_SET, {event.STEP_S: 0, event.NAME: "ntp"})
    lock.deliver(picture=b"\xff\xd8" + b"x" * 9_000 + b"\xff\xd9")
    lock.add(event.LIST_TAKEN, {event.LIST_VERSION: 4, event.COUNT: 1, event.NAME: "mqtt"})
    lock.add(event.READER_FAULT, {event.REASON: event.NO_ANSWER})
    lock.add(event.RADIO_FAULT)
    lock.add(event.RADIO_RECOVERED)
    send()
    health = health_of(database, home, lock)
    states = {part.name: (part.state, part.detail) for part in health.parts}
    assert states["camera"] == states["Bluetooth"] == states["strike"] == (WORKS, "")
    assert states["card reader"] == (FAILED, "no_answer")
    assert (health.clock.state, health.clock.detail, health.clock.seq) == (WORKS, "set by ntp", 2)
    assert (health.version, health.boot, health.boot_seq) == ("0.5.0", 1, 1)
    assert (health.list_version, health.list_lost, health.last_seq) == (4, False, lock.last_seq)
    assert (health.last_event_s, health.last_seen_s, health.pending) == (NOW_S, NOW_S + 5, None)
    lock.add(event.LIST_LOST, {event.LIST_VERSION: 4})
    lock.add(event.CAMERA_FAILED, {event.REASON: event.BAD_PICTURE})
    lock.add(event.CLOCK_REFUSED, {event.STEP_S: -5, event.NAME: "ntp"})
    send()
    health = health_of(database, home, lock)
    assert health.list_lost and health.clock.state == FAILED
    assert next(part for part in health.parts if part.name == "camera").state == FAILED


def test_what_the_lock_says_of_itself(database, home, lock, send):
    lock.add(event.BOOT, {event.VERSION: "0.5.0"})
    send()
    say(database, NOW_S + 90, pending=3, heap=61_000, clock=120, version="9.9.9", more="x")
    health = health_of(database, home, lock)
    assert (health.pending, health.heap_bytes, health.clock_ms, health.is_online) == (3, 61_000, 120, True)
    # The signed one counts.
    assert health.version == "0.5.0" and health.last_seen_s == NOW_S + 90 and not health.is_silent(NOW_S + 100)


def test_hostile_statuses(database, home, lock):
    say(database, NOW_S, pending="many", heap=1.5, clock=None, version=["x"])
    health = health_of(database, home, lock)
    assert (health.pending, health.heap_bytes, health.clock_ms, health.version) == (None, None, None, None)
    with database.begin() as connection:
        connection.execute(tables.status.update().values(content="[" * 100_000))
    assert health_of(database, home, lock).pending is None


def test_wear_is_reckoned(database, home, lock, send):
    for _ in range(20):
        lock.deliver(picture=b"\xff\xd8" + bytes(20_000) + b"\xff\xd9")
        lock.now_s += 86_400
        send()
    wear = health_of(database, home, lock).wear
    assert wear is not None
    # 6 sectors of 172 a picture; some 40 events a sector of 68; 8 of 16 sectors a day at most.
    assert wear.pictures == pytest.approx(20 * 5 / 172, rel=0.01)
    assert 100 / 45 / 68 < wear.journal < 100 / 25 / 68
    assert wear.ledger == pytest.approx(19 * 8 / 16) and wear.percent == pytest.approx(wear.ledger / 1_000)
