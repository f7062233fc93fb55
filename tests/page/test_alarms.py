"""Alarms at the top of every page and at /alarms, and the page of a door, on both databases."""

import json
import re

import pytest
from pagecase import Visitor
from recordcase import NOON_S, Finding, House, open_page
from sqlalchemy import insert, update

from firmware.core import event
from lobbylock import tables
from lobbylock.alarms import alarms
from lobbylock.page import actions
from lobbylock.revocation import Book, Entry

FRONT, OTHER = "maple-12/front", "oak-3/front"
DAY_S = 86_400


@pytest.fixture
def house(database, tmp_path):
    made = House(database, tmp_path / "home")
    made.enrol(FRONT)
    made.enrol(OTHER, b"\2" * 32)
    return made


@pytest.fixture
def context(house, clock):
    return open_page(house, clock)


def happen(house, kind, details=None, name=FRONT):
    house.locks[name].now_s += 60
    seq = house.locks[name].add(kind, details or {})
    house.locks[name].seal()
    return seq


def top_of(answer):
    return re.findall(r'<div class="notice (\w+)".*?</strong> (.*?)\s*(?:<a |</p>)', answer.text, re.DOTALL)


def test_open_alarms_are_at_the_top(house, manager, resident, context):
    happen(house, event.DOOR_FORCED)
    happen(house, event.LOCKOUT_STARTED, {event.DURATION_S: 60})
    happen(house, event.DOOR_FORCED, name=OTHER)
    house.collect()
    assert [level for level, _ in top_of(manager.get("/doors"))] == ["alarm"] * 3
    assert "keypad was locked" in manager.get("/doors").text
    # Who lives there hears of the forced door, and of nobody else's.
    assert [level for level, _ in top_of(resident.get("/account"))] == ["alarm"]
    assert "opened and nobody had been let in" in resident.get("/account").text
    context.now_s.now_s += 8 * DAY_S
    assert top_of(manager.get("/doors")) == [] == top_of(resident.get("/account"))


def test_an_alarm_is_new_when_it_comes(house, app, context):
    happen(house, event.DOOR_FORCED)
    house.collect()
    came = update(tables.event).values(received_s=NOON_S + 20 * DAY_S)
    with context.database.begin() as connection:
        connection.execute(came)
    for days, count in ((20, 1), (26, 1), (28, 0)):
        context.now_s.now_s = NOON_S + days * DAY_S + 3_600
        manager, resident = Visitor(app), Visitor(app)
        assert manager.login("mia").status_code == 303 == resident.login("anna").status_code
        assert len(top_of(manager.get("/doors"))) == count == len(top_of(resident.get("/account"))), days
        # Where the top leads to.
        assert manager.get("/alarms").text.count('class="card alarm') == 1
        assert manager.get("/alarms?days=7").text.count('class="card alarm') == count


def test_clocks_that_were_ahead(house, context):
    now_s = NOON_S + 3_600
    doors = [FRONT]
    house.locks[FRONT].now_s = NOON_S + 9_000 * DAY_S
    happen(house, event.DOOR_FORCED)
    house.collect()

    def open_ones(now_s, since_s):
        with context.database.connect() as connection:
            return len(alarms(connection, doors, since_s, now_s=now_s))

    # The lock's: it is as old as its receipt.
    assert open_ones(now_s, now_s - 7 * DAY_S) == 1 and open_ones(now_s + 8 * DAY_S, now_s + DAY_S) == 0
    # The collector's at that time: as old as the lock says; and both.
    for time_s, ends in ((NOON_S, True), (NOON_S + 9_000 * DAY_S, False)):
        with context.database.begin() as connection:
            record = event.Event(1, event.DOOR_FORCED, 0, 0, time_s, {}).encode()
            connection.execute(update(tables.event).values(received_s=NOON_S + 8_000 * DAY_S))
            connection.execute(update(tables.event).where(tables.event.c.seq == 1).values(record=record, time_s=time_s))
        assert open_ones(now_s, now_s - 7 * DAY_S) == 1
        assert (open_ones(now_s + 8 * DAY_S, now_s + DAY_S) == 0) == ends


def test_put_aside(house, manager, context):
    first = happen(house, event.DOOR_FORCED)
    happen(house, event.CAMERA_FAILED, {event.REASON: event.NO_ANSWER})
    happen(house, event.CAMERA_FAILED, {event.REASON: event.NO_ANSWER})
    house.collect()
    page = manager.get("/alarms")
    assert f"/trail/{FRONT}/1/{first}" in page.text and "2 times" in page.text
    forms = re.findall(r'name="what" value="(\w+)"><input type="hidden" name="seqs" value="([0-9,]+)"', page.text)
    assert sorted(what for what, _ in forms) == ["camera_failed", "door_forced"]
    for what, seqs in forms:
        answer = manager.submit("/alarms/seen", page="/alarms", chain="1", what=what, seqs=seqs, query="days=7")
        assert (answer.status_code, answer.headers["location"]) == (303, "/alarms?days=7")
    assert top_of(manager.get("/doors")) == []
    assert manager.get("/alarms").text.count("Seen by mia") == 3
    with context.database.connect() as connection:
        assert [each.what for each in actions.latest(connection)] == ["seen", "seen"]
    # A new one is at the top again.
    happen(house, event.CAMERA_FAILED)
    house.collect()
    assert len(top_of(manager.get("/doors"))) == 1


