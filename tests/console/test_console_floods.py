"""The serial line under fire: never a prompt, never a reset, no heap that grows, and the door opens meanwhile."""

import json
import random
import re

import pytest
from floodwork import PROMPTERS, flood
from talker import STRANGER, Talker

from firmware.core import event

LINES = 250
FULL_LINES = 100_000


def in_use(board):
    return [int(line.removeprefix("in use ")) for line in board.console if line.startswith("in use ")]


def assert_unmoved(room):
    board = room.board
    assert not board.at_repl and board.reset_causes == [1]
    assert room.count(event.TASK_FAILED) == 0
    # What is in use may be said in the middle of a reply, which goes out in pieces.
    lines = re.sub(r"in use \d+(\n|$)", "", "\n".join(board.console)).splitlines()
    shown = [line for line in lines if not line.startswith("{")]
    assert shown == [], shown[:5]
    for line in lines:
        if line.startswith("{"):
            said = json.loads(line)
            assert "lobbylock" in said or said["ok"] is False, said


@pytest.fixture
def looked_at(make_room, set_board, memory_root):
    """A lock that tells what is in use, every 5 s."""
    set_board(root=memory_root)
    room = make_room()
    room.power_on()
    return room


def drain(board, limit_ms=3_600_000):
    assert board.run_until(lambda: not board.line.unsent, limit_ms)


def play(room, lines, seed=1):
    """Sends so many random lines, in pieces, with a delivery now and then."""
    board, dice = room.board, random.Random(seed)
    granted = 0
    for number in range(0, lines, 125):
        flood(dice, min(125, lines - number), board.line.write)
        if number % 1_000 == 0:
            assert room.type(room.code()) == event.GRANTED
            granted += 1
        drain(board)
    board.run_for(30_000)
    return granted


def test_random_lines(looked_at):
    room = looked_at
    board = room.board
    board.run_for(10_000)
    before = min(in_use(board)[-2:])
    assert play(room, LINES) >= 1
    # Names of what was loaded for the first time stay.
    assert min(in_use(board)[-3:]) - before < 3_072
    settled = min(in_use(board)[-3:])
    assert play(room, LINES, 2) >= 1
    assert min(in_use(board)[-3:]) - settled < 1_024
    assert_unmoved(room)
    assert Talker(board).ask("hello")["ok"]


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_a_hundred_thousand_random_lines(looked_at):
    room = looked_at
    play(room, 1_000)
    settled = min(in_use(room.board)[-3:])
    for part in range(20):
        play(room, FULL_LINES // 20, 3 + part)
    assert min(in_use(room.board)[-3:]) - settled < 2_048
    assert_unmoved(room)
    assert Talker(room.board).ask("hello")["ok"]


def test_keys_that_give_a_prompt_elsewhere(room):
    board = room.board
    for keys in PROMPTERS:
        board.line.write(keys)
        board.run_for(300)
    # A break in the middle of a line ends it, and so does a pause.
    board.line.write(b'{"id":1')
    board.line.send_break()
    drain(board)
    assert Talker(board).ask("hello")["ok"]
    board.line.write(b'{"id":1')
    assert room.type(room.code()) == event.GRANTED
    board.run_for(5_000)
    board.line.read()
    assert Talker(board).ask("hello")["ok"]


@pytest.mark.parametrize("start_ms", [0, 400, 1_600])
def test_keys_at_any_moment_of_a_start(make_room, start_ms):
    room = make_room()
    board = room.board
    board.wlan.available = False
    board.power_on()
    board.run_for(start_ms)
    for _ in range(30):
        board.line.write(b"\x03\x04\x01\r\n\0")
        board.run_for(100)
    board.run_for(5_000)
    assert not board.at_repl and board.reset_causes == [1]
    assert Talker(board).ask("hello")["ok"]


@pytest.mark.parametrize("size", [1 << 17, pytest.param(1 << 20, marks=pytest.mark.slow)])
def test_a_line_without_an_end(room, size):
    board = room.board
    board.line.write(b'{"id":1,"do":"' + b"x" * size)
    board.run_for(2_000)
    assert room.type(room.code()) == event.GRANTED
    drain(board)
    # What the UART had kept is read slowly; then comes its end, and the next one is a line again.
    board.run_for(2_500)
    talker = Talker(board)
    board.line.read()
    assert talker.say(b"\n", None)["error"] == "too_long"
    assert talker.ask("hello")["ok"]
    assert_unmoved_but_for_replies(room)


def assert_unmoved_but_for_replies(room):
    assert not room.board.at_repl and room.board.reset_causes == [1] and room.count(event.TASK_FAILED) == 0


def test_the_door_is_as_fast_with_somebody_s_flood_in_a_session(talker, room):
    def from_key_to_strike():
        board = room.board
        board.keypad.type(room.code())
        board.run_for(2_500)
        start_ms, before = board.now_ms, len(board.strike.pulses)
        room.press("#")
        assert board.run_until(lambda: len(board.strike.pulses) > before or room.is_released, 5_000)
        took_ms = board.now_ms - start_ms
        board.run_for(12_000)
        return took_ms

    alone_ms = from_key_to_strike()
    talker.claim()
    assert talker.open()["ok"]
    for line in (b'{"id":1,"do":"installers"}\n', b"\xee" * 20):
        room.board.line.write(line * 1_000)
        room.board.run_for(500)
        # A pulse and a line of the console may be printed at the same moment.
        assert from_key_to_strike() <= alone_ms + 10, line
        drain(room.board)
        room.board.run_for(5_000)


def test_a_session_that_nobody_ends(talker, room):
    talker.claim()
    assert talker.open()["ok"]
    # The laptop is gone: half a line, and nothing more.
    room.board.line.write(b'{"id":5,"do":"piece","at":0,"da')
    room.board.run_for(330_000)
    assert room.count(event.SESSION_CLOSED) == 1
    assert room.type(room.code()) == event.GRANTED
    assert talker.ask("status")["error"] == "session"


def test_wrong_signatures_at_length(talker, room):
    talker.claim()
    refused = [talker.open(STRANGER)["error"] for _ in range(6)]
    assert refused == ["signature"] * 3 + ["locked"] * 3
    room.board.run_for(10_000)
    assert talker.open(STRANGER)["error"] == "signature" and talker.open()["error"] == "locked"
    room.board.run_for(20_000)
    assert talker.open()["ok"]
    room.board.run_for(60_000)
    assert sum(found.details[event.COUNT] for found in room.events if found.kind == event.SESSION_REFUSED) == 8
    assert room.count(event.SESSION_REFUSED) <= 2
