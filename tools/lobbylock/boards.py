"""Boards: which pin of an ESP32 does what, from `boards/*.toml`, and what follows from that for firmware and people.

A board is judged when it is loaded (`pin_rules`), so one that loads can be flashed and wired.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lobbylock.board_file import LOCKS, PARTS, read_board_file, read_toml
from lobbylock.errors import UserError
from lobbylock.house import ROOT
from lobbylock.pin_rules import Chip, PinMap, check_peripherals, check_pins
from lobbylock.wires import Wire, draw_wires

# What firmware/board/pins.py and boot.py in the repository are for.
REFERENCE = "esp32-devkitc"

FOLDER = ROOT / "boards"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")

# What pins.py calls them, and the uses that they have the pins of.
_FIRMWARE_NAMES = {
    "DOOR_CONTACT": ("door.contact",),
    "EXIT_BUTTON": ("door.exit_button",),
    "LED": ("indicator.led",),
    "BUZZER": ("indicator.buzzer",),
    "KEYPAD_ROWS": ("keypad.matrix.rows",),
    "KEYPAD_COLUMNS": ("keypad.matrix.columns",),
    "WIEGAND": ("keypad.wiegand.d0", "keypad.wiegand.d1"),
    "CAMERA_TX": ("camera.vc0706.tx",),
    "CAMERA_RX": ("camera.vc0706.rx",),
    "CAMERA_POWER": ("camera.vc0706.power",),
    "NFC_TX": ("nfc.uart.tx",),
    "NFC_RX": ("nfc.uart.rx",),
    "NFC_SELECT": ("nfc.spi.select",),
    "NFC_CLOCK": ("nfc.spi.clock",),
    "NFC_MOSI": ("nfc.spi.mosi",),
    "NFC_MISO": ("nfc.spi.miso",),
    "NFC_IRQ": ("nfc.spi.irq",),
    "NFC_RESET": ("nfc.uart.reset", "nfc.spi.reset"),
}
_TUPLES = frozenset(("KEYPAD_ROWS", "KEYPAD_COLUMNS", "WIEGAND"))
_PERIPHERAL_NAMES = {"CAMERA_UART": "camera.vc0706", "NFC_UART": "nfc.uart", "NFC_SPI": "nfc.spi"}


_BOOT = """\
\"\"\"The strike to its resting level, before anything else. The number is `firmware.board.pins.STRIKE`.\"\"\"

import time

import micropython
from machine import Pin

Pin({pin}, Pin.OUT, value={rest})

# Ctrl-C counts from where this file begins: here it would lead to the prompt, with main.py left out.
micropython.kbd_intr(-1)
try:
    time.sleep_ms(1)
except KeyboardInterrupt:
    pass
