"""What one delivery costs the board: the real firmware on the virtual board, with its time virtual."""

import asyncio
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cbor
import cose

from bench.figure import Figure
from firmware.core import keycode
from lobbylock.badge import compose
from lobbylock.ble_phone import BleVisit
from lobbylock.demo.air import AirCarrier
from lobbylock.demo.timeserver import TimeServer
from lobbylock.grant import Grant
from lobbylock.house import ROOT
from lobbylock.phone import Phone, holder, new_key
from lobbylock.signature import Signer
from virtualboard import VirtualBoard
from virtualboard.ble.operation import NOTIFY
from virtualboard.ble.phone import BlePhone
from virtualboard.chip.card import Ntag215
from virtualboard.chip.isodep_card import IsoDepCard
from virtualboard.flash import PARTITIONS, SECTOR_BYTES

_NOON_S = 1_789_992_000
_CODE_KEY = keycode.door_key(bytes(range(32)), "maple-12", "front")
_TAG = 3
_ISSUER = Signer(bytes([7]) * 32)
_HOUR_S = 3_600
# What a phone's secure element takes for a signature, at the least.
_SIGNING_MS = 80.0
_PROVE = b"\x80\x88"
# By Bluetooth: HELLO, SHOW, ECHO, and then the proof.
_PROOF_MESSAGE = 4
_FIRST_CHUNK = 0x80
_LAST_CHUNK = 0x40
_BLE: dict[str, object] = {"nfc": "off", "ble": "on"}
_SETTINGS: dict[str, object] = {
    "version": 1,
    "building": "maple-12",
    "door": "front",
    "tag": _TAG,
    "code_key": _CODE_KEY.hex(),
    "collector_key": "81" * 32,
    "mqtt_url": "",
    "mqtt_user": "",
    "mqtt_password": "",
    "mqtt_ca": "",
    "wifi_ssid": "lobby",
    "wifi_password": "",
    "day_start_s": 0,
    "release_ms": 1000,
    "held_ms": 30000,
    "camera": "best-effort",
    "has_contact": True,
    "issuers": [{"kid": "01", "name": "acme", "key": _ISSUER.public_key.hex()}],
    "areas": ["lobby"],
    "zone": "UTC0",
    "bearer": "single-use",
    "bearer_s": 86400,
    "revoked": [],
    "nfc": "uart",
    "keypad": "matrix",
}
_SETTLE_MS = 5_000
_DELIVERY_MS = 10_000
_DUMP_S = 60
_EVENTS_PER_DELIVERY_AT_LEAST = 4


@contextmanager
def lock(
    *, is_worn: bool = False, changed: dict[str, object] | None = None, **options: object
) -> Iterator[VirtualBoard]:
    """Yields a board whose lock knows the time and waits for a code. `is_worn`: no sector of its journal is erased.

    `changed` are settings that are not the usual ones.
    """
    with tempfile.TemporaryDirectory(prefix="lobbylock-bench-") as folder:
        board = VirtualBoard(folder, use_mpy=True, **options)  # type: ignore[arg-type]
        server = TimeServer(lambda: _NOON_S + board.now_ms / 1000)
        with board:
            (board.vfs / "settings.json").write_text(
                json.dumps({**_SETTINGS, "ntp": server.address, **(changed or {})})
            )
            if is_worn:
                for row in PARTITIONS:
                    if row.label == "journal":
                        for address in range(row.address, row.address + row.size, SECTOR_BYTES):
                            board.flash.program(address, bytes(SECTOR_BYTES))
            board.set_pace("real")
            board.power_on()
            if not board.run_until(lambda: server.answered, 120_000):
                raise RuntimeError("the lock does not ask for the time: " + " / ".join(board.console[-3:]))
            board.run_for(2_000)
            board.set_pace("fast")
            board.run_for(_SETTLE_MS)
            yield board
        server.close()


def code(board: VirtualBoard) -> str:
    """Returns a code that opens now."""
    now_s = _NOON_S + board.now_ms // 1000
    return keycode.mint(_CODE_KEY, _TAG, 4, 7, keycode.window_at(4, now_s))


def _is_delivered(board: VirtualBoard) -> bool:
    return board.run_until(lambda: board.strike.is_released, _DELIVERY_MS)


