"""People who come in the middle of a TLS handshake, which holds the interpreter of a board, and of the virtual one."""

import sys
import time
from pathlib import Path

import cardcase
import pytest

from firmware.core import event
from lobbylock.broker import Broker, TlsFiles
from lobbylock.demo.stage import TLS_HEAP

sys.path.insert(0, str(Path(__file__).parents[1]))

from certificates import make_certificates

QUIET_MS = 30_000
# What is left of a piece when somebody came in it, and what the lock itself takes then.
SOON_MS = 1_500
# Attempts become rarer, up to one in ten minutes.
LONGEST_MS = 1_500_000


class Handshakes:
    """A lock whose broker speaks TLS. `wait` returns as soon as the next handshake holds the interpreter."""

    def __init__(self, room) -> None:
        self.room = room
        self.board = room.board

    def wait(self) -> float:
        """Returns when it began to be held. Nobody has been there for long then."""
        before = len(self.board.holds_ms)
        is_held = self.board.run_until(lambda: len(self.board.holds_ms) > before, LONGEST_MS)
        # A broker that has to wait for its turn answers in real time, of which the board's clock knows nothing.
        deadline_s = time.monotonic() + 60
        while not is_held and time.monotonic() < deadline_s:
            time.sleep(0.01)
            is_held = self.board.run_until(lambda: len(self.board.holds_ms) > before, 50)
        assert is_held, self.board.console
        return self.board.holds_ms[-1][0]

    def pieces_since(self, at_ms: float) -> list[float]:
        return [length for start, length in self.board.holds_ms if start >= at_ms]


@pytest.fixture
def handshakes(request, make_room, set_board, tmp_path):
    """A lock and a broker that it does not believe, so that there is always another handshake to come."""
    changed = getattr(request, "param", {})
    set_board(heap=TLS_HEAP)
    folder = tmp_path / "tls"
    folder.mkdir()
    files = make_certificates(folder)
    with Broker("mosquitto", tls=TlsFiles(files.ca, files.cert, files.key)) as broker:
        # The lock believes another authority: the handshake fails at the first of its long pieces.
        options = {"mqtt_url": broker.url, "mqtt_ca": files.other_ca.read_text()}
        room = make_room(**{**cardcase.SETTINGS, "camera": "off", **options, **changed})
        room.power_on()
        yield Handshakes(room)


def test_whoever_comes_during_a_handshake_is_served_right_after(handshakes):
    room, board = handshakes.room, handshakes.board

    # An exit request that came and went.
    at_ms = handshakes.wait()
    board.exit_button.press(150)
    assert room.until_event(event.EXIT_REQUESTED, SOON_MS), board.console
    assert room.is_released and board.now_ms - at_ms < SOON_MS
    assert handshakes.pieces_since(at_ms) == [430]
    board.run_for(6_000)
    assert room.pulses[-1] == pytest.approx(5_000, abs=5)

    # Keys that came and went: no access, no guess, and the sign to begin anew.
    room_ms = handshakes.wait()
    assert room_ms - at_ms > QUIET_MS
    seen = room.count(event.ACCESS)
    shown = len(board.buzzer.history)
    room.press(room.code() + "#", key_ms=60, gap_ms=40)
    board.run_for(2_500)
    assert room.count(event.ACCESS) == seen and not room.is_released
    assert len(board.buzzer.history) > shown
    assert room.type(room.code()) == event.GRANTED
    board.run_for(6_000)

    # A key that is still held is read, and the rest of the code with it.
    handshakes.wait()
    room.press(room.code() + "#", key_ms=600, gap_ms=100)
    assert room.until_event(event.ACCESS, 15_000, seen + 2)
    assert room.last(event.ACCESS).reason == event.GRANTED
    board.run_for(6_000)

    # A card that is there.
    handshakes.wait()
    phone, _ = cardcase.phone(cardcase.phone_credential())
    board.nfc.place(phone)
    assert room.until_event(event.ACCESS, 10_000, seen + 3), board.console
    assert room.last(event.ACCESS).reason == event.GRANTED
    board.run_for(6_000)
    board.nfc.remove(phone)

    # The door, forced open.
    handshakes.wait()
    board.contact.open()
    assert room.until_event(event.DOOR_FORCED, SOON_MS), board.console
    assert board.reset_count == 0 and len(board.console) == 1


@pytest.mark.parametrize("handshakes", [{"keypad": "wiegand", "nfc": "off"}], indirect=True)
def test_what_is_left_of_wiegand_keys_is_no_guess(handshakes):
    room, board = handshakes.room, handshakes.board
    handshakes.wait()
    board.wiegand.type(room.code() + "#")
    board.run_for(6_000)
    assert room.count(event.ACCESS) == 0
    board.wiegand.type(room.code() + "#")
    assert room.until_event(event.ACCESS, 10_000)
    assert room.last(event.ACCESS).reason == event.GRANTED


def test_no_handshake_begins_while_somebody_is_there(handshakes):
    board = handshakes.board
    handshakes.wait()
    board.run_for(2_000)
    before = len(board.holds_ms)
    # Somebody who does not go away for longer than any wait between two attempts.
    for _ in range(45):
        board.keypad.type("1*")
        board.run_for(20_000)
    assert len(board.holds_ms) == before
    last_ms = board.now_ms
    assert handshakes.wait() - last_ms > 5_000
    assert board.reset_count == 0
