"""Tasks that end or hang, a CPU that hangs, files that are missing: strike at rest, an event, a fresh start."""

import faultroot
import pytest

from firmware.core import event
from virtualboard import VirtualBoard

POWER, RESET, WATCHDOG = 1, 2, 3


@pytest.fixture
def faulty(make_room, set_board, tmp_path):
    """A lock, not yet started, whose tasks can be made to fail."""
    set_board(root=faultroot.make(tmp_path / "faulty"), heap=faultroot.HEAP)
    return make_room()


def until_resets(room, count: int, limit_ms: float = 120_000) -> bool:
    return room.board.run_until(lambda: room.board.reset_count >= count, limit_ms)


@pytest.mark.parametrize("how", ["raise", "return", "memory", "cancel", "exit"])
def test_a_task_that_ends_rests_the_strike_and_starts_the_board_afresh(faulty, how):
    faultroot.put(faulty, "sealing", "Sealing", how, 8_000)
    faulty.power_on(knows_time=False)
    # The next start is not to fail.
    faultroot.take_away(faulty)
    faulty.board.exit_button.press(200)
    assert faulty.board.run_until(lambda: faulty.is_released, 2_000)
    assert until_resets(faulty, 1)
    assert not faulty.is_released and faulty.pulses[0] < 5_001
    assert faulty.until_event(event.BOOT, 10_000, 2)
    assert faulty.last(event.TASK_FAILED).details == {event.NAME: "sealing"}
    assert faulty.board.reset_causes == [POWER, RESET]
    faulty.board.run_for(150_000)
    assert faulty.board.reset_count == 1 and not faulty.board.at_repl
    assert faulty.count(event.TASK_FAILED) == 1


def test_a_strike_in_its_pulse_rests_when_a_task_ends(faulty):
    faultroot.put(faulty, "sealing", "Sealing", "raise", 6_000)
    faulty.power_on(knows_time=False)
    faulty.board.run_for(1_000)
    faulty.board.exit_button.press(200)
    assert faulty.board.run_until(lambda: faulty.is_released, 1_500)
    assert until_resets(faulty, 1, 5_000)
    assert not faulty.is_released
    (pulse,) = faulty.pulses
    assert pulse < 4_000


@pytest.mark.parametrize(("module", "kind", "name"), [("sealing", "Sealing", "sealing"), ("keyway", "Keyway", "entry")])
def test_a_task_that_hangs_is_named_and_ends_the_run(faulty, module, kind, name):
    faultroot.put(faulty, module, kind, "hang", 30_000)
    faulty.power_on(knows_time=False)
    assert until_resets(faulty, 1, 200_000)
    assert faulty.board.reset_causes == [POWER, RESET]
    found = faulty.last(event.TASK_FAILED)
    assert found.details == {event.NAME: name}
    assert 90_000 <= found.uptime_ms <= 100_000


def test_a_hung_cpu_is_reset_by_the_watchdog(faulty):
    faulty.power_on(knows_time=False)
    faulty.board.hang_cpu()
    assert until_resets(faulty, 1, 30_000)
    assert faulty.board.reset_causes == [POWER, WATCHDOG]
    assert faulty.until_event(event.BOOT, 10_000, 2)
    assert faulty.last(event.BOOT).details[event.CAUSE] == WATCHDOG


def test_missing_files_lead_to_no_prompt_and_to_no_hurry(tmp_path):
    root = faultroot.make(tmp_path / "bare")
    (root / "firmware").unlink()
    (root / "main.py").write_text((faultroot.ROOT / "main.py").read_text())
    with VirtualBoard(tmp_path / "board", root=root, use_mpy=True) as board:
        board.power_on()
        board.run_for(65_000)
        assert not board.at_repl
        assert board.reset_causes == [POWER] + [RESET] * 6
        assert board.flash.operations == 0
        assert not board.strike.is_released