def key_to_strike() -> Figure:
    """Counts instructions from the last key going down to the strike pin going up, by callgrind.

    The shadow modules' own work and the scans of the debounce time are in it.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind.out"
        prefix = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--instr-atstart=no", "-q"]
        with lock(argv_prefix=prefix, stall_s=120.0) as board:
            board.keypad.type(code(board))
            board.run_for(3_000)
            if board.pid is None:
                raise RuntimeError("the board is gone: " + " / ".join(board.console[-3:]))
            # It waits for the host now, and goes on only when time does.
            control = ["callgrind_control", "--instr=on", str(board.pid)]
            subprocess.run(control, check=True, capture_output=True, timeout=_DUMP_S)
            board.keypad.type("#")
            if not _is_delivered(board):
                raise RuntimeError("the strike did not move")
            os.kill(board.pid, signal.SIGTERM)
            return Figure("last key to strike pin", _total(out) / 1e6, "M instructions", 20)


def proof_to_strike() -> Figure:
    """Counts instructions from a phone's proof going on its way to the strike pin going up, by callgrind.

    Reading the answer off the card reader chip, byte by byte, is in it, as are the stand-ins.
    """

    def present(board: VirtualBoard, count: Callable[[], None]) -> None:
        card = IsoDepCard(_phone(board).handle, _SIGNING_MS)

        def watch(command: bytes, answer: bytes) -> bytes:
            if command[:2] == _PROVE:
                # The answer leaves the phone then.
                board.at(_SIGNING_MS, count)
            return answer

        card.change_answer = watch
        board.nfc.place(card)

    return Figure("phone's proof to strike pin", _counted(present) / 1e6, "M instructions", 20)


def badge_to_strike() -> Figure:
    """Counts instructions from a badge's last bytes going on their way to the strike pin going up."""

    def present(board: VirtualBoard, count: Callable[[], None]) -> None:
        # How often a badge is read, by one that is the same but for its id.
        first = _badge(board, b"delivery1")
        board.nfc.place(first)
        if not _is_delivered(board):
            raise RuntimeError("the strike did not move")
        board.run_for(_DELIVERY_MS)
        reads = len(first.commands)
        board.nfc.remove(first)
        board.run_for(_DELIVERY_MS)
        second = _badge(board, b"delivery2")
        second.before(reads, count)
        board.nfc.place(second)

    return Figure("badge's last bytes to strike pin", _counted(present) / 1e6, "M instructions", 20)


class _Counting(AirCarrier):
    """Calls `count` right before the last chunk of the phone's message number `at` leaves; signing takes its time."""

    def __init__(self, radio: BlePhone, mtu: int, count: Callable[[], None], at: int) -> None:
        super().__init__(radio, mtu)
        self._count = count
        self._at = at
        self._messages = 0

    async def write(self, chunk: bytes) -> None:
        if chunk[0] & _FIRST_CHUNK and self._messages == _PROOF_MESSAGE - 1:
            await asyncio.sleep(_SIGNING_MS / 1_000)
        self._messages += bool(chunk[0] & _LAST_CHUNK)
        if self._messages == self._at:
            self._at = 0
            self._count()
        await super().write(chunk)

    async def close(self) -> None:
        # The board is gone by then.
        return


def ble_to_strike() -> list[Figure]:
    """Counts instructions of a delivery by Bluetooth while the person waits for the lock and not for the phone.

    The phone's HELLO until the radio has the lock's, which is the channel's set-up; and the last chunk of the proof
    until the strike moves.
    """
    setting_up = _counted(lambda board, count: _come_by_ble(board, count, 1), _BLE, is_until_said=True)
    opening = _counted(lambda board, count: _come_by_ble(board, count, _PROOF_MESSAGE), _BLE)
    return [
        Figure("BLE: phone's HELLO to the lock's, the channel's set-up", setting_up / 1e6, "M instructions"),
        Figure("BLE: last byte of the proof to strike pin", opening / 1e6, "M instructions", 20),
        Figure("BLE: last byte to strike, set-up included", (setting_up + opening) / 1e6, "M instructions", 25),
    ]


def _come_by_ble(board: VirtualBoard, count: Callable[[], None], at: int) -> None:
    """Starts a visit that calls `count` at the last chunk of the phone's message number `at`."""
    door_key = bytes.fromhex(json.loads(board.console[0])["public_key"])
    radio = board.ble.phone("phone")

    async def visit() -> None:
        carrier = _Counting(*await _open(radio, door_key), count, at)
        meeting = BleVisit(_phone(board), carrier, door_key)
        meeting.press()
        await meeting.run()

    board.ble.start(visit())


async def _open(radio: BlePhone, door_key: bytes) -> tuple[BlePhone, int]:
    """Connects; returns what a carrier is made of."""
    return radio, (await AirCarrier.open(radio, door_key)).mtu


