"""What is heard at a real broker: states, events, pictures; what is not heard; and what is left there."""

import json
import threading
import time

import pytest
from ha_case import FRONT, PAGE, Ear, wait
from sqlalchemy import update
from visitcase import jpeg

from firmware.core import event
from lobbylock import home_assistant_publisher, tables
from lobbylock.alarms import FORCED, mark_seen
from lobbylock.broker import Broker, StalledBroker
from lobbylock.errors import StoreFailed
from lobbylock.home_assistant_device import ATTRIBUTES, Names
from lobbylock.home_assistant_door import Neighbour, iso
from lobbylock.home_assistant_notes import MAX_EVENTS, Notes
from lobbylock.home_assistant_store import Sights
from lobbylock.watchman import Noticed

HOUR_S = 3_600


def test_a_delivery_becomes_states_an_event_and_a_picture(shown, ear):
    shown.start()
    ear.wait(shown.names.service, "online")
    shown.publisher.status(FRONT, {"online": True, "pending": 3, "version": "0.1.0"})
    seq = shown.come("UPS 4711")
    shown.collect()
    ear.wait(shown.topic("image"), jpeg(1))
    ear.wait(shown.topic("connectivity"), "online")
    ear.wait(shown.topic("queue"), "3")
    ear.wait(shown.topic("last_delivery"), "2026-09-21T12:01:00+00:00")
    ear.wait(shown.topic("tamper"), "OFF")
    ear.wait(shown.topic("problem"), "OFF")
    attributes = json.loads(ear.last(shown.topic(ATTRIBUTES)) or b"{}")
    assert (attributes["who"], attributes["via"], attributes["outcome"]) == ("UPS 4711", "phone", "opened")
    assert attributes["proof"] == "holds"
    # The store may have been looked at before what was noted was told.
    ear.wait(shown.topic("door"), "OFF")
    assert wait_for_events(ear, shown, 1) == [
        {
            "event_type": "delivery",
            "seq": seq,
            "time": "2026-09-21T12:01:00+00:00",
            "who": "UPS 4711",
            "via": "phone",
            "picture": True,
        }
    ]
    # In order: it was opened, and closed again.
    assert ear.texts(shown.topic("door"))[-2:] == ["ON", "OFF"]


def test_events_are_never_kept_by_the_broker_and_states_are(lane, ear, broker):
    lane.start()
    ear.wait(lane.names.service, "online")
    lane.come("UPS 4711")
    lane.collect()
    ear.wait(lane.topic("image"), jpeg(1))
    wait(lambda: ear.events(lane.topic("event")))
    with Ear(broker.port) as later:
        later.fence()
        kept = {topic for topic, _, is_retained in later.heard if is_retained}
    assert lane.topic("event") not in kept
    assert {lane.names.config(FRONT), lane.names.service, lane.topic("strike"), lane.topic("image")} <= kept


def test_the_strike_is_on_and_off_in_order(lane, ear):
    lane.start()
    ear.wait(lane.topic("strike"), "OFF")
    ear.heard.clear()
    lane.unlock()
    lane.send()
    ear.wait(lane.topic("strike"), "ON")
    lane.lock.add(event.LOCKED)
    lane.send()
    ear.wait(lane.topic("strike"), "OFF")
    # Both in one message, as when the lock had somebody at its door.
    lane.unlock()
    lane.lock.add(event.LOCKED)
    lane.send()
    wait(lambda: len(ear.texts(lane.topic("strike"))) == 4)
    assert ear.texts(lane.topic("strike")) == ["ON", "OFF", "ON", "OFF"]


def test_events_of_hours_ago_do_not_make_the_strike_flap(shown, ear, monkeypatch):
    has_come = held_back(monkeypatch)
    shown.start()
    # What it says last of how things stand at the start.
    ear.wait(shown.names.service, "online")
    ear.heard.clear()
    begun_s = shown.lock.now_s
    for number in range(20):
        shown.come(f"UPS {number}", picture=False)
        shown.lock.add(event.LOCKED)
    shown.come("Anna", role=2, picture=False)
    # The last one left it open, and nobody has closed it since.
    shown.lock.add(event.DOOR_OPENED)
    shown.unlock()
    shown.lock.seal()
    shown.ahead_s = 3 * HOUR_S
    shown.collect()
    has_come.set()
    ear.wait(shown.topic("door"), "ON")
    late = wait(lambda: ear.events(shown.topic("event")))
    ear.fence()
    # Only how it stands in the end; what was released hours ago rests.
    assert ear.texts(shown.topic("strike")) == []
    assert ear.texts(shown.topic("door")) == ["ON"]
    assert [(each["event_type"], each["events"]) for each in late] == [("late", {"delivery": 20})]
    assert late[0]["first"] == time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(begun_s + 60))


