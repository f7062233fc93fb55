"""Contact, exit button, alarms, and a strike that always comes to rest."""

import pytest

from firmware.core import event


def test_a_delivery_is_one_story(room):
    room.type(room.code())
    room.board.run_for(1_000)
    room.board.contact.open()
    room.board.run_for(8_000)
    room.board.contact.close()
    room.board.run_for(1_000)
    kinds = [kind for kind in room.kinds(event.BOOT, event.CLOCK_SET, event.PICTURE)]
    assert kinds == [event.ACCESS, event.UNLOCKED, event.DOOR_OPENED, event.LOCKED, event.DOOR_CLOSED]
    assert room.last(event.DOOR_CLOSED).details[event.DURATION_S] in (7, 8)


def test_forced_door(room):
    room.board.contact.open()
    assert room.until_event(event.DOOR_FORCED, 1_000)
    room.board.contact.close()
    assert room.until_event(event.DOOR_CLOSED, 1_000)


def test_held_door_is_said_once(room):
    room.type(room.code())
    room.board.contact.open()
    assert room.until_event(event.DOOR_HELD, 32_000)
    room.board.run_for(600_000)
    assert room.count(event.DOOR_HELD) == 1 and room.count(event.DOOR_FORCED) == 0


def test_exit_button_opens_without_a_picture_or_an_alarm(room):
    room.board.exit_button.press(150)
    assert room.board.run_until(lambda: room.is_released, 1_000)
    room.board.contact.open()
    room.board.run_for(10_000)
    room.board.contact.close()
    room.board.run_for(1_000)
    assert room.count(event.EXIT_REQUESTED) == 1 and room.count(event.DOOR_FORCED) == 0
    assert room.last(event.UNLOCKED).details == {event.CAUSE: event.BY_EXIT}
    assert room.count(event.PICTURE) == 0 and len(room.pulses) == 1


def test_a_spike_on_the_exit_line_opens_nothing(room):
    for _ in range(20):
        room.board.exit_button.glitch(8_000)
        room.board.run_for(500)
    assert room.pulses == [] and not room.is_released


def test_exit_button_found_pressed_at_power_on_waits_for_its_release(make_room):
    room = make_room()
    room.board.exit_button.press()
    room.power_on()
    room.board.run_for(60_000)
    assert room.pulses == [] and not room.is_released
    room.board.exit_button.release()
    room.board.run_for(1_000)
    room.board.exit_button.press(200)
    assert room.board.run_until(lambda: room.is_released, 1_000)


def test_exit_works_without_settings(make_room):
    room = make_room()
    room.write_settings("")
    room.power_on(knows_time=False)
    room.board.exit_button.press(200)
    assert room.board.run_until(lambda: room.is_released, 1_000)


def test_strike_rests_before_anything_else(make_room):
    room = make_room()
    room.power_on()
    first = room.board.pin_writes[0]
    assert (first.pin, first.level) == (26, 0)
    assert all(level == 0 for _, level in room.board.strike.history)


def test_the_pulse_ends_although_the_cpu_hangs(room):
    room.type(room.code())
    assert room.is_released
    room.board.hang_cpu()
    room.board.run_for(6_000)
    assert not room.is_released
    (pulse_ms,) = room.pulses
    assert pulse_ms == pytest.approx(5_000, abs=10)
    # The watchdog notices, and the lock serves again.
    assert room.board.run_until(lambda: room.board.reset_count > 0, 60_000)
    assert room.board.run_until(lambda: room.count(event.BOOT) == 2, 20_000)


@pytest.mark.parametrize("after_ms", range(0, 1_500, 250))
def test_a_power_cut_at_any_moment_rests_the_strike(make_room, after_ms):
    room = make_room()
    room.power_on()
    room.board.keypad.type(room.code() + "#", key_ms=50, gap_ms=40)
    room.board.run_for(after_ms)
    room.board.power_off()
    assert not room.is_released
    # Whoever typed has typed the rest of it, too: to the lock that starts it would be a code.
    room.board.run_for(1_500)
    room.power_on()
    assert not room.is_released
    assert room.type(room.code()) == event.GRANTED


def test_ctrl_c_gives_no_prompt(room):
    for byte in (b"\x03", b"\x04", b"\x01", b"\x02"):
        room.board.send(byte * 20)
        room.board.run_for(1_000)
    assert not room.board.at_repl
    assert room.type(room.code()) == event.GRANTED