def _counted(
    present: Callable[[VirtualBoard, Callable[[], None]], object],
    changed: dict[str, object] | None = None,
    is_until_said: bool = False,
) -> int:
    """Returns the instructions from when `present(board, count)` calls `count` to the next release of the strike.

    Or, with `is_until_said`, to when the lock next gives something to its Bluetooth radio.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind.out"
        prefix = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--instr-atstart=no", "-q"]
        with lock(argv_prefix=prefix, stall_s=120.0, changed=changed) as board:
            totals: list[int] = []

            def count() -> None:
                control = ["callgrind_control", "--instr=on", str(board.pid)]
                subprocess.run(control, check=True, capture_output=True, timeout=_DUMP_S)
                if is_until_said:
                    board.ble.handle = watch

            def watch(op: int, value: int, data: bytes) -> tuple[int, bytes] | None:
                if op == NOTIFY and not totals:
                    totals.append(_end(board, out))
                return handle(op, value, data)

            handle = board.ble.handle
            present(board, count)
            is_over = board.run_until(lambda: bool(totals), _DELIVERY_MS) if is_until_said else _is_delivered(board)
            if not is_over:
                raise RuntimeError("the strike did not move: " + " / ".join(board.console[-3:]))
            return totals[0] if totals else _end(board, out)


def _end(board: VirtualBoard, out: Path) -> int:
    """Ends the board's process; returns the instructions in callgrind's file."""
    if board.pid is None:
        raise RuntimeError("the board is gone")
    os.kill(board.pid, signal.SIGTERM)
    return _total(out)


def _credential(board: VirtualBoard, name: bytes, uses: int | None, key: bytes | None) -> bytes:
    """Returns a credential that opens now."""
    now_s = _NOON_S + board.now_ms // 1000
    grant = Grant(
        subject="UPS 4711",
        building="maple-12",
        role=1,
        areas=["lobby"],
        from_s=now_s - _HOUR_S,
        until_s=now_s + _HOUR_S,
        issued_s=now_s - _HOUR_S,
        id=name,
        uses=uses,
        holder=key,
    )
    payload = cbor.encode(grant.claims("acme"))
    signature = _ISSUER.sign(cose.to_be_signed(payload))
    return cbor.encode([cose.EDDSA, {4: b"\x01"}, payload, signature])


def _badge(board: VirtualBoard, name: bytes) -> Ntag215:
    return Ntag215(compose(_credential(board, name, 1, None)), b"\x04\x5a\x1b\x72\xc3\x64" + name[-1:])


def _phone(board: VirtualBoard) -> Phone:
    key = new_key()
    return Phone(_credential(board, b"delivery", None, holder(key)), key)


def _total(out: Path) -> int:
    """Waits for callgrind's file and returns the sum in it."""
    end_s = time.monotonic() + _DUMP_S
    while time.monotonic() < end_s:
        found = re.search(r"^(?:summary|totals): (\d+)", out.read_text() if out.exists() else "", re.MULTILINE)
        if found:
            return int(found[1])
        time.sleep(0.1)
    raise RuntimeError("callgrind wrote no sum")


def flash_cost(deliveries: int = 50) -> list[Figure]:
    """Counts flash operations and erases of the journal per event, over many deliveries.

    The journal's ring has been around before: every sector it comes to has to be erased, as on a lock in service.
    """
    with lock(is_worn=True) as board:
        programs, erases = board.flash.programs_of["journal"], board.flash.erases_of["journal"]
        for _ in range(deliveries):
            board.keypad.type(code(board) + "#")
            if not _is_delivered(board):
                raise RuntimeError("the strike did not move")
            board.run_for(_DELIVERY_MS)
        programs = board.flash.programs_of["journal"] - programs
        erases = board.flash.erases_of["journal"] - erases
    # Two programs for each event: itself and the wiping of its key. Two for each sector: a header and a wiping.
    events = programs // 2 - erases
    if events < deliveries * _EVENTS_PER_DELIVERY_AT_LEAST:
        raise RuntimeError("too few events for as many deliveries")
    return [
        Figure("journal flash operations per event", (programs + erases) / events, "operations", 2.5),
        Figure("journal erases per event", erases / events, "erases", 0.05),
    ]


# The lock, and beside it a timer that tells how much of the heap is free once garbage is collected.
_WATCHED_MAIN = """
import gc
gc.threshold(8192)
from machine import Timer

def look(timer):
    gc.collect()
    print("free", gc.mem_free())

watch = Timer(3)
watch.init(period=%d, mode=Timer.PERIODIC, callback=look)
from firmware.build import run
run()
"""
_LOOK_MS = 5


def heap_free() -> list[Figure]:
    """Reads the free heap when nobody is there, and at the lowest moment of a delivery with its picture.

    Looked at every 5 ms, after a collection. On this 64-bit interpreter objects are twice as large as on an ESP32.
    """
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for part in ("firmware", "lib", "boot.py"):
            (root / part).symlink_to(ROOT / part)
        (root / "main.py").write_text(_WATCHED_MAIN % _LOOK_MS)
        with lock(root=root) as board:
            board.run_for(20_000)
            idle = _free(board)[-1]
            before = len(board.console)
            board.keypad.type(code(board) + "#")
            if not _is_delivered(board):
                raise RuntimeError("the strike did not move")
            board.run_for(_DELIVERY_MS)
            lowest = min(_free(board, before))
    return [
        Figure("free heap when idle", idle / 1024, "KB"),
        Figure("free heap at the lowest of a delivery", lowest / 1024, "KB"),
    ]


def _free(board: VirtualBoard, start: int = 0) -> list[int]:
    return [int(line.split()[1]) for line in board.console[start:] if line.startswith("free ")]
