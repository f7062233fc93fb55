"""One delivery, and everything that is not one: codes at the keypad, decisions, lock-out."""

from hashlib import sha256

import pytest

from firmware.core import event, keycode

DAY_S = 86_400


def test_a_right_code_opens_for_its_pulse(room):
    assert room.type(room.code()) == event.GRANTED
    assert room.is_released
    room.board.run_for(6_000)
    assert not room.is_released
    (pulse_ms,) = room.pulses
    assert 4_990 <= pulse_ms <= 5_010
    access = room.last(event.ACCESS)
    assert access.details[event.SLOT] == 7 and access.details[event.CODE_CLASS] == 4
    assert access.time_s == pytest.approx(room.now_s, abs=10)
    unlocked = room.last(event.UNLOCKED)
    assert unlocked.details[event.ACCESS_SEQ] == access.seq and unlocked.seq == access.seq + 1
    assert room.count(event.LOCKED) == 1


def test_the_frame_is_frozen_and_the_event_kept_before_the_strike_moves(room):
    room.type(room.code())
    released_ms = next(at_ms for at_ms, level in room.board.strike.history if level)
    assert room.board.camera.frozen_ms[-1] < released_ms
    assert room.last(event.ACCESS).details[event.PICTURE_NUMBER] == 1


def test_the_picture_is_the_one_in_the_event(room):
    room.type(room.code())
    assert room.until_event(event.PICTURE, 10_000)
    picture = room.last(event.PICTURE)
    assert picture.details[event.SHA256] == sha256(room.board.camera.pictures[-1]).digest()
    assert picture.details[event.LENGTH] == len(room.board.camera.pictures[-1])


def test_refusals_name_their_reason_and_leave_the_strike_alone(room):
    other_key = keycode.door_key(bytes(range(32)), "oak-3", "front")
    assert room.type("3407000001") == event.WRONG_CODE
    assert room.type(room.code(tag=4, key=other_key)) == event.OTHER_BUILDING
    assert room.type(room.code(ahead_s=-DAY_S)) == event.EXPIRED
    assert room.type(room.code(ahead_s=DAY_S)) == event.NOT_YET_VALID
    assert room.type("123") == event.MALFORMED
    room.board.run_for(10_000)
    assert room.pulses == [] and not room.is_released


def test_a_single_use_code_works_once_also_across_a_power_cut(room):
    code = room.code(keycode.SINGLE_USE)
    assert room.type(code) == event.GRANTED
    room.board.run_for(7_000)
    assert room.type(code) == event.ALREADY_USED
    room.board.power_off()
    room.power_on()
    assert room.type(code) == event.ALREADY_USED
    assert len(room.pulses) == 1


def test_five_wrong_codes_lock_out_and_a_power_cut_does_not_help(room):
    for ending in range(5):
        assert room.type(f"34070000{ending:02}") == event.WRONG_CODE
    assert room.last(event.LOCKOUT_STARTED).details[event.DURATION_S] == 60
    assert room.type(room.code()) == event.LOCKED_OUT
    room.board.power_off()
    room.power_on()
    assert room.type(room.code()) == event.LOCKED_OUT
    room.board.run_for(50_000)
    assert room.type(room.code()) == event.LOCKED_OUT
    assert room.until_event(event.LOCKOUT_ENDED, 30_000)
    assert room.type(room.code()) == event.GRANTED


def test_lockouts_double_to_an_hour_and_cost_no_real_time(room):
    seen = []
    for _ in range(8):
        for ending in range(5):
            room.type(f"34070000{ending:02}")
        seen.append(room.last(event.LOCKOUT_STARTED).details[event.DURATION_S])
        assert room.until_event(event.LOCKOUT_ENDED, seen[-1] * 1000 + 5_000, len(seen))
    assert seen == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert room.pulses == []


def test_a_grant_forgives(room):
    for _ in range(4):
        room.type("3407000001")
    assert room.type(room.code()) == event.GRANTED
    for _ in range(4):
        assert room.type("3407000001") == event.WRONG_CODE
    assert room.count(event.LOCKOUT_STARTED) == 0


def test_a_burst_of_refusals_shares_a_picture_and_a_grant_gets_its_own(room):
    room.type("3407000001")
    room.type("3407000002")
    room.type(room.code())
    room.board.run_for(10_000)
    pictures = [found.details[event.PICTURE_NUMBER] for found in room.events if found.kind == event.ACCESS]
    assert pictures == [1, 1, 2]
    assert room.count(event.PICTURE) == 2
    room.board.run_for(70_000)
    room.type("3407000003")
    assert room.last(event.ACCESS).details[event.PICTURE_NUMBER] == 3


def test_unknown_time_refuses_and_tells_the_driver(make_room):
    room = make_room()
    room.power_on(knows_time=False)
    start_ms = room.board.now_ms
    assert room.type(room.code()) == event.TIME_UNKNOWN
    room.board.run_for(5_000)
    assert room.pulses == []
    # Four long flashes: nothing else looks like that.
    assert [round(ms, -2) for ms in room.board.led.flashes(start_ms)] == [700, 700, 700, 700]
    room.type("3407000001")
    assert room.last(event.ACCESS).reason == event.TIME_UNKNOWN
    assert room.count(event.LOCKOUT_STARTED) == 0


def test_a_refusal_looks_the_same_whatever_its_reason(room):
    shown = []
    for digits in ("3407000001", room.code(ahead_s=-DAY_S), room.code(ahead_s=DAY_S), "4407000001"):
        start_ms = room.board.now_ms
        room.type(digits)
        room.board.run_for(3_000)
        lit = [round(ms, -1) for ms in room.board.led.flashes(start_ms)]
        beeps = [round(ms, -1) for ms in room.board.buzzer.flashes(start_ms)]
        shown.append((lit, beeps[-3:]))
    assert all(one == shown[0] for one in shown)


def test_time_never_goes_back(room):
    room.board.run_for(60_000)
    known_s = room.now_s
    room.day_s -= 365 * DAY_S
    # The next answer comes within the hour.
    room.board.run_for(3_600_000)
    assert room.until_answered(event.CLOCK_REFUSED)
    room.day_s += 365 * DAY_S
    assert room.last(event.CLOCK_REFUSED).time_s >= known_s
    assert room.type(room.code()) == event.GRANTED


def test_a_year_early_after_a_power_cut_stays_unknown(room):
    room.board.run_for(700_000)
    room.board.power_off()
    room.day_s -= 365 * DAY_S
    old_code = room.code()
    room.board.power_on()
    assert room.until_answered(event.CLOCK_REFUSED)
    room.board.run_for(3_000)
    assert room.type(old_code) == event.TIME_UNKNOWN