def test_a_strike_whose_end_never_comes_is_off_by_itself(lane, ear):
    lane.start()
    ear.wait(lane.topic("strike"), "OFF")
    lane.unlock()
    lane.send()
    ear.wait(lane.topic("strike"), "ON")
    lane.ahead_s = 4
    ear.wait(lane.topic("strike"), "OFF")


def test_a_gap_leaves_the_door_unknown_and_is_a_tamper_until_it_is_seen(shown, ear):
    shown.start()
    shown.lock.add(event.DOOR_OPENED)
    shown.send()
    ear.wait(shown.topic("door"), "ON")
    shown.lock.add(event.DOOR_CLOSED)
    shown.lock.seal()
    lost = shown.sent[FRONT] + 1
    shown.sent[FRONT] = shown.lock.last_seq
    shown.lock.add(event.EXIT_REQUESTED)
    shown.send()
    ear.wait(shown.topic("door"), "None")
    ear.wait(shown.topic("tamper"), "ON")
    with shown.database.begin() as connection:
        mark_seen(connection, 1, [lost], "gap", "mia", 1)
    shown.publisher.gap(FRONT, None)
    ear.wait(shown.topic("tamper"), "OFF")


def test_a_forced_door_is_an_event_and_a_tamper(lane, ear):
    lane.start()
    ear.wait(lane.topic("tamper"), "OFF")
    seq = lane.lock.add(event.DOOR_FORCED)
    lane.send()
    ear.wait(lane.topic("tamper"), "ON")
    ear.wait(lane.topic("door"), "ON")
    assert [(each["event_type"], each["seq"]) for each in wait_for_events(ear, lane, 1)] == [(FORCED, seq)]


def test_a_tamper_is_one_for_a_week_from_when_it_came(lane):
    lane.lock.add(event.DOOR_FORCED)
    lane.lock.seal()
    lane.collect()
    forced_s = lane.lock.now_s
    with lane.database.begin() as connection:
        connection.execute(update(tables.event).values(received_s=forced_s + 20 * 86_400))
    seen = []
    for days in (20, 26, 28):
        now_s = forced_s + days * 86_400 + 60
        sights = Sights(lane.database, lane.doors, lane.history, Neighbour(), lambda now_s=now_s: now_s)
        seen.append(sights.look(lane.doors()[FRONT], ()).has_tamper)
    assert seen == [True, True, False]


def test_what_the_watchman_finds_is_a_tamper(lane, ear):
    lane.start()
    ear.wait(lane.topic("tamper"), "OFF")
    lane.publisher.watch_changed([Noticed(FRONT, 1, 3, "edited", "Row 3 is not what the chain says.", True)])
    ear.wait(lane.topic("tamper"), "ON")
    lane.publisher.watch_changed([])
    ear.wait(lane.topic("tamper"), "OFF")


def test_home_assistant_that_starts_is_told_everything_again(lane, ear, monkeypatch):
    # Nothing is under way then: half of it would be told with that.
    monkeypatch.setattr("lobbylock.home_assistant._TICK_S", 600)
    lane.come("UPS 4711")
    lane.collect()
    lane.start()
    ear.wait(lane.names.service, "online")
    ear.fence()
    before = {topic: payload for topic, payload, _ in ear.heard}
    ear.heard.clear()
    ear.client.publish(lane.names.birth, b"offline", 1)
    ear.client.publish(lane.names.birth, b"online", 1)
    ear.wait(lane.names.service, "online")
    after = {topic: payload for topic, payload, _ in ear.heard if topic != lane.names.birth}
    assert after == before
    # The device first: nobody listens to the states of one that is not known.
    topics = [topic for topic, _, _ in ear.heard if topic != lane.names.birth]
    assert topics[0] == lane.names.config(FRONT)


