"""New settings on the running lock: accepted after a good run, reverted otherwise, whole at every cut."""

import json

import pytest

from firmware.core import event
from virtualboard.cpu import HARD

GOOD_MS = 130_000


def text_of(room, **changed) -> str:
    return json.dumps({**room.settings, **changed})


def put_candidate(room, text: str) -> None:
    (room.board.vfs / "settings.new.json").write_text(text)


def in_force(room) -> str:
    return (room.board.vfs / "settings.json").read_text()


def has_candidate(room) -> bool:
    return (room.board.vfs / "settings.new.json").exists()


def restart(room) -> None:
    room.board.power_off()
    room.power_on(knows_time=False)


def reset(room) -> None:
    room.board.cpu.reset(HARD)
    # It waits a little after a reset.
    room.board.run_for(8_000)


def leave(room) -> None:
    """Presses the exit button and waits until the strike rests again."""
    room.board.exit_button.press(300)
    room.board.run_for(9_000)


@pytest.fixture
def door(make_room):
    made = make_room(camera="off")
    made.power_on(knows_time=False)
    return made


def test_good_settings_are_tried_and_then_taken(door):
    old, new = in_force(door), text_of(door, release_ms=3_000)
    put_candidate(door, new)
    restart(door)
    leave(door)
    assert [round(pulse) for pulse in door.pulses] == [3_000]
    assert in_force(door) == old and has_candidate(door)
    door.board.run_for(GOOD_MS)
    assert in_force(door) == new and not has_candidate(door)
    assert door.count(event.SETTINGS_ACCEPTED) == 1 and door.count(event.SETTINGS_REVERTED) == 0
    restart(door)
    leave(door)
    assert [round(pulse) for pulse in door.pulses] == [3_000] * 2
    assert door.count(event.SETTINGS_ACCEPTED) == 1


@pytest.mark.parametrize("wrong", ["field", "half", "long", "bytes"])
def test_wrong_settings_are_named_and_gone_and_the_old_ones_serve(door, wrong):
    old = in_force(door)
    text = text_of(door, release_ms=60_000 if wrong == "field" else 3_000)
    put_candidate(door, {"half": text[: len(text) // 2], "long": text + " " * 9_000}.get(wrong, text))
    if wrong == "bytes":
        (door.board.vfs / "settings.new.json").write_bytes(b"\xff\xfe{}")
    restart(door)
    assert door.last(event.SETTINGS_REVERTED).details == {event.NAME: "release_ms" if wrong == "field" else "file"}
    assert in_force(door) == old and not has_candidate(door)
    leave(door)
    assert [round(pulse) for pulse in door.pulses] == [5_000]
    assert door.count(event.SETTINGS_REFUSED) == 0


def test_three_starts_without_a_good_run_are_enough(door):
    old = in_force(door)
    put_candidate(door, text_of(door, release_ms=3_000))
    for _ in range(3):
        reset(door)
        leave(door)
    assert [round(pulse) for pulse in door.pulses] == [3_000] * 3
    assert door.count(event.SETTINGS_REVERTED) == 0
    reset(door)
    leave(door)
    assert round(door.pulses[-1]) == 5_000
    assert door.last(event.SETTINGS_REVERTED).details == {event.NAME: "starts"}
    assert in_force(door) == old and not has_candidate(door)
    # Others start anew, also the same ones once more.
    put_candidate(door, text_of(door, release_ms=3_000))
    restart(door)
    leave(door)
    assert round(door.pulses[-1]) == 3_000


def test_pulling_the_plug_does_not_bring_the_old_ones_back(door):
    put_candidate(door, text_of(door, release_ms=3_000))
    for _ in range(6):
        restart(door)
    leave(door)
    assert [round(pulse) for pulse in door.pulses] == [3_000] and door.count(event.SETTINGS_REVERTED) == 0


def test_settings_that_came_during_a_trial_have_one_of_their_own(door):
    old, tried, other = in_force(door), text_of(door, release_ms=3_000), text_of(door, release_ms=2_000)
    put_candidate(door, tried)
    restart(door)
    put_candidate(door, other)
    door.board.run_for(GOOD_MS)
    assert in_force(door) == old and has_candidate(door) and door.count(event.SETTINGS_ACCEPTED) == 0
    restart(door)
    leave(door)
    assert round(door.pulses[-1]) == 2_000
    door.board.run_for(GOOD_MS)
    assert in_force(door) == other


def test_a_cut_at_any_moment_of_a_trial_leaves_the_old_or_the_new(door):
    door.board.run_for(GOOD_MS)
    release_ms = 5_000
    cuts = 0
    # From the start with a candidate to the end of its trial, each flash operation in turn.
    for operation in range(1, 40):
        old = in_force(door)
        release_ms = 8_000 - release_ms
        new = text_of(door, release_ms=release_ms)
        accepted = door.count(event.SETTINGS_ACCEPTED)
        put_candidate(door, new)
        door.board.power_off()
        door.board.flash.cut_power_at(operation, ("before", "prefix", "after")[operation % 3])
        door.board.power_on()
        door.board.run_until(lambda: not door.board.is_powered, GOOD_MS)
        if door.board.is_powered:
            door.board.flash.cut_power_at(0)
            break
        cuts += 1
        assert in_force(door) in (old, new)
        door.board.power_on()
        door.board.run_for(GOOD_MS)
        assert in_force(door) == new and not has_candidate(door)
        assert door.count(event.SETTINGS_ACCEPTED) > accepted
        assert door.count(event.SETTINGS_REVERTED) == 0
    assert 10 < cuts < 39
