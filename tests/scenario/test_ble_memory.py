"""Deliveries by Bluetooth, with receipt and picture, in less heap than a virtual board has.

What the numbers mean on a board: docs/architecture.md, "Memory", and test_memory.py.
"""

import blecase
import pytest
from blecase import driver

from firmware.core import event
from lobbylock.house import ROOT
from virtualboard.board import FIRMWARE_KIB, SHADOWS_KIB, WIDE_WORDS_KIB

# What every part of a lock together must be able to do without, phones by Bluetooth included.
SPARE_KIB = 38
HEAP = f"{FIRMWARE_KIB + SHADOWS_KIB + WIDE_WORDS_KIB - SPARE_KIB}k"
SETTINGS = {**blecase.SETTINGS, "nfc": "uart"}

# A board's heap with the radio on, and what of it a delivery leaves.
BOARD_BYTES = 148_000
FREE_BYTES = 40_000
# What the same lock has in use while nobody is there, stand-ins taken off: with words of 8 bytes over words of 4.
WIDTH = 1.45
# The 621st name takes a pool for 640 more. A board has the stand-ins' names, which are most of them, in its image.
POOLS = 5
POOL_BYTES = 7_424

# Collects each time before it looks, so that only what is in use is counted. What a function has for itself between
# two waits is not seen, nor is what it leaves behind.
PEAK = """
import gc
gc.collect()
gc.threshold(4096)
import asyncio
import micropython
from firmware.build import run

async def look():
    top = 0
    while True:
        for _ in range(500):
            await asyncio.sleep_ms(4)
            gc.collect()
            top = max(top, gc.mem_alloc())
        print("top", top)
        micropython.qstr_info()

task = asyncio.create_task(look())
run()
"""


def test_a_delivery_by_bluetooth_leaves_40_kb_of_a_board(make_room, set_board, tmp_path):
    root = tmp_path / "peak-root"
    root.mkdir()
    for name in ("boot.py", "firmware", "lib"):
        (root / name).symlink_to(ROOT / name)
    (root / "main.py").write_text(PEAK)
    set_board(root=root, heap="300k")
    room = make_room(**SETTINGS)
    room.power_on()
    visitor = driver(room, wants_receipt=True)
    assert visitor.come() == event.GRANTED and len(visitor.phone.receipts) == 1
    assert room.until_event(event.PICTURE, 10_000)
    room.board.run_for(2_000)
    said = room.board.console
    top = max(int(line.removeprefix("top ")) for line in said if line.startswith("top "))
    pools = max(int(line.partition("n_pool=")[2].partition(",")[0]) for line in said if line.startswith("qstr"))
    assert pools <= POOLS + 1
    top -= POOL_BYTES * (pools - POOLS)
    free = BOARD_BYTES - (top - SHADOWS_KIB * 1024) / WIDTH
    assert free >= FREE_BYTES, (top, free)


def test_deliveries_by_bluetooth_fit_the_heap(make_room, set_board):
    set_board(heap=HEAP)
    room = make_room(**SETTINGS)
    room.power_on()
    for turn in range(1, 4):
        visitor = driver(room, wants_receipt=True)
        assert visitor.come() == event.GRANTED
        assert room.until_event(event.PICTURE, 10_000, turn)
        # Long enough for what visitors need to be let go, and loaded again.
        room.board.run_for(20_000)
        assert len(room.pulses) == turn and len(visitor.phone.receipts) == 1
    # No traceback, no fresh start.
    assert room.board.reset_causes == [1] and len(room.board.console) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["silent", "refused", "granted"])
def test_phones_leave_nothing_behind(make_room, set_board, memory_root, name):
    set_board(root=memory_root, heap="300k")
    room = make_room(**SETTINGS)
    room.power_on()
    in_use = []
    for _ in range(14):
        if name == "silent":
            task = room.board.ble.start(room.board.ble.phone(name).connect())
            assert room.board.run_until(task.done, 5_000)
            assert room.board.run_until(lambda: room.board.ble.connection_count == 0, 10_000)
        else:
            areas = ["garage" if name == "refused" else "lobby"]
            visitor = driver(room, wants_receipt=True, areas=areas)
            assert (visitor.come() == event.GRANTED) == (name == "granted")
        room.board.run_for(20_000)
        in_use.append(int(room.board.console[-1].removeprefix("in use ")))
    # The first ones fill buffers and lists that stay; at any moment some of it goes up and down.
    assert min(in_use[9:]) - min(in_use[3:9]) < 512, in_use