def test_after_a_restart_the_states_are_those_of_the_store(shown, ear):
    shown.come("UPS 4711", opens=False)
    shown.lock.add(event.DOOR_OPENED)
    shown.lock.add(event.CAMERA_FAILED, {event.REASON: event.NO_ANSWER})
    shown.lock.seal()
    shown.collect()
    shown.ahead_s = 60
    shown.start()
    ear.wait(shown.names.service, "online")
    shown.stop()
    ear.wait(shown.names.service, "offline")
    said = {topic: payload for topic, payload, _ in ear.heard if topic != shown.names.service}
    assert said[shown.topic("door")] == b"ON"
    assert said[shown.topic("strike")] == b"OFF"
    assert said[shown.topic("problem")] == b"ON"
    assert said[shown.topic("image")] == jpeg(1)
    # Nobody knows yet whether it is connected.
    assert said[shown.topic("connectivity")] == b"offline"
    ear.heard.clear()
    shown.start()
    ear.wait(shown.names.service, "online")
    ear.fence()
    # The broker holds all that.
    assert [topic for topic, _, _ in ear.heard if topic.startswith(shown.names.root)] == [shown.names.service]
    # And old events are no events again.
    assert ear.events(shown.topic("event")) == []


def test_a_row_that_was_altered_is_not_shown(shown, ear):
    shown.come("UPS 4711")
    shown.lock.add(event.DOOR_OPENED)
    shown.lock.seal()
    shown.collect()
    seq = shown.lock.last_seq - 1
    closed = event.Event(seq, event.DOOR_CLOSED, 1, 250 * seq, int(shown.lock.now_s), {event.DURATION_S: 1}).encode()
    with shown.database.begin() as connection:
        for wanted, values in (
            (tables.event.c.seq == seq, {"record": closed, "kind": event.DOOR_CLOSED}),
            (tables.event.c.seq == 1, {"record": shown.lock.records[0].replace(b"UPS", b"DHL")}),
        ):
            connection.execute(update(tables.event).where(wanted).values(**values))
    shown.start()
    ear.wait(shown.names.service, "online")
    assert ear.last(shown.topic("last_delivery")) == b"None"
    assert ear.last(shown.topic("image")) is None
    # Neither what the row was nor what it was made, nor what was before it.
    assert ear.last(shown.topic("door")) == b"None"
    assert not any(b"DHL" in payload for _, payload, _ in ear.heard)


def test_a_picture_that_is_another_one_is_not_shown(lane, ear):
    lane.come("UPS 1")
    lane.collect()
    with lane.database.store() as store:
        file = next(store.pictures.rglob("*.jpg"))
    whole = file.read_bytes()
    file.write_bytes(jpeg(99))
    lane.start()
    ear.wait(lane.names.service, "online")
    assert ear.last(lane.topic("image")) is None
    file.write_bytes(whole)
    lane.publisher.picture(FRONT, None, "")
    ear.wait(lane.topic("image"), jpeg(1))
    file.unlink()
    file.symlink_to(file.parent / "elsewhere.jpg")
    (file.parent / "elsewhere.jpg").write_bytes(b"secret")
    lane.publisher.picture(FRONT, None, "")
    ear.wait(lane.topic("image"), b"")
    assert not any(b"secret" in payload for _, payload, _ in ear.heard)


def test_a_picture_that_is_no_jpeg_is_not_shown(lane, ear):
    lane.lock.pictures[1] = b"<script>alert(1)</script>"
    number = lane.announce(lane.lock, 1)
    assert number
    access = {event.REASON: 0, event.VIA: event.PHONE, event.SUBJECT: "UPS 1", event.ROLE: 1, event.PICTURE_NUMBER: 1}
    lane.lock.add(event.ACCESS, access)
    lane.lock.seal()
    lane.collect()
    lane.start()
    ear.wait(lane.topic("last_delivery"), lambda payload: payload != b"None")
    ear.wait(lane.names.service, "online")
    assert ear.last(lane.topic("image")) is None


def test_a_picture_that_is_deleted_goes_from_the_broker_as_well(lane, ear, broker):
    lane.come("UPS 4711")
    lane.collect()
    lane.start()
    ear.wait(lane.topic("image"), jpeg(1))
    with lane.database.store() as store:
        next(store.pictures.rglob("*.jpg")).unlink()
    lane.publisher.picture(FRONT, None, "")
    ear.wait(lane.topic("image"), b"")
    with Ear(broker.port) as later:
        later.fence()
        assert later.last(lane.topic("image")) is None


