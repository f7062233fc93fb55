"""The whole lock with some of its heap taken away, compiled as on a board; and what the stand-ins take of it.

The interpreter is a 64-bit one, whose objects are up to twice as large as an ESP32's: docs/architecture.md, "Memory".
"""

import os

import cardcase

from firmware.core import event
from virtualboard import VirtualBoard
from virtualboard.board import FIRMWARE_KIB, SHADOWS_KIB, WIDE_WORDS_KIB

# What a lock must be able to do without, so that the next feature finds some room.
SPARE_KIB = 38
HEAP = f"{FIRMWARE_KIB + SHADOWS_KIB + WIDE_WORDS_KIB - SPARE_KIB}k"

# Loads what stands in for the hardware, and makes of it what the lock makes: on a board, that is in the image.
SHADOWS = """
import gc
import asyncio, json, select, socket, struct, time
import _thread, bluetooth, esp32, machine, network, umqtt.simple

pins = [machine.Pin(n, machine.Pin.OPEN_DRAIN, value=1) for n in (16, 17, 18, 19)]
pins += [machine.Pin(n, machine.Pin.IN, machine.Pin.PULL_UP) for n in (21, 22, 23, 27, 14)]
pins += [machine.Pin(n, machine.Pin.OUT, value=0) for n in (13, 4, 32)]
pulse = esp32.RMT(pin=machine.Pin(26, machine.Pin.OUT, value=0), resolution_hz=312_500, idle_level=False)
partitions = [esp32.Partition.find(esp32.Partition.TYPE_DATA, label=x)[0] for x in ("ledger", "journal", "photos")]
station = network.WLAN(network.STA_IF)
station.active(True)
uart = machine.UART(1, 38_400, tx=25, rx=34, rxbuf=2048)
reader = machine.UART(2, 115_200, tx=5, rx=15, rxbuf=512)
timer = machine.Timer(0)
timer.init(period=8, mode=machine.Timer.PERIODIC, callback=print)
timer.deinit()
watchdog = machine.WDT(timeout=20_000)
clock = machine.RTC()
radio = bluetooth.BLE()
radio.active(True)
radio.config(addr_mode=1, mtu=247)
radio.irq(print)
uuid = bluetooth.UUID
radio.gatts_register_services(((uuid(1), ((uuid(2), 12), (uuid(3), 16))),))
gc.collect()
print(gc.mem_alloc())
"""


def test_the_shadows_take_what_is_added_for_them(tmp_path):
    root = tmp_path / "root"
    (root / "lib").mkdir(parents=True)
    (root / "main.py").write_text(SHADOWS)
    with VirtualBoard(tmp_path / "board", root=root, use_mpy=True, heap=HEAP) as board:
        board.power_on()
        assert board.run_until(lambda: board.at_repl, 10_000)
        (taken,) = map(int, board.console)
    # Nor much less, or the firmware would have what is left. Names of the host's folders lie there as well, and are as
    # long as they are: some hundred bytes more or less.
    assert (SHADOWS_KIB - 2) * 1024 < taken <= (SHADOWS_KIB + 1) * 1024


def test_a_delivery_fits_the_heap(make_room, set_board):
    set_board(heap=HEAP)
    room = make_room(**cardcase.SETTINGS)
    room.power_on()
    assert room.type(room.code()) == event.GRANTED
    assert room.until_event(event.PICTURE, 10_000)
    room.board.run_for(8_000)
    driver, _ = cardcase.phone(cardcase.phone_credential())
    room.board.nfc.place(driver)
    assert room.until_event(event.PICTURE, 10_000, 2)
    room.board.run_for(8_000)
    assert len(room.pulses) == 2
    assert room.count(event.CAMERA_FAILED) == 0
    # No traceback, no fresh start.
    assert len(room.board.console) == 1 and room.board.reset_causes == [1]


def test_what_visitors_need_is_loaded_for_each_of_them(make_room, set_board):
    """What is loaded and let go again and again finds its place; `VISITS` says how often, 300 in `make visits`."""
    set_board(heap=HEAP)
    room = make_room(**cardcase.SETTINGS)
    room.power_on()
    shown = cardcase.phone_credential()
    for number in range(int(os.environ.get("VISITS", "20"))):
        driver, _ = cardcase.phone(shown)
        room.board.nfc.place(driver)
        assert room.until_event(event.ACCESS, 10_000, number + 1)
        assert room.last(event.ACCESS).reason == event.GRANTED
        room.board.nfc.remove(driver)
        # The picture is stored, and the lobby has rested.
        room.board.run_for(16_000)
    assert len(room.board.console) == 1 and room.board.reset_causes == [1]


def test_deliveries_leave_nothing_behind(make_room, set_board, memory_root):
    set_board(root=memory_root)
    room = make_room()
    room.power_on()
    in_use = []
    for _ in range(65):
        assert room.type(room.code()) == event.GRANTED
        room.board.run_for(10_000)
        in_use.append(int(room.board.console[-1].removeprefix("in use ")))
    assert room.count(event.PICTURE) == 65
    # The first ones fill buffers and lists that stay. What is in use at a moment goes up and down; what stays does not.
    assert min(in_use[55:]) - min(in_use[45:55]) < 384, in_use
    assert min(in_use[55:]) - min(in_use[:10]) < 3_072, in_use
