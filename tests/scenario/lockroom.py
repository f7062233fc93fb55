"""A door with its lock, for tests: the real firmware on the virtual board, its settings, its trail, its codes."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

from lobbylock import house

house.open_path()

from firmware.core import event, keycode  # noqa: E402
from firmware.store.journal import Journal  # noqa: E402
from lobbylock.board_wiring import lay_out, wire  # noqa: E402
from lobbylock.boards import Board  # noqa: E402
from lobbylock.demo.timeserver import TimeServer  # noqa: E402
from virtualboard import VirtualBoard, Wiring  # noqa: E402
from virtualboard.chip.pn532 import Pn532  # noqa: E402
from virtualboard.chip.wiegand import Wiegand  # noqa: E402

# Monday 21 September 2026, 12:00:00 UTC.
NOON_S = 1_789_992_000
START_MS = 20_000
# In real time, of which a busy machine takes some. While it goes by, the board's time goes no faster than an answer
# about the time allows: how long that took is what the lock knows the time by.
_ANSWER_S = 90.0
_PAUSE_S = 0.002
_STEP_MS = 5
CODE_KEY = keycode.door_key(bytes(range(32)), "maple-12", "front")
TAG = 3

SETTINGS = {
    "version": 1,
    "building": "maple-12",
    "door": "front",
    "tag": TAG,
    "code_key": CODE_KEY.hex(),
    "collector_key": "81" * 32,
    "mqtt_url": "",
    "mqtt_user": "",
    "mqtt_password": "",
    "mqtt_ca": "",
    "wifi_ssid": "lobby",
    "wifi_password": "",
    "ntp": "",
    "day_start_s": 0,
    "release_ms": 5000,
    "held_ms": 30000,
    "camera": "best-effort",
    "has_contact": True,
    "issuers": [],
    "areas": ["lobby"],
    "zone": "UTC0",
    "bearer": "single-use",
    "bearer_s": 86400,
    "revoked": [],
    "nfc": "off",
    "keypad": "matrix",
}


class FlashImage:
    """The bytes of one partition, read only, for the firmware's own stores."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def readblocks(self, block: int, buffer: bytearray, offset: int = 0) -> None:
        at = block * 4096 + offset
        buffer[:] = self._data[at : at + len(buffer)]

    def writeblocks(self, block: int, buffer: bytes, offset: int = 0) -> None:
        raise OSError(30)

    def ioctl(self, operation: int, argument: int) -> int:
        return len(self._data) // 4096 if operation == 4 else 4096


@dataclass
class Happened:
    """One event of the trail with its numbers put into words."""

    seq: int
    kind: int
    time_s: int | None
    uptime_ms: int
    details: dict

    @property
    def reason(self) -> int | None:
        return self.details.get(event.REASON)


