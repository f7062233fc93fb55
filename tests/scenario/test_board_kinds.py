"""Every board that comes with the project, and relays of either polarity: the whole firmware on its own pins."""

import json

import pytest
from cardcase import SETTINGS, badge, badge_credential

from firmware.core import event
from lobbylock import boards
from lobbylock.board_wiring import lay_out, wire
from virtualboard import VirtualBoard

PULSE_MS = 5_000
WATCHDOG = 3

FAILING_PULSES = """
from esp32 import RMT
from firmware.board.strike import Strike
from firmware.core.errors import StrikeError

strike = Strike(26, 0)
play = RMT.write_pulses
for error in (OSError(1), MemoryError()):
    def fail(self, durations, levels):
        raise error
    RMT.write_pulses = fail
    try:
        strike.pulse(1000)
    except (StrikeError, MemoryError) as raised:
        print(type(raised).__name__)
RMT.write_pulses = play
strike.pulse(1000)
"""


def kinds() -> list:
    """Every board with each keypad and each wiring of the card reader at least once."""
    found = []
    for name in boards.names():
        kind = boards.load(name)
        for at in range(max(len(kind.keypad), len(kind.nfc))):
            found.append((name, kind.keypad[at % len(kind.keypad)], kind.nfc[at % len(kind.nfc)]))
    return found


def own_board(folder, name: str, *changes: tuple[str, str]) -> boards.Board:
    """Returns the reference board with other words in its file, under its own name."""
    text = (boards.FOLDER / f"{boards.REFERENCE}.toml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / f"{name}.toml"
    path.write_text(text)
    return boards.load(path)


@pytest.fixture
def low_board(tmp_path):
    """The reference board with a relay that low releases."""
    return own_board(tmp_path, "low-relay", ('active = "high"', 'active = "low"'))


def enter(room, code: str) -> int | None:
    """Types a code and `#` on the keypad that is fitted; returns the reason of the access event."""
    if room.settings["keypad"] == "matrix":
        return room.type(code)
    before = room.count(event.ACCESS)
    room.board.wiegand.type(code + "#")
    assert room.until_event(event.ACCESS, 15_000, before + 1)
    room.board.run_for(300)
    return room.last(event.ACCESS).reason


@pytest.mark.parametrize(("name", "keypad", "nfc"), kinds())
def test_every_board_opens_by_all_that_it_has_pins_for(make_room, name, keypad, nfc):
    kind = boards.load(name)
    camera = "required" if kind.has_camera else "off"
    room = make_room(kind=kind, **{**SETTINGS, "keypad": keypad, "nfc": nfc, "camera": camera})
    room.power_on()
    assert "settings_refused" not in json.loads(room.board.console[0])
    assert room.board.strike.history == []
    assert enter(room, room.code()) == event.GRANTED
    if kind.has_camera:
        assert room.last(event.ACCESS).details[event.PICTURE_NUMBER] == 1
    assert room.is_released
    room.board.run_for(PULSE_MS + 1_000)
    card = badge(badge_credential())
    room.board.nfc.place(card)
    assert room.until_event(event.ACCESS, 20_000, 2)
    assert room.last(event.ACCESS).details[event.VIA] == event.BADGE
    assert room.last(event.ACCESS).reason == event.GRANTED
    room.board.run_for(PULSE_MS + 1_000)
    room.board.contact.open()
    room.board.exit_button.press(500)
    assert room.until_event(event.UNLOCKED, 5_000, 3)
    room.board.run_for(PULSE_MS + 1_000)
    assert room.pulses == [pytest.approx(PULSE_MS, abs=10)] * 3
    assert event.DOOR_OPENED in room.kinds()
    assert any(level for _, level in room.board.led.history) and any(level for _, level in room.board.buzzer.history)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"camera": "best-effort"}, "camera"), ({"keypad": "matrix"}, "keypad"), ({"nfc": "spi"}, "nfc")],
)
def test_settings_for_another_board_are_refused_at_the_start_and_people_get_out(make_room, wrong, field):
    right = {**SETTINGS, "keypad": "wiegand", "nfc": "uart", "camera": "off"}
    room = make_room(kind=boards.load("esp32-c3-devkitm-1"), **{**right, **wrong})
    room.power_on(knows_time=False)
    assert json.loads(room.board.console[0])["settings_refused"] == field
    room.board.exit_button.press(500)
    room.board.run_for(PULSE_MS + 1_000)
    assert room.pulses == [pytest.approx(PULSE_MS, abs=10)] and len(room.board.console) == 1


# Low releases.


def test_a_relay_that_low_releases_opens_for_the_pulse_and_no_other_moment(make_room, low_board):
    room = make_room(kind=low_board)
    room.power_on()
    assert room.board.strike.history == [] and room.board.pins.level(low_board.strike) == 1
    for count in (1, 2):
        assert room.type(room.code()) == event.GRANTED
        assert room.is_released and room.board.pins.level(low_board.strike) == 0
        room.board.run_for(PULSE_MS + 1_000)
        assert room.pulses == [pytest.approx(PULSE_MS, abs=10)] * count
        assert room.board.pins.level(low_board.strike) == 1


def test_power_reset_and_watchdog_release_no_relay_that_low_releases(make_room, low_board):
    room = make_room(kind=low_board)
    room.power_on()
    for start in range(3):
        room.board.power_off()
        room.board.run_for(100)
        room.power_on(knows_time=False)
        # A hanging CPU: the watchdog resets it.
        room.board.hang_cpu()
        before = room.board.reset_count
        assert room.board.run_until(lambda before=before: room.board.reset_count > before, 60_000)
        assert room.board.reset_causes[-1] == WATCHDOG, start
        room.board.run_for(10_000)
    assert room.board.strike.history == []


def test_a_hang_and_a_reset_end_the_release_of_a_relay_that_low_releases(make_room, low_board):
    room = make_room(kind=low_board)
    room.power_on()
    assert room.type(room.code()) == event.GRANTED
    room.board.hang_cpu()
    room.board.run_for(PULSE_MS + 1_000)
    assert room.pulses == [pytest.approx(PULSE_MS, abs=10)]
    assert room.board.run_until(lambda: room.board.reset_causes[-1] == WATCHDOG, 60_000)
    room.board.run_for(10_000)
    assert len(room.board.strike.history) == 2
    room.board.exit_button.press(500)
    assert room.board.run_until(lambda: room.is_released, 5_000)
    room.board.run_for(1_000)
    room.board.power_off()
    assert not room.is_released and len(room.pulses) == 2 and room.pulses[-1] < PULSE_MS


def test_a_first_pulse_that_cannot_be_played_leaves_the_relay_at_rest(tmp_path, low_board):
    """The channel that is made for it holds the pin low; whatever happens then, it is taken back."""
    root = lay_out(low_board, tmp_path / "root")
    (root / "main.py").unlink()
    (root / "main.py").write_text(FAILING_PULSES)
    with VirtualBoard(tmp_path / "state", root=root, wiring=wire(low_board)) as board:
        board.power_on()
        board.run_for(3_000)
        assert board.console == ["StrikeError", "MemoryError"]
        assert [end - start for start, end in board.strike.pulses if end is not None] == [
            0,
            0,
            pytest.approx(1_000, abs=1),
        ]


def test_firmware_for_the_other_polarity_would_be_seen(tmp_path, low_board):
    root = lay_out(boards.load(boards.REFERENCE), tmp_path / "root")
    with VirtualBoard(tmp_path / "state", root=root, wiring=wire(low_board)) as board:
        board.power_on()
        board.run_for(1_000)
        assert board.strike.is_released
