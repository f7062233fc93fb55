"""A virtual board in the place of a real one: its chips on those pins, and the firmware for them."""

import os
from hashlib import sha256
from pathlib import Path

from lobbylock.board_pages import BOOT, PINS
from lobbylock.boards import Board
from lobbylock.house import ROOT
from virtualboard.chip.button import Button
from virtualboard.chip.camera import Camera
from virtualboard.chip.contact import DoorContact
from virtualboard.chip.indicator import Indicator
from virtualboard.chip.keypad import Keypad
from virtualboard.chip.pn532 import Pn532
from virtualboard.chip.strike import Strike
from virtualboard.chip.wiegand import Wiegand
from virtualboard.wiring import Wiring


def wire(board: Board, *, keypad: str = "", nfc: str = "uart") -> Wiring:
    """Returns the chips that fit on `board`, where it has its pins for them.

    `keypad` is "matrix" or "wiegand", empty for the usual one; `nfc` is "uart", "spi" or "off".
    """
    pins = {use: numbers[0] for use, numbers in board.pins.items()}
    chosen = keypad or board.keypad[0]
    return Wiring(
        keypad=_matrix(board),
        camera=_camera(pins),
        strike=Strike(board.strike, board.strike_on),
        contact=DoorContact(pins["door.contact"]),
        exit_button=Button(pins["door.exit_button"]),
        led=Indicator(pins["indicator.led"]),
        buzzer=Indicator(pins["indicator.buzzer"]),
        nfc=_reader(board, pins, nfc),
        wiegand=Wiegand(pins["keypad.wiegand.d0"], pins["keypad.wiegand.d1"]) if chosen == "wiegand" else None,
        chip=board.chip,
        without=frozenset(
            name
            for name, is_there in (("keypad", "matrix" in board.keypad), ("camera", board.has_camera))
            if not is_there
        ),
    )


def _matrix(board: Board) -> Keypad:
    if "matrix" not in board.keypad:
        return Keypad()
    return Keypad(board.pins["keypad.matrix.rows"], board.pins["keypad.matrix.columns"])


def _camera(pins: dict[str, int]) -> Camera:
    part = "camera.vc0706."
    if part + "tx" not in pins:
        return Camera()
    return Camera(pins[part + "tx"], pins[part + "rx"], pins[part + "power"])


def _reader(board: Board, pins: dict[str, int], line: str) -> Pn532 | None:
    if line not in board.nfc:
        return None
    part = f"nfc.{line}."
    if line == "uart":
        return Pn532("uart", tx=pins[part + "tx"], rx=pins[part + "rx"], reset=pins[part + "reset"])
    bus = board.peripherals["nfc.spi"]
    return Pn532("spi", bus=bus, select=pins[part + "select"], irq=pins[part + "irq"], reset=pins[part + "reset"])


def lay_out(board: Board, folder: Path) -> Path:
    """Makes `folder` a root for VirtualBoard: links to the files of the repository, but for what is the board's own.

    Returns it.
    """
    own = {PINS: board.pins_source(), BOOT: board.boot_source()}
    firmware = [path.relative_to(ROOT).as_posix() for path in (ROOT / "firmware").rglob("*.py")]
    for name in ("main.py", "lib", *{*firmware, *own}):
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(_keep(place.name, own[name]) if name in own else ROOT / name)
    return folder


def _keep(name: str, text: str) -> Path:
    """Returns a file with that text, always the same for the same: so what is compiled of it can be used again."""
    path = ROOT / "build" / "boards" / sha256(text.encode()).hexdigest()[:16] / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        made = path.with_suffix(f".{os.getpid()}.new")
        made.write_text(text, "utf-8")
        made.rename(path)
    return path
