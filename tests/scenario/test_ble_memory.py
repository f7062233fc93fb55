"""Deliveries by Bluetooth, with receipt and picture, in less heap than a virtual board has.

What the numbers mean on a board: docs/architecture.md, "Memory", and test_memory.py.
"""

import blecase
import pytest
from blecase import driver

from firmware.core import event
from virtualboard.board import FIRMWARE_KIB, SHADOWS_KIB, WIDE_WORDS_KIB

# What every part of a lock together must be able to do without, phones by Bluetooth included.
SPARE_KIB = 12
HEAP = f"{FIRMWARE_KIB + SHADOWS_KIB + WIDE_WORDS_KIB - SPARE_KIB}k"
SETTINGS = {**blecase.SETTINGS, "nfc": "uart"}


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