def test_filters(house, manager):
    happen(house, event.DOOR_FORCED)
    happen(house, event.DOOR_HELD, {event.DURATION_S: 30}, name=OTHER)
    house.collect()
    for query, count in (
        ("", 2),
        ("?kind=held", 1),
        (f"?door={FRONT}", 1),
        (f"?door={FRONT}&kind=held", 0),
        ("?kind=fault", 0),
        ("?days=1", 2),
        ("?door=nowhere/at", 0),
    ):
        assert manager.get(f"/alarms{query}").text.count('class="card alarm') == count, query


def test_what_the_watchman_found_stays(house, manager, context):
    seq = house.come()
    house.collect()
    context.watch.findings.append(Finding(FRONT, seq))
    page = manager.get("/alarms").text
    assert "record changed" in page and f"Row {seq} is not what the chain says." in page and "Put aside" not in page
    assert f"Row {seq} is not what the chain says." in manager.get(f"/door/{FRONT}").text


def test_hostile_alarms(house, manager):
    happen(house, event.CLOCK_REFUSED, {event.NAME: "<script>alert(1)</script>\x1b[2J\u202e"})
    house.collect()
    for path in ("/alarms", "/doors", f"/door/{FRONT}"):
        assert "<script>alert" not in manager.get(path).text and "\x1b" not in manager.get(path).text
    for values in ({"chain": "99"}, {"chain": "x"}, {"seqs": "1,x"}, {"seqs": ""}, {"what": ""}, {"chain": "9" * 30}):
        usual = {"chain": "1", "seqs": "1", "what": "clock_refused"}
        assert manager.submit("/alarms/seen", page="/alarms", **{**usual, **values}).status_code == 404, values
    answer = manager.submit("/alarms/seen", page="/alarms", chain="1", seqs="1", what="x", query="\r\nlocation: evil")
    assert answer.headers["location"] == "/alarms"


def test_other_buildings_alarms(house, app, manager, resident):
    happen(house, event.DOOR_FORCED)
    house.collect()
    app.state.accounts.create("max", "manager", "two horses, one stair", 1, buildings=["oak-3"])
    other = type(manager)(app)
    other.login("max", "two horses, one stair")
    assert 'class="card alarm' not in other.get("/alarms").text and top_of(other.get("/doors")) == []
    form = {"chain": "1", "seqs": "1", "what": "door_forced"}
    assert other.submit("/alarms/seen", page="/account", **form).status_code == 404
    assert resident.submit("/alarms/seen", page="/account", **form).status_code == 404
    assert len(top_of(manager.get("/doors"))) == 1


# Doors.


def test_a_doors_health(house, manager, resident, context):
    house.locks[FRONT].add(event.BOOT, {event.VERSION: "0.5.0"}, time_s=None)
    house.locks[FRONT].add(event.CLOCK_SET, {event.STEP_S: 0, event.NAME: "ntp"})
    house.come()
    happen(house, event.CAMERA_FAILED, {event.REASON: event.NO_ANSWER})
    happen(house, event.LIST_TAKEN, {event.LIST_VERSION: 1, event.COUNT: 1})
    house.collect()
    with house.home.locked():
        book = Book(house.home, "maple-12")
        book.add([Entry("00" * 8, NOON_S + 9 * DAY_S, "Bert", NOON_S)])
        book.make(NOON_S)
    status = {"pending": 12, "heap": 61_234, "clock": 1_500, "version": "9"}
    row = {"door": FRONT, "received_s": NOON_S + 3_500, "online": True, "online_s": NOON_S}
    with context.database.begin() as connection:
        connection.execute(insert(tables.status).values(**row, content=json.dumps(status)))
    page = " ".join(manager.get(f"/door/{FRONT}").text.split())
    for words in ("online", "12 events wait", "61,234 bytes", "right to 1.5 s", "set by ntp", "no_answer", "0.5.0"):
        assert words in page, words
    assert "0.00 % of 100,000 erases" in page and "list 1" in page and "which is not signed" in page
    listed = manager.get("/doors").text
    assert "camera failed" in listed and "12 events wait" in listed and OTHER in listed and "never heard of" in listed
    for path in ("/doors", f"/door/{FRONT}"):
        assert resident.get(path).status_code == 404
    assert manager.get("/door/maple-12/nowhere").status_code == 404 == manager.get("/door/x%2Fy/z").status_code


def test_silent_and_offline(house, manager, context):
    house.come()
    house.collect()
    context.now_s.now_s += DAY_S
    assert "silent" in manager.get("/doors").text
    row = {"door": FRONT, "received_s": NOON_S + DAY_S, "online": False, "online_s": NOON_S, "content": "{}"}
    with context.database.begin() as connection:
        connection.execute(insert(tables.status).values(**row))
    assert "offline" in manager.get("/doors").text