@pytest.mark.parametrize("shows_all", [False, True])
def test_nothing_published_commands_anything_or_names_a_resident(lane, ear, shows_all):
    lane.start(shows_all=shows_all)
    ear.wait(lane.names.service, "online")
    people = {"Anna Resident": 2, "Sam Staff": 3, "Vera Visitor": 4, "UPS 4711": 1}
    for name, role in people.items():
        lane.come(name, role=role, picture=role != 2)
        lane.come(name, role=role, picture=False, REASON=event.EXPIRED)
        # All of them within the last two minutes.
        lane.lock.now_s -= 120
    lane.lock.add(event.TASK_FAILED, {event.NAME: "Anna Resident"})
    lane.lock.seal()
    lane.collect()
    lane.publisher.status(FRONT, {"online": True, "pending": 0})
    types = [each["event_type"] for each in wait_for_events(ear, lane, 9 if shows_all else 2)]
    ear.wait(lane.topic("queue"), "0")
    ear.wait(lane.topic("image"), jpeg(3))
    ear.fence()
    assert ear.heard
    for topic, payload, _ in ear.heard:
        # Home Assistant's and this side's own, nothing of the locks'.
        assert topic.startswith((lane.names.root + "/", "homeassistant/device/lobbylock_"))
        assert b"command" not in payload.lower()
        assert b"cmd_t" not in payload
        assert b'"lock"' not in payload or topic == lane.names.config(FRONT)
        if not shows_all:
            assert not any(name.encode() in payload for name, role in people.items() if role != 1)
    assert not any(each["p"] == "lock" for each in config(ear, lane)["cmps"].values())
    if shows_all:
        assert {"entry", "delivery", "refused", "fault"} == set(types)
    else:
        assert sorted(types) == ["delivery", "refused"]


def test_a_door_that_is_gone_takes_its_device_along(lane, ear, monkeypatch, broker):
    monkeypatch.setattr(home_assistant_publisher, "_GONE_AFTER_S", 0.5)
    lane.enrol("maple-12/back", b"\2" * 32)
    lane.start()
    ear.wait(lane.names.service, "online")
    assert ear.last(lane.names.config("maple-12/back"))
    (lane.home.path / "doors" / "maple-12" / "back.json").unlink()
    ear.wait(lane.names.config("maple-12/back"), b"")
    ear.wait(lane.topic("strike", "maple-12/back"), b"")
    # Each of its topics is a message of its own.
    wait(lambda: not any("back" in topic for topic in held(broker)))
    assert held(broker) >= {lane.names.config(FRONT)}


def test_a_door_that_went_while_nobody_published_is_taken_away_too(lane, ear, broker):
    other = Names(b"another collector's key").config("maple-12/back")
    ear.client.publish(other, b"{}", 1, retain=True)
    ear.client.publish("homeassistant/device/kitchen/config", b"{}", 1, retain=True)
    lane.enrol("maple-12/back", b"\2" * 32)
    lane.start()
    ear.wait(lane.names.service, "online")
    lane.stop()
    (lane.home.path / "doors" / "maple-12" / "back.json").unlink()
    lane.start()
    ear.wait(lane.names.config("maple-12/back"), b"")
    wait(lambda: not any("back" in topic for topic in held(broker) - {other}))
    # Those of others stay.
    assert held(broker) >= {other, "homeassistant/device/kitchen/config", lane.names.config(FRONT)}


def test_a_contact_that_is_taken_off_is_removed_and_one_that_is_put_on_comes(lane, ear):
    lane.start()
    ear.wait(lane.names.config(FRONT), lambda payload: "door" in json.loads(payload)["cmps"])
    lane.change(has_contact=False)
    ear.wait(lane.names.config(FRONT), lambda payload: "door" not in json.loads(payload or b"{}")["cmps"])
    before = json.loads(ear.payloads(lane.names.config(FRONT))[-2])
    assert before["cmps"]["door"] == {"p": "binary_sensor"}
    ear.wait(lane.topic("door"), b"")
    lane.change(has_contact=True)
    ear.wait(lane.topic("door"), "None")


def test_the_page_and_the_version_are_in_the_device(lane, ear):
    lane.start()
    lane.lock.add(event.BOOT, {event.VERSION: "0.1.0"})
    lane.send()
    ear.wait(lane.names.config(FRONT), lambda payload: json.loads(payload)["dev"].get("sw") == "0.1.0")
    assert config(ear, lane)["dev"]["cu"] == f"{PAGE}/door/{FRONT}"


