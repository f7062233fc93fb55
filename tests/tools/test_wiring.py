"""One wiring: what README tells people, what the firmware drives, what boot.py rests and what the virtual board has."""

import re
from pathlib import Path

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
    table = text[text.index("## Wiring") : text.index("Why these")]
    rows = [line.split("|")[3].split() for line in table.splitlines() if line.startswith("|")]
    return [[int(number) for number in row] for row in rows[2:]]


def test_readme_says_what_the_firmware_drives():
    pins = firmware_pins()
    rows, columns, *single = readme_pins()
    assert tuple(rows) == pins["KEYPAD_ROWS"] and tuple(columns) == pins["KEYPAD_COLUMNS"]
    names = ("CAMERA_TX", "CAMERA_RX", "CAMERA_POWER", "STRIKE", "DOOR_CONTACT", "EXIT_BUTTON", "LED", "BUZZER")
    names += ("NFC_TX", "NFC_RX", "NFC_RESET")
    assert single == [[pins[name]] for name in names]


def test_hardware_page_has_the_pins_of_the_other_readers():
    page = (ROOT / "docs/hardware.md").read_text()
    pins = firmware_pins()
    names = {"NSS": "SELECT", "SCK": "CLOCK", "MOSI": "MOSI", "MISO": "MISO", "IRQ": "IRQ", "RSTPD": "RESET"}
    rows = dict(re.findall(r"^\| (NSS|SCK|MOSI|MISO|IRQ|RSTPD) \| (\d+) \|", page, re.MULTILINE))
    assert rows == {line: str(pins["NFC_" + name]) for line, name in names.items()}
    assert tuple(map(int, re.findall(r"^\| D[01] \| (\d+) \|", page, re.MULTILINE))) == pins["WIEGAND"]
    # One of the two is fitted, never both.
    assert set(pins["WIEGAND"]) <= set(pins["KEYPAD_COLUMNS"])


def test_no_pin_has_two_uses_but_for_parts_in_place_of_others():
    pins = firmware_pins()
    used = [*pins["KEYPAD_ROWS"], *pins["KEYPAD_COLUMNS"]]
    single = {name: value for name, value in pins.items() if name.isupper() and isinstance(value, int)}
    by_uart = [value for name, value in single.items() if not name.startswith("NFC_")]
    by_uart += [pins["NFC_TX"], pins["NFC_RX"], pins["NFC_RESET"]]
    by_spi = [value for name, value in single.items() if name not in ("NFC_TX", "NFC_RX")]
    for others in (by_uart, by_spi):
        assert len(set(used + others)) == len(used + others)


def test_boot_rests_the_strike_of_the_firmware_and_nothing_comes_before():
    code = re.sub(r'""".*?"""', "", (ROOT / "boot.py").read_text(), flags=re.DOTALL).split("\n")
    lines = [line for line in code if line.strip()]
    assert lines == ["from machine import Pin", f"Pin({firmware_pins()['STRIKE']}, Pin.OUT, value=0)"]


def test_virtual_board_is_wired_alike():
    pins, wiring = firmware_pins(), Wiring()
    assert (wiring.keypad.rows, wiring.keypad.columns) == (pins["KEYPAD_ROWS"], pins["KEYPAD_COLUMNS"])
    camera = wiring.camera
    assert (camera.tx, camera.rx, camera.power) == (pins["CAMERA_TX"], pins["CAMERA_RX"], pins["CAMERA_POWER"])
    nfc, hsu, spi = Pn532(), Pn532().line, Pn532("spi").line
    assert isinstance(hsu, HsuLine) and isinstance(spi, SpiLine)
    assert (hsu.tx, hsu.rx, nfc.reset) == (pins["NFC_TX"], pins["NFC_RX"], pins["NFC_RESET"])
    assert (spi.select, spi.irq) == (pins["NFC_SELECT"], pins["NFC_IRQ"])
    wiegand = Wiegand()
    assert (wiegand.d0, wiegand.d1) == pins["WIEGAND"]
    found = (wiring.strike, wiring.contact, wiring.exit_button, wiring.led, wiring.buzzer)
    names = ("STRIKE", "DOOR_CONTACT", "EXIT_BUTTON", "LED", "BUZZER")
    assert [chip.gpio for chip in found] == [pins[name] for name in names]


def test_hardware_page_has_the_partitions_of_the_virtual_board():
    page = (ROOT / "docs/hardware.md").read_text()
    for row in PARTITIONS:
        if row.label in ("vfs", "photos", "journal", "ledger"):
            pattern = rf"\| {row.label} \|[^|]*\| 0x0*{row.address:X} \| 0x0*{row.size:X} \|"
            assert re.search(pattern, page, re.IGNORECASE), row.label
