"""One wiring: the board's file, what the firmware drives, what boot.py rests and what the virtual board has."""

import re
from pathlib import Path

from lobbylock.board_wiring import wire
from lobbylock.boards import REFERENCE, load
from virtualboard.chip.pn532 import Pn532
from virtualboard.chip.pn532_line import HsuLine, SpiLine
from virtualboard.chip.wiegand import Wiegand
from virtualboard.flash import PARTITIONS
from virtualboard.wiring import Wiring

ROOT = Path(__file__).resolve().parents[2]


def firmware_pins() -> dict:
    pins: dict = {}
    exec((ROOT / "firmware/board/pins.py").read_text(), pins)
    return pins


def readme_pins() -> list[list[int]]:
    """The GPIO column of README's wiring table, row by row."""
    text = (ROOT / "README.md").read_text()
    table = text[text.index("## Wiring") : text.index("<!-- end -->")]
    rows = [line.split("|")[3].split() for line in table.splitlines() if line.startswith("|")]
    return [[int(number) for number in row] for row in rows[2:]]


def test_readme_says_what_the_firmware_drives():
    pins = firmware_pins()
    names = ("STRIKE", "DOOR_CONTACT", "EXIT_BUTTON", "LED", "BUZZER", "KEYPAD_ROWS", "KEYPAD_COLUMNS")
    names += ("CAMERA_TX", "CAMERA_RX", "CAMERA_POWER", "NFC_TX", "NFC_RX", "NFC_RESET")
    shown = [pins[name] if isinstance(pins[name], tuple) else (pins[name],) for name in names]
    assert [tuple(row) for row in readme_pins()] == shown


def test_hardware_page_has_the_pins_of_the_other_readers():
    page = (ROOT / "docs/hardware.md").read_text()
    pins = firmware_pins()
    names = {"NSS": "SELECT", "SCK": "CLOCK", "MOSI": "MOSI", "MISO": "MISO", "IRQ": "IRQ", "RSTPD": "RESET"}
    readers = page[page.index("## Card reader") :]
    rows = dict(re.findall(r"\| (NSS|SCK|MOSI|MISO|IRQ|RSTPD) \| (\d+) \|", readers))
    assert rows == {line: str(pins["NFC_" + name]) for line, name in names.items()}
    keypad = page[page.index("## Wiegand keypad") :]
    assert tuple(map(int, re.findall(r"\| D[01] \| (\d+) \|", keypad))) == pins["WIEGAND"]
    # One of the two is fitted, never both.
    assert set(pins["WIEGAND"]) <= set(pins["KEYPAD_COLUMNS"])


def test_boot_rests_the_strike_of_the_firmware_and_only_imports_come_before():
    code = re.sub(r'""".*?"""', "", (ROOT / "boot.py").read_text(), flags=re.DOTALL).split("\n")
    lines = [line for line in code if line.strip()]
    pins = firmware_pins()
    imports = ["import time", "import micropython", "from machine import Pin"]
    assert lines[:4] == [*imports, f"Pin({pins['STRIKE']}, Pin.OUT, value={1 - pins['STRIKE_ON']})"]


def numbers(wiring: Wiring) -> dict:
    """Returns the pins of all chips but for the card reader's."""
    found = {
        "rows": wiring.keypad.rows,
        "columns": wiring.keypad.columns,
        "camera": (wiring.camera.tx, wiring.camera.rx, wiring.camera.power),
        "strike": (wiring.strike.gpio, wiring.strike.on),
    }
    for name in ("contact", "exit_button", "led", "buzzer"):
        found[name] = getattr(wiring, name).gpio
    return found


def reader(chip: Pn532) -> tuple:
    line = chip.line
    if isinstance(line, HsuLine):
        return chip.reset, line.tx, line.rx
    assert isinstance(line, SpiLine)
    return chip.reset, line.bus, line.select, line.irq


def test_virtual_board_is_by_default_wired_like_the_reference_board():
    board = load(REFERENCE)
    wired = wire(board)
    assert numbers(Wiring()) == numbers(wired) and not wired.without and wired.chip == Wiring().chip
    assert wired.nfc and reader(Pn532()) == reader(wired.nfc)
    other = wire(board, keypad="wiegand", nfc="spi")
    assert other.nfc and reader(Pn532("spi")) == reader(other.nfc)
    assert other.wiegand and (other.wiegand.d0, other.wiegand.d1) == (Wiegand().d0, Wiegand().d1)


def test_virtual_board_is_wired_as_the_firmware_drives():
    pins, wired = firmware_pins(), wire(load(REFERENCE))
    assert numbers(wired) == {
        "rows": pins["KEYPAD_ROWS"],
        "columns": pins["KEYPAD_COLUMNS"],
        "camera": (pins["CAMERA_TX"], pins["CAMERA_RX"], pins["CAMERA_POWER"]),
        "strike": (pins["STRIKE"], pins["STRIKE_ON"]),
        "contact": pins["DOOR_CONTACT"],
        "exit_button": pins["EXIT_BUTTON"],
        "led": pins["LED"],
        "buzzer": pins["BUZZER"],
    }
    assert wired.nfc and reader(wired.nfc) == (pins["NFC_RESET"], pins["NFC_TX"], pins["NFC_RX"])


def test_hardware_page_has_the_partitions_of_the_virtual_board():
    page = (ROOT / "docs/hardware.md").read_text()
    for row in PARTITIONS:
        if row.label in ("vfs", "photos", "journal", "ledger"):
            pattern = rf"\| {row.label} \|[^|]*\| 0x0*{row.address:X} \| 0x0*{row.size:X} \|"
            assert re.search(pattern, page, re.IGNORECASE), row.label
