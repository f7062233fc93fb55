"""Starts that fail one after the other: what the lock then leaves out, what it still does, and how it comes back."""

import cardcase
import faultroot
import pytest
from cardcase import badge, badge_credential

from firmware.core import event

HOUR_MS = 3_600_000


@pytest.fixture
def make_faulty(make_room, set_board, tmp_path):
    """Returns a function that makes a lock, not yet started, whose tasks can be made to fail."""
    set_board(root=faultroot.make(tmp_path / "faulty"), heap=faultroot.HEAP)
    return make_room


def until_boot(room, count: int, limit_ms: float = 300_000) -> None:
    assert room.until_event(event.BOOT, limit_ms, count), room.board.console
    room.board.run_for(4_000)


def fail_three_times(room) -> None:
    """Starts the lock, lets it learn the time and then fail until it comes up for the fourth time."""
    room.power_on()
    until_boot(room, 4)


def test_the_safe_mode_opens_by_code_and_by_badge_without_the_network(make_faulty):
    room = make_faulty(**cardcase.SETTINGS)
    faultroot.put(room, "uplink", "Uplink", "raise", 30_000)
    fail_three_times(room)
    assert room.last(event.SAFE_MODE).details == {event.COUNT: 3, event.NAME: "uplink"}
    assert room.count(event.TASK_FAILED) == 3
    room.board.run_for(60_000)
    assert room.type(room.code()) == event.GRANTED
    room.board.run_for(10_000)
    room.board.nfc.place(badge(badge_credential()))
    assert room.until_event(event.ACCESS, 3_000, 2)
    assert room.last(event.ACCESS).details[event.REASON] == event.GRANTED
    room.board.run_for(6_000)
    assert len(room.pulses) == 2 and room.count(event.PICTURE) == 2
    # Nobody runs the uplink that would have failed by now.
    assert room.count(event.BOOT) == 4


def test_it_tries_the_whole_lock_after_an_hour_and_falls_back_at_once(make_faulty):
    room = make_faulty(camera="off")
    faultroot.put(room, "uplink", "Uplink", "raise", 30_000)
    room.power_on()
    until_boot(room, 4)
    assert room.last(event.SAFE_MODE).details == {event.COUNT: 3, event.NAME: "uplink"}
    until_boot(room, 5, HOUR_MS + 60_000)
    assert room.count(event.TASK_FAILED) == 3 and room.count(event.SAFE_MODE) == 1
    until_boot(room, 6, 60_000)
    assert room.count(event.TASK_FAILED) == 4 and room.count(event.SAFE_MODE) == 2
    faultroot.take_away(room)
    until_boot(room, 7, HOUR_MS + 60_000)
    room.board.run_for(180_000)
    assert room.count(event.BOOT) == 7 and room.count(event.SAFE_MODE) == 2
    # Forgotten: it takes three again.
    faultroot.put(room, "uplink", "Uplink", "raise", 30_000)
    room.board.power_off()
    room.board.power_on()
    until_boot(room, 10)
    assert room.count(event.SAFE_MODE) == 2
    until_boot(room, 11)
    assert room.count(event.SAFE_MODE) == 3


def test_a_card_reader_that_failed_is_left_out(make_faulty):
    room = make_faulty(**cardcase.SETTINGS)
    faultroot.put(room, "lobby", "Lobby", "raise", 30_000)
    fail_three_times(room)
    assert room.last(event.SAFE_MODE).details[event.NAME] == "reader"
    assert room.type(room.code()) == event.GRANTED
    room.board.run_for(100_000)
    assert room.count(event.BOOT) == 4


@pytest.mark.parametrize(("policy", "reason"), [("required", event.CAMERA), ("best-effort", event.GRANTED)])
def test_a_camera_that_failed_is_left_out_and_the_policy_stands(make_faulty, policy, reason):
    room = make_faulty(camera=policy)
    faultroot.put(room, "photographer", "Photographer", "memory", 30_000)
    fail_three_times(room)
    assert room.last(event.SAFE_MODE).details[event.NAME] == "camera"
    before = room.count(event.CAMERA_FAILED)
    assert room.type(room.code()) == reason
    assert room.count(event.CAMERA_FAILED) == before + 1
    assert room.last(event.CAMERA_FAILED).details == {event.REASON: event.NO_ANSWER}
    room.board.run_for(40_000)
    assert room.count(event.BOOT) == 4 and len(room.pulses) == (reason == event.GRANTED)


def test_a_cpu_that_hangs_three_times_leads_there_and_a_pulled_plug_does_not(make_faulty):
    room = make_faulty(camera="off")
    room.power_on(knows_time=False)
    for starts in range(2, 6):
        room.board.power_off()
        room.board.power_on()
        until_boot(room, starts)
    assert room.count(event.SAFE_MODE) == 0
    for starts in range(6, 9):
        room.board.hang_cpu()
        until_boot(room, starts)
    assert room.last(event.SAFE_MODE).details == {event.COUNT: 3, event.NAME: ""}


def test_without_a_ledger_people_get_out_and_nobody_gets_in(make_faulty):
    room = make_faulty()
    faultroot.put(room, "ledger")
    room.board.power_on()
    room.board.run_for(5_000)
    room.press("3407000001#")
    room.board.run_for(60_000)
    assert room.pulses == []
    room.board.exit_button.press(300)
    room.board.run_for(8_000)
    assert [round(pulse) for pulse in room.pulses] == [5_000]
    room.board.run_for(500_000)
    assert room.board.reset_count == 0 and room.board.flash.operations == 0
    assert room.board.run_until(lambda: room.board.reset_count == 1, 60_000)
    assert not room.board.at_repl


def test_without_a_journal_each_start_waits_and_then_they_cease(make_faulty):
    room = make_faulty()
    faultroot.put(room, "journal")
    room.board.power_on()
    assert room.board.run_until(lambda: room.board.reset_count == 6, 300_000)
    times_ms = room.board.now_ms
    assert times_ms >= 6 * 20_000
    room.board.run_for(10_000)
    before = room.board.flash.operations
    room.board.exit_button.press(300)
    room.board.run_for(HOUR_MS - 60_000)
    assert room.board.reset_count == 6 and room.board.flash.operations == before
    assert [round(pulse) for pulse in room.pulses] == [5_000]
    assert room.board.run_until(lambda: room.board.reset_count == 8, 200_000)
