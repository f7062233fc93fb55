"""How a door stands by its events, and what of them is told to whom."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.core import event
from firmware.core.credential import DRIVER, RESIDENT, STAFF, VISITOR
from lobbylock import home_assistant_device as device
from lobbylock.door import Door
from lobbylock.home_assistant_door import RECENT_S, Late, Neighbour, Standing, event_message, is_recent
from lobbylock.readers import Reader
from lobbylock.settings import Options

NOW_S = 1_790_000_000
DOOR = Door("maple-12", "front", 1, Options())
PULSE_S = 5.0


def make(seq, kind, time_s: int | None = NOW_S, **details):
    return event.Event(seq, kind, 1, 250 * seq, time_s, {getattr(event, key): value for key, value in details.items()})


def stand(*events, now_s=NOW_S, is_new=True):
    standing = Standing(int(PULSE_S * 1000))
    for found in events:
        standing.take(found, now_s, is_new=is_new)
    return standing


def test_a_strike_is_on_while_it_is_released():
    assert stand().strike(NOW_S) == "OFF"
    standing = stand(make(1, event.UNLOCKED))
    assert standing.strike(NOW_S) == "ON"
    standing.take(make(2, event.LOCKED), NOW_S)
    assert standing.strike(NOW_S) == "OFF"
    standing.take(make(3, event.UNLOCKED), NOW_S + 60)
    assert standing.strike(NOW_S + 60) == "OFF", "what was released a minute ago rests"


def test_a_strike_whose_end_was_lost_is_off_once_the_pulse_must_be_over():
    standing = stand(make(1, event.UNLOCKED))
    assert standing.strike(NOW_S + PULSE_S) == "ON"
    assert standing.strike(NOW_S + PULSE_S + device.STRIKE_GRACE_S) == "OFF"
    # Somebody else was let in meanwhile.
    standing.take(make(2, event.UNLOCKED, NOW_S + 4), NOW_S + 4)
    assert standing.strike(NOW_S + PULSE_S + 4) == "ON"
    assert standing.strike(NOW_S + PULSE_S + 4 + device.STRIKE_GRACE_S) == "OFF"


def test_a_start_of_the_lock_rests_the_strike_and_closes_the_door():
    standing = stand(make(1, event.UNLOCKED), make(2, event.DOOR_OPENED), make(3, event.BOOT, VERSION="1.2.3"))
    assert (standing.strike(NOW_S), standing.contact(), standing.version) == ("OFF", "OFF", "1.2.3")


@pytest.mark.parametrize("time_s", [None, NOW_S - 3_600, NOW_S - 60])
def test_what_comes_late_shows_no_released_strike(time_s):
    assert stand(make(1, event.UNLOCKED, time_s)).strike(NOW_S) == "OFF"


def test_after_a_restart_only_the_rest_of_a_pulse_is_shown():
    standing = stand(make(1, event.UNLOCKED, NOW_S - 3), is_new=False)
    assert standing.strike(NOW_S) == "ON"
    assert standing.strike(NOW_S + PULSE_S - 3 + device.STRIKE_GRACE_S) == "OFF"
    assert stand(make(1, event.UNLOCKED, NOW_S - 60), is_new=False).strike(NOW_S) == "OFF"


def test_a_door_is_open_until_it_is_closed():
    assert stand().contact() == "None"
    for kind in (event.DOOR_OPENED, event.DOOR_FORCED):
        assert stand(make(1, event.DOOR_CLOSED), make(2, kind)).contact() == "ON"
        assert stand(make(1, kind), make(2, event.DOOR_CLOSED)).contact() == "OFF"
        # Out of order, as after a gap that closed.
        assert stand(make(2, event.DOOR_CLOSED), make(1, kind)).contact() == "OFF"


def test_nobody_knows_how_a_door_is_behind_missing_events():
    standing = stand(make(3, event.DOOR_OPENED))
    assert standing.contact(last_gap_seq=2) == "ON"
    assert standing.contact(last_gap_seq=7) == "None"


@pytest.mark.parametrize(
    ("bad", "good"),
    [
        (event.CAMERA_FAILED, event.PICTURE),
        (event.READER_FAULT, event.READER_RECOVERED),
        (event.KEYPAD_FAULT, event.BOOT),
        (event.STRIKE_FAILED, event.UNLOCKED),
        (event.RADIO_FAULT, event.RADIO_RECOVERED),
        (event.LIST_LOST, event.LIST_TAKEN),
    ],
)
def test_a_part_is_a_problem_until_it_works_again(bad, good):
    assert stand(make(1, good)).problem() == "OFF"
    assert stand(make(1, good), make(2, bad)).problem() == "ON"
    assert stand(make(1, bad), make(2, good)).problem() == "OFF"


def test_a_camera_that_is_busy_is_no_problem():
    assert stand(make(1, event.CAMERA_FAILED, REASON=event.CAMERA_BUSY)).problem() == "OFF"
    assert stand(make(1, event.CAMERA_FAILED, REASON=event.NO_ANSWER)).problem() == "ON"


@given(st.permutations(range(1, 9)))
def test_the_order_of_coming_does_not_matter(order):
    kinds = [event.BOOT, event.UNLOCKED, event.DOOR_OPENED, event.LOCKED, event.DOOR_CLOSED]
    events = [make(seq, (kinds * 2)[seq - 1]) for seq in range(1, 9)]
    ordered = stand(*events)
    mixed = stand(*(events[seq - 1] for seq in order))
    assert (mixed.strike(NOW_S), mixed.contact(), mixed.problem()) == (
        ordered.strike(NOW_S),
        ordered.contact(),
        ordered.problem(),
    )


def access(role, reason=event.GRANTED, **more):
    return make(4, event.ACCESS, REASON=reason, VIA=event.PHONE, SUBJECT="Dora", ROLE=role, PICTURE_NUMBER=3, **more)


def test_a_delivery_is_told_with_who_and_how():
    assert event_message(Neighbour(), DOOR, access(DRIVER)) == {
        "event_type": "delivery",
        "seq": 4,
        "time": "2026-09-21T14:13:20+00:00",
        "who": "Dora",
        "via": "phone",
        "picture": True,
    }
    refused = event_message(Neighbour(), DOOR, access(DRIVER, event.EXPIRED))
    assert refused is not None
    assert (refused["event_type"], refused["reason"]) == ("refused", "expired")


@pytest.mark.parametrize("role", [RESIDENT, STAFF, VISITOR])
@pytest.mark.parametrize("reason", [event.GRANTED, event.EXPIRED])
def test_nobody_but_drivers_is_told_of_unless_all_is_asked_for(role, reason):
    assert event_message(Neighbour(), DOOR, access(role, reason)) is None
    found = event_message(Reader("manager"), DOOR, access(role, reason))
    assert found is not None
    assert (found["event_type"], found["who"]) == ("refused" if reason else "entry", "Dora")


def test_a_resident_without_a_name_is_not_everybodys_own():
    nameless = make(4, event.ACCESS, REASON=0, VIA=event.PHONE, ROLE=RESIDENT)
    assert event_message(Neighbour(), DOOR, nameless) is None


def test_of_alarms_residents_hear_only_of_force():
    kinds = {kind: make(9, kind, NAME="reader", DURATION_S=31) for kind in range(1, 50)}
    residents = {kind for kind, found in kinds.items() if event_message(Neighbour(), DOOR, found)}
    assert residents == {event.DOOR_FORCED}
    for kind, found in kinds.items():
        message = event_message(Reader("manager"), DOOR, found)
        if message is not None and kind != event.ACCESS:
            # No details, which may hold names.
            assert set(message) == {"event_type", "seq", "time"}
            assert message["event_type"] in device.ALL_EVENT_TYPES


@given(st.text(max_size=80), st.integers() | st.none() | st.binary(max_size=8))
def test_whatever_a_stranger_writes_is_text(subject, number):
    found = make(4, event.ACCESS, REASON=0, VIA=number, SUBJECT=subject, ROLE=DRIVER)
    message = event_message(Neighbour(), DOOR, found)
    assert message is not None
    again = json.loads(device.encode(message))
    assert again["who"] is None or again["who"].isprintable()
    assert device.encode(message).isascii()


def test_only_what_has_a_time_of_now_is_news():
    assert is_recent(make(1, event.ACCESS, NOW_S - RECENT_S), NOW_S)
    assert not is_recent(make(1, event.ACCESS, NOW_S - RECENT_S - 1), NOW_S)
    assert not is_recent(make(1, event.ACCESS, NOW_S + RECENT_S + 1), NOW_S)
    assert not is_recent(make(1, event.ACCESS, None), NOW_S)


def test_late_events_are_counted_by_type():
    late = Late()
    for kind, time_s in (("delivery", NOW_S + 5), ("delivery", NOW_S), ("forced", None)):
        late.take(kind, time_s)
    assert late.message() == {
        "event_type": "late",
        "events": {"delivery": 2, "forced": 1},
        "first": "2026-09-21T14:13:20+00:00",
        "last": "2026-09-21T14:13:25+00:00",
    }
    empty = Late()
    empty.take("delivery", 1 << 60)
    assert empty.message()["first"] is None
