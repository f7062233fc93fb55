"""Settings cut in half, flash that fills up, and what the board does when it starts."""

import json

import pytest

from firmware.core import event


def test_first_start_makes_one_key_and_keeps_it(make_room):
    room = make_room()
    room.power_on()
    key = room.public_key
    room.board.power_off()
    room.power_on()
    lines = [json.loads(line) for line in room.board.console if line.startswith('{"lobbylock"')]
    assert {line["public_key"] for line in lines} == {key.hex()}
    assert [line["boot"] for line in lines] == [1, 2]


def test_settings_cut_in_half_refuse_everybody_and_say_so(make_room):
    room = make_room()
    text = json.dumps(room.settings)
    room.write_settings(text[: len(text) // 2])
    room.power_on(knows_time=False)
    assert json.loads(room.board.console[0])["settings_refused"] == "file"
    assert room.last(event.SETTINGS_REFUSED).details[event.NAME] == "file"
    assert room.type(room.code()) == event.NOT_CONFIGURED
    assert room.pulses == []


def test_one_wrong_field_is_named(make_room):
    room = make_room(release_ms=60_000)
    room.power_on(knows_time=False)
    assert room.last(event.SETTINGS_REFUSED).details[event.NAME] == "release_ms"
    assert room.type(room.code()) == event.NOT_CONFIGURED


@pytest.mark.parametrize(("hours", "most_erases"), [(2, 2), pytest.param(8, 9, marks=pytest.mark.slow)])
def test_a_night_of_nothing_needs_little(room, hours, most_erases):
    room.board.run_for(hours * 3_600_000)
    assert room.type(room.code()) == event.GRANTED
    assert room.board.flash.erases <= most_erases


def test_no_secret_and_no_code_on_the_console(room):
    code = room.code()
    room.type(code)
    room.type("3407000001")
    shown = "\n".join(room.board.console)
    assert room.settings["code_key"] not in shown and code not in shown and code[4:] not in shown


def test_a_hundred_visits_lose_nothing(make_room):
    room = make_room(camera="off")
    room.power_on()
    code = room.code()
    for _ in range(100):
        assert room.type(code) == event.GRANTED
        room.board.run_for(6_000)
    seqs = [found.seq for found in room.events]
    assert seqs == list(range(1, len(seqs) + 1))
    assert room.count(event.ACCESS) == room.count(event.UNLOCKED) == room.count(event.LOCKED) == 100
    assert len(room.pulses) == 100
