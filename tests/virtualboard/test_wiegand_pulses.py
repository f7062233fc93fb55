"""The Wiegand keypad's pulses, counted by the lock's own interrupts."""

from pathlib import Path

import pytest

from virtualboard import Wiring
from virtualboard.chip.wiegand import Wiegand

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import asyncio, time
from firmware.board import pins
from bell import Interrupts
from firmware.board.wiegand import Wiegand

async def work():
    # A lock that has other things to do, each for longer than a pulse.
    while True:
        until_ms = time.ticks_add(time.ticks_ms(), {busy_ms})
        while time.ticks_diff(until_ms, time.ticks_ms()) > 0:
            pass
        await asyncio.sleep_ms({rest_ms})

async def main():
    interrupts = Interrupts()
    keys = Wiegand(*pins.WIEGAND, interrupts)
    ringing = asyncio.create_task(interrupts.run())
    working = asyncio.create_task(work())
    while True:
        print(await keys.next(1 << 28))

asyncio.run(main())
"""


@pytest.fixture
def start(make_board):
    def start_board(busy_ms: int = 0, rest_ms: int = 100_000, **timing):
        chip = Wiegand()
        for name, value in timing.items():
            setattr(chip, name, value)
        text = PROGRAM.format(busy_ms=busy_ms, rest_ms=rest_ms)
        board = make_board(text, is_on=False, wiring=Wiring(wiegand=chip))
        root = board.vfs.parents[1] / board.vfs.parent.name.replace("state", "root")
        for name in ("firmware", "lib"):
            (root / name).symlink_to(ROOT / name)
        board.power_on()
        board.run_for(100)
        return board

    return start_board


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize(("busy_ms", "rest_ms"), [(0, 100_000), (40, 1)])
def test_keys_come_in_order(start, bits, busy_ms, rest_ms):
    board = start(busy_ms, rest_ms)
    board.run_for(board.wiegand.type("1234567890*#", bits) + 100)
    assert board.console == list("1234567890*#")


@pytest.mark.parametrize("period_us", [1_000, 2_000])
@pytest.mark.parametrize("pulse_us", [50, 100])
def test_cards_of_both_lengths(start, period_us, pulse_us):
    board = start(pulse_us=pulse_us, period_us=period_us)
    board.run_for(board.wiegand.card(123, 45_678) + 50)
    board.run_for(board.wiegand.card(0, 0) + 50)
    board.run_for(board.wiegand.card(65_535, 1, bits=34) + 50)
    assert board.console == ["(123, 45678)", "(0, 0)", "(65535, 1)"]


def test_a_key_is_there_soon_after_its_last_pulse(start):
    board = start()
    board.wiegand.type("6")
    begun_ms = board.now_ms
    assert board.run_until(lambda: board.console, 1_000)
    # Four pulses, and the pause that ends a key.
    assert board.console == ["6"] and 25 < board.now_ms - begun_ms < 6 + 25 + 10


def test_what_is_no_frame_is_noise_and_the_next_key_counts(start):
    board = start()
    for bits in ("1", "101", "1" * 26, "0" * 40):
        board.run_for(board.wiegand.send(bits) + 60)
    board.run_for(board.wiegand.type("7") + 60)
    assert board.console == ["1", "1", "1", "1", "7"]