class Lockroom:
    """Starts with the power off. `day` moves what the time server says. `kind` is the board, None for the reference."""

    def __init__(self, folder: Path, *, has_reader: bool = True, kind: Board | None = None, **changed) -> None:
        wiring = Wiring()
        if kind:
            wiring = wire(kind, keypad=changed.get("keypad", ""), nfc=changed.get("nfc", "off"))
        elif changed.get("keypad") == "wiegand":
            wiring.wiegand = Wiegand()
        if not has_reader:
            wiring.nfc = None
        elif not kind and changed.get("nfc") == "spi":
            wiring.nfc = Pn532("spi")
        root = lay_out(kind, folder.with_name(folder.name + "-root")) if kind else house.ROOT
        self.board = VirtualBoard(folder, root=root, use_mpy=True, wiring=wiring)
        self.day_s = NOON_S
        self.last_press_ms = 0.0
        self._read_at = -1
        self._events: list[Happened] = []
        self.time = TimeServer(lambda: self.day_s + self.board.now_ms / 1000)
        self.settings = {**SETTINGS, "ntp": self.time.address, **changed}
        self.write_settings(json.dumps(self.settings))

    def write_settings(self, text: str) -> None:
        vfs = self.board.vfs
        vfs.mkdir(parents=True, exist_ok=True)
        (vfs / "settings.json").write_text(text)

    def close(self) -> None:
        self.board.close()
        self.time.close()

    def power_on(self, *, knows_time: bool = True) -> None:
        """Starts the lock and waits until it serves.

        Always in virtual time: while this process waits for its turn, no camera and no card reader is late.
        """
        before = len(self.board.console)
        told = self.count(event.CLOCK_SET) if before else 0
        self.board.set_pace("fast")
        self.board.wlan.available = knows_time
        self.board.power_on()
        assert self.board.run_until(lambda: len(self.board.console) > before, START_MS), self.board.console
        if knows_time:
            assert self.until_answered(event.CLOCK_SET, told + 1), self.board.console
        # Camera and inputs settle.
        self.board.run_for(3_000)

    # The trail.

    @property
    def events(self) -> list[Happened]:
        """Reads the trail out of the flash, by the firmware's own code; anew when something was written."""
        if self._read_at != self.board.flash.operations:
            self._read_at = self.board.flash.operations
            self._events = self._read_events()
        return self._events

    def _read_events(self) -> list[Happened]:
        image = FlashImage(self.board.flash.partition("journal"))
        journal = Journal(image, event.genesis(self.public_key), 0, 0, None)
        found = [event.decode(record) for _, _, record, _ in journal._events_from(1)]
        return [Happened(e.seq, e.kind, e.time_s, e.uptime_ms, e.details) for e in found]

    @property
    def public_key(self) -> bytes:
        return bytes.fromhex(json.loads(self.board.console[0])["public_key"])

    def kinds(self, *but: int) -> list[int]:
        """Returns the kinds of all events but seals and those named."""
        return [found.kind for found in self.events if found.kind not in (event.SEAL, *but)]

    def last(self, kind: int) -> Happened | None:
        found = [one for one in self.events if one.kind == kind]
        return found[-1] if found else None

    def count(self, kind: int) -> int:
        return sum(1 for found in self.events if found.kind == kind)

    def until_event(self, kind: int, limit_ms: int, count: int = 1) -> bool:
        return self.board.run_until(lambda: self.count(kind) >= count, limit_ms)

    def until_answered(self, kind: int, count: int = 1) -> bool:
        """As `until_event` for what comes of an answer of the network, which takes real time."""
        end_s = time.monotonic() + _ANSWER_S
        while not self.until_event(kind, _STEP_MS, count):
            if time.monotonic() > end_s:
                return False
            time.sleep(_PAUSE_S)
        return True

    # People.

    @property
    def now_s(self) -> int:
        return int(self.day_s + self.board.now_ms / 1000)

    def code(
        self, code_class: int = 4, slot: int = 7, *, ahead_s: int = 0, tag: int = TAG, key: bytes = CODE_KEY
    ) -> str:
        window = keycode.window_at(code_class, self.now_s + ahead_s)
        return keycode.mint(key, tag, code_class, slot, window)

    def press(self, keys: str, key_ms: float = 80, gap_ms: float = 60) -> None:
        """Starts pressing `keys` one after the other; `last_press_ms` is when the last will go down."""
        self.last_press_ms = self.board.now_ms + self.board.keypad.type(keys, key_ms, gap_ms) - key_ms

    def type(self, keys: str, limit_ms: int = 15_000) -> int | None:
        """Types `keys` and `#`; returns the reason of the access event that follows, None if none does."""
        before = self.count(event.ACCESS)
        self.press(keys + "#")
        if not self.until_event(event.ACCESS, limit_ms, before + 1):
            return None
        self.board.run_for(300)
        found = self.last(event.ACCESS)
        return found.reason if found else None

    # The strike.

    @property
    def is_released(self) -> bool:
        return self.board.strike.is_released

    @property
    def pulses(self) -> list[float]:
        """Lengths in ms of all finished pulses."""
        return [end - start for start, end in self.board.strike.pulses if end is not None]