def test_a_lock_is_offline_while_its_broker_is_not_there(lane, ear):
    lane.start()
    lane.publisher.status(FRONT, {"online": True})
    ear.wait(lane.topic("connectivity"), "online")
    lane.publisher.connection(False, "gone", 1)
    ear.wait(lane.topic("connectivity"), "offline")
    lane.publisher.connection(True)
    lane.publisher.status(FRONT, {"online": True})
    ear.wait(lane.topic("connectivity"), "online")


def test_a_broker_that_comes_back_is_told_all_there_is_and_what_is_still_news(lane, monkeypatch):
    # Of two who wait for a broker nobody knows who is there first, and events are only for those who are there.
    has_come = held_back(monkeypatch)
    with Broker("mosquitto") as own:
        own.stop()
        lane.start(port=own.port)
        for number in (1, 2):
            seq = lane.come(f"UPS {number}")
            lane.collect()
            own.start()
            with Ear(own.port) as ear:
                has_come.set()
                ear.wait(lane.names.service, "online")
                ear.wait(lane.topic("image"), jpeg(number))
                assert [each["seq"] for each in wait_for_events(ear, lane, 1)] == [seq]
            has_come.clear()
            own.stop()


def test_a_broker_that_never_answers_is_not_in_the_collectors_way(lane, monkeypatch):
    # The end is not waited for by anybody.
    monkeypatch.setattr("lobbylock.home_assistant._LAST_WORDS_S", 2)
    with StalledBroker() as stalled:
        lane.start(port=stalled.port)
        wait(lambda: stalled.accepted)
        for number in range(30):
            lane.come(f"UPS {number}", picture=False)
        lane.collect()
        assert len(lane.told()) == 30
        lane.stop()


def test_a_store_that_fails_is_tried_again(lane, ear, monkeypatch):
    monkeypatch.setattr("lobbylock.home_assistant._STORE_PAUSE_S", 0.1)
    sights = "lobbylock.home_assistant_store.Sights.look"

    def fail(*_):
        raise StoreFailed("The store is gone.")

    lane.come("UPS 4711")
    lane.collect()
    with monkeypatch.context() as patch:
        patch.setattr(sights, fail)
        lane.start()
        ear.wait(lane.names.config(FRONT), bool)
        assert ear.last(lane.names.service) is None
    ear.wait(lane.names.service, "online")
    assert ear.last(lane.topic("image")) == jpeg(1)


def test_more_events_than_are_noted_are_counted_and_the_door_stands_right(lane, ear, monkeypatch):
    lane.come("UPS 0", picture=False)
    lane.collect()
    has_come = held_back(monkeypatch)
    publisher = lane.start()
    ear.wait(lane.names.service, "online")
    door = lane.home.door(FRONT)
    found = event.Event(4, event.DOOR_FORCED, 1, 1, int(lane.lock.now_s) - HOUR_S, {})
    for _ in range(3 * MAX_EVENTS):
        publisher.event(door, found)
    # Of the last ones one knows how they leave the door.
    publisher.event(door, event.Event(5, event.DOOR_OPENED, 1, 2, int(lane.lock.now_s) - HOUR_S, {}))
    has_come.set()
    late = wait(lambda: ear.events(lane.topic("event")))
    ear.wait(lane.topic("door"), "ON")
    time_s = iso(found.time_s)
    assert [each["events"] for each in late] == [{"forced": 3 * MAX_EVENTS}]
    assert (late[0]["first"], late[0]["last"]) == (time_s, time_s)


def held_back(monkeypatch):
    """Has no event told until the flag is set that is returned: they come at once then, however slow the machine is."""
    has_come, is_told = threading.Event(), threading.Event()
    take_event, take_dropped = Notes.take_event, Notes.take_dropped

    def begin_step(notes):
        # Looked at once a step, which begins here: one without the other would be told of half of them.
        (is_told.set if has_come.is_set() else is_told.clear)()
        return take_dropped(notes) if is_told.is_set() else {}

    monkeypatch.setattr(Notes, "take_dropped", begin_step)
    monkeypatch.setattr(Notes, "take_event", lambda notes: take_event(notes) if is_told.is_set() else None)
    return has_come


def wait_for_events(ear, house, count):
    """Returns what the event entity heard, once there are `count`."""
    wait(lambda: len(ear.events(house.topic("event"))) >= count)
    return ear.events(house.topic("event"))


def config(ear, house):
    return json.loads(ear.last(house.names.config(FRONT)))


def held(broker):
    """Returns the topics that the broker holds something of."""
    with Ear(broker.port) as later:
        later.fence()
        return {topic for topic, _, is_retained in later.heard if is_retained}