"""


@dataclass(frozen=True)
class Board:
    """One kind of board with its pin map.

    `chip` is "esp32" or "esp32c3", `arch` what `mpy-cross -march` calls its core. `strike_on` is the level that
    releases, 0 or 1. `lock` is "strike" (fail-secure) or "maglock" (fail-safe). `pins` has the GPIO numbers by what
    they are for, as in the file: pins["nfc.uart.tx"] is (33,), pins["keypad.matrix.rows"] is (16, 17, 18, 19).
    `peripherals` has the numbers of UARTs and SPIs by part. `remarks` has what is to be known about a pin, by its
    number: why it may be used although it is read at reset, what the board has soldered to it; `soldered` are those
    with a pull-up on the board.
    """

    name: str
    title: str
    chip: str
    arch: str
    module: str
    strike_on: int
    lock: str
    pins: dict[str, tuple[int, ...]]
    peripherals: dict[str, int]
    remarks: dict[int, str]
    soldered: frozenset[int]
    notes: tuple[str, ...]
    has_ble: bool

    @property
    def strike(self) -> int:
        """The GPIO that releases the door."""
        return self.pins["strike.pin"][0]

    @property
    def nfc(self) -> tuple[str, ...]:
        """How a card reader may be wired: of "uart" and "spi"; empty if there are no pins for one."""
        return self._kinds("nfc")

    @property
    def keypad(self) -> tuple[str, ...]:
        """Which keypads there are pins for: of "matrix" and "wiegand"; one at least."""
        return self._kinds("keypad")

    @property
    def has_camera(self) -> bool:
        """Whether there are pins for a camera module (VC0706)."""
        return bool(self._kinds("camera"))

    @property
    def offers(self) -> dict[str, Any]:
        """What the settings of its lock may ask for, as OFFERS in its pins.py."""
        return {"nfc": self.nfc, "keypad": self.keypad, "camera": self.has_camera, "ble": self.has_ble}

    def _kinds(self, section: str) -> tuple[str, ...]:
        """Returns the kinds of a part that there are pins for, the usual one first."""
        return tuple(
            part.partition(".")[2]
            for part in PARTS
            if part.startswith(section + ".") and any(use.startswith(part + ".") for use in self.pins)
        )

    def pins_source(self) -> str:
        """Returns the text of firmware/board/pins.py for this board."""
        lines = [
            f'"""GPIO numbers of the board {self.name}, and what it has no pins for: `lobbylock boards --write`."""',
            "",
            f'BOARD = "{self.name}"',
            f'CHIP = "{self.chip}"',
            "# Also in boot.py, which rests it before it can read any other file.",
            f"STRIKE = {self.strike}",
            "# The level that releases.",
            f"STRIKE_ON = {self.strike_on}",
        ]
        for name, uses in _FIRMWARE_NAMES.items():
            numbers = [number for use in uses for number in self.pins.get(use, ())]
            if not numbers:
                lines.append(f"{name} = None")
            else:
                lines.append(f"{name} = {tuple(numbers) if name in _TUPLES else numbers[0]}")
        for name, part in _PERIPHERAL_NAMES.items():
            lines.append(f"{name} = {self.peripherals.get(part)}")
        lines.append("# What the settings may ask for.")
        offered = [f'"nfc": {_source(self.nfc)}', f'"keypad": {_source(self.keypad)}']
        offered += [f'"camera": {self.has_camera}', f'"ble": {self.has_ble}']
        lines.append(f"OFFERS = {{{', '.join(offered)}}}")
        return "\n".join(lines) + "\n"

    def boot_source(self) -> str:
        """Returns the text of boot.py for this board."""
        return _BOOT.format(pin=self.strike, rest=1 - self.strike_on)

    def wiring(self, lock: str = "", keypad: str = "", nfc: str = "") -> list[Wire]:
        """Returns what goes to which pin, a row for each line or group of lines.

        `lock` is "strike" or "maglock", empty for the board's own. `keypad` and `nfc` leave one kind of them, nfc="off"
        none; empty leaves all. Raises UserError for what the board lacks.
        """
        _choose(lock, LOCKS.values(), "A lock is one of")
        _choose(keypad, self.keypad, f"The keypads that {self.name} has pins for:")
        _choose(nfc, (*self.nfc, "off"), f"The card readers that {self.name} has pins for:")
        kept = {use: numbers for use, numbers in self.pins.items() if _is_chosen(use, keypad, nfc)}
        return draw_wires(kept, self.strike_on, lock or self.lock, self.remarks, self.soldered)


def _source(names: tuple[str, ...]) -> str:
    """Returns a tuple of names as Python that ruff would leave as it is."""
    return "(" + ", ".join(f'"{name}"' for name in names) + ("," if len(names) == 1 else "") + ")"


def _choose(chosen: str, choices: Collection[str], sentence: str) -> None:
    if chosen and chosen not in choices:
        raise UserError(f"{sentence} {', '.join(choices)}.")


def _is_chosen(use: str, keypad: str, nfc: str) -> bool:
    section, kind = use.split(".")[:2]
    chosen = {"keypad": keypad, "nfc": nfc}.get(section, "")
    return not chosen or kind == chosen


def names(folder: Path = FOLDER) -> list[str]:
    """Returns the names of the boards that come with the project."""
    return sorted(path.stem for path in folder.glob("*.toml"))


def load(name_or_path: str | Path, folder: Path = FOLDER) -> Board:
    """Returns a board that comes with the project, by its name, or one's own, by the path of its .toml file.

    Raises UserError with the first thing that is wrong in the file.
    """
    text = str(name_or_path)
    path = Path(text).expanduser() if text.endswith(".toml") else folder / f"{text}.toml"
    if not text.endswith(".toml") and text not in names(folder):
        known = ", ".join(names(folder))
        raise UserError(f"There is no board {text[:80]!r}: it is one of {known}, or the path of a .toml file.")
    if not _NAME.fullmatch(path.stem):
        raise UserError(f"{path.name[:80]!r} gives a board no name: 1 to 32 characters of a-z, 0-9 and - before .toml.")
    try:
        return _board(path, folder / "chip")
    except UserError as error:
        sentence = str(error)
        # What is wrong with the file as a file says so itself.
        raise UserError(sentence if sentence.endswith(".") else f"{path.name}: {sentence}.") from None


def _board(path: Path, chips: Path) -> Board:
    found = read_board_file(path)
    known = names(chips)
    if found.chip not in known:
        raise UserError(f"chip is one of {', '.join(known)}")
    chip = load_chip(found.chip, chips)
    if found.module not in chip.modules:
        raise UserError(f"module is one of {', '.join(chip.modules)}")
    reasons = found.reasons["strapping"]
    soldered = found.reasons["pulled_up"]
    taken = found.reasons["taken"]
    check_pins(PinMap(found.pins, found.strike_on, found.module, reasons, taken, soldered), chip)
    check_peripherals(found.peripherals, chip)
    return Board(
        name=path.stem,
        title=found.title,
        chip=found.chip,
        arch=chip.arch,
        module=found.module,
        strike_on=found.strike_on,
        lock=found.lock,
        pins=found.pins,
        peripherals=found.peripherals,
        remarks={number: _remark(soldered, reasons, number) for number in {**soldered, **reasons}},
        soldered=frozenset(soldered),
        notes=found.notes,
        has_ble=chip.has_ble,
    )


def load_chip(name: str, folder: Path = FOLDER / "chip") -> Chip:
    """Returns what is known of the pins of "esp32" or "esp32c3"."""
    value = read_toml(folder / f"{name}.toml")
    return Chip(
        name=name,
        title=value["title"],
        arch=value["arch"],
        has_ble=value["ble"],
        pins=frozenset(value["pins"]),
        input_only=frozenset(value["input_only"]),
        pulled_up=frozenset(value["pulled_up"]),
        pulled_down=frozenset(value["pulled_down"]),
        dips=frozenset(value["dips"]),
        uarts=tuple(value["uarts"]),
        spis=tuple(value["spis"]),
        refused=_by_number(value["refused"]),
        straps={int(number): (row["what"], frozenset(row["uses"])) for number, row in value["strapping"].items()},
        modules={module: _by_number(rows) for module, rows in value["modules"].items()},
    )


def _remark(soldered: dict[int, str], reasons: dict[int, str], number: int) -> str:
    return "; ".join(filter(None, (soldered.get(number), reasons.get(number))))


def _by_number(rows: dict[str, str]) -> dict[int, str]:
    return {int(number): why for number, why in rows.items()}
