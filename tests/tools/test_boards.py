"""Board files: what is refused and by which sentence, and what is made of those that are not."""

import ast
import json
import shutil

import pytest

from lobbylock import board_pages, boards, command
from lobbylock.errors import UserError
from lobbylock.house import ROOT

REFERENCE = (boards.FOLDER / "esp32-devkitc.toml").read_text()
C3 = (boards.FOLDER / "esp32-c3-devkitm-1.toml").read_text()
OLIMEX = (boards.FOLDER / "olimex-esp32-poe.toml").read_text()


def load(folder, text: str, *changes: tuple[str, str], name: str = "mine") -> boards.Board:
    """Returns a board from a file like `text` with other words in it."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    path = folder / f"{name}.toml"
    path.write_text(text)
    return boards.load(str(path))


def sentence(folder, text: str, *changes: tuple[str, str]) -> str:
    with pytest.raises(UserError) as caught:
        load(folder, text, *changes)
    said = str(caught.value)
    assert said.startswith("mine.toml: ") and said.endswith(".") and "\n" not in said
    return said.removeprefix("mine.toml: ").removesuffix(".")


# Pins.


@pytest.mark.parametrize("number", range(6, 12))
def test_flash_pins_of_an_esp32_are_refused(tmp_path, number):
    said = sentence(tmp_path, REFERENCE, ("led = 13", f"led = {number}"))
    assert said == f"indicator.led is GPIO {number}, which belongs to the flash chip"


@pytest.mark.parametrize("number", range(11, 18))
def test_flash_pins_of_a_c3_are_refused(tmp_path, number):
    said = sentence(tmp_path, C3, ("led = 10", f"led = {number}"))
    assert said in (
        f"indicator.led is GPIO {number}, which belongs to the flash chip",
        "indicator.led is GPIO 11, which feeds the flash chip",
    )


SIMPLE = {
    "serial line": (REFERENCE, ("led = 13", "led = 1"), "indicator.led is GPIO 1, which is the serial line's TX"),
    "serial line in": (REFERENCE, ("rx = 35", "rx = 3"), "nfc.uart.rx is GPIO 3, which is the serial line's RX"),
    "C3's serial line": (C3, ("led = 10", "led = 20"), "indicator.led is GPIO 20, which is the serial line's RX"),
    "C3's other serial line": (C3, ("led = 10", "led = 21"), "indicator.led is GPIO 21, which is the serial line's TX"),
    "USB": (
        C3,
        ("d0 = 0", "d0 = 18"),
        "keypad.wiegand.d0 is GPIO 18, which is a line of the chip's USB, on which MicroPython has its console as well",
    ),
    "other USB": (
        C3,
        ("d0 = 0", "d0 = 19"),
        "keypad.wiegand.d0 is GPIO 19, which is a line of the chip's USB, on which MicroPython has its console as well",
    ),
    "no such pin": (REFERENCE, ("led = 13", "led = 24"), "indicator.led is GPIO 24, which an ESP32 does not have"),
    "no such C3 pin": (C3, ("led = 10", "led = 26"), "indicator.led is GPIO 26, which an ESP32-C3 does not have"),
    "not led out": (REFERENCE, ("rx = 34", "rx = 37"), "camera.vc0706.rx is GPIO 37, which is led out by no module"),
    "PSRAM": (
        REFERENCE,
        ("ESP32-WROOM-32", "ESP32-WROVER"),
        "keypad.matrix.rows is GPIO 16, which belongs to the PSRAM of a WROVER module",
    ),
    "output on an input": (
        REFERENCE,
        ("pin = 26", "pin = 34"),
        "strike.pin is GPIO 34, which can only be an input, and this is an output",
    ),
    "row on an input": (
        REFERENCE,
        ("rows = [16", "rows = [36"),
        "keypad.matrix.rows is GPIO 36, which can only be an input, and this is an output",
    ),
    "pull-up on an input": (
        REFERENCE,
        ("contact = 27", "contact = 36"),
        "door.contact is GPIO 36, which has no pull-up, and this is an input with a pull-up",
    ),
    "column on an input": (
        REFERENCE,
        ("columns = [21", "columns = [39"),
        "keypad.matrix.columns is GPIO 39, which has no pull-up, and this is an input with a pull-up",
    ),
    "Ethernet": (
        OLIMEX,
        ("led = 4", "led = 27"),
        "indicator.led is GPIO 27, which is the Ethernet chip's CRS_DV, which it drives",
    ),
    "Ethernet's clock": (
        OLIMEX,
        ("led = 4", "led = 17"),
        "indicator.led is GPIO 17, which is the Ethernet chip's clock",
    ),
    "SD card": (OLIMEX, ("led = 4", "led = 2"), "indicator.led is GPIO 2, which is the data line of the SD card"),
    "strapping 0": (
        REFERENCE,
        ("mosi = 33", "mosi = 0"),
        "nfc.spi.mosi is GPIO 0, a strapping pin: if it is low at reset, the chip waits for a download instead of"
        " starting",
    ),
    "strapping 12": (
        REFERENCE,
        ("led = 13", "led = 12"),
        "indicator.led is GPIO 12, a strapping pin: if it is high at reset, the flash chip gets 1.8 V and the board"
        " does not start",
    ),
    "strapping 9": (
        C3,
        ("exit_button = 5", "exit_button = 9"),
        "door.exit_button is GPIO 9, a strapping pin: if it is low at reset, the chip waits for a download instead of"
        " starting",
    ),
    "strapping 2": (
        REFERENCE,
        ("contact = 27", "contact = 2"),
        "door.contact is GPIO 2, a strapping pin: if it is high at reset, the board cannot be flashed; it may be"
        " indicator.buzzer, indicator.led or nfc.spi.clock",
    ),
    "strapping without a reason": (
        REFERENCE,
        ('\n15 = "', '\n4 = "'),
        "nfc.uart.reset is GPIO 15, a strapping pin: if it is low at reset, the ROM's messages are silent, and it is"
        " pulled up until then; why that cannot hurt has to stand under strapping",
    ),
    "reason for no strapping pin": (
        REFERENCE,
        ("[strapping]\n", '[strapping]\n4 = "never mind"\n'),
        "strapping has a reason for GPIO 4, which is no strapping pin that is used",
    ),
    "used twice": (
        REFERENCE,
        ("led = 13", "led = 14"),
        "indicator.led is GPIO 14, and so is door.exit_button",
    ),
    "keypad and camera": (REFERENCE, ("d1 = 22", "d1 = 27"), "keypad.wiegand.d1 is GPIO 27, and so is door.contact"),
    "twice in a keypad": (REFERENCE, ("17, 18, 19]", "16, 18, 19]"), "keypad.matrix.rows has a GPIO twice"),
    "lines of one reader": (REFERENCE, ("mosi = 33", "mosi = 5"), "nfc.spi.mosi is GPIO 5, and so is nfc.spi.select"),
    "active-low on a pull-down": (
        REFERENCE.replace("buzzer = 4", "buzzer = 26"),
        ('pin = 26\nactive = "high"', 'pin = 4\nactive = "low"'),
        "strike.pin is GPIO 4, which is pulled down at reset, and low releases",
    ),
    "active-high on a pull-up": (
        C3.replace("rx = 6", "rx = 3"),
        ("pin = 3", "pin = 6"),
        "strike.pin is GPIO 6, which is pulled up at reset, and high releases",
    ),
    "active-high on the board's pull-up": (
        OLIMEX.replace("d1 = 13", "d1 = 32"),
        ("pin = 32", "pin = 13"),
        "strike.pin is GPIO 13, which is pulled up at reset, and high releases",
    ),
    "no UART 2": (C3, ("uart = 1", "uart = 2"), "nfc.uart is on UART 2, and an ESP32-C3 has UART 1 free"),
    "the console's UART": (
        REFERENCE,
        ("uart = 2", "uart = 0"),
        "nfc.uart is on UART 0, and an ESP32 has UART 1 and UART 2 free",
    ),
    "one UART": (REFERENCE, ("uart = 2", "uart = 1"), "camera.vc0706 and nfc.uart are both on UART 1"),
    "no SPI": (REFERENCE, ("spi = 1", "spi = 3"), "nfc.spi is on SPI 3, and an ESP32 has SPI 1 and SPI 2 free"),
}


@pytest.mark.parametrize("what", SIMPLE)
def test_what_a_pin_may_not_be_is_refused_with_a_sentence(tmp_path, what):
    text, change, expected = SIMPLE[what]
    assert sentence(tmp_path, text, change) == expected


@pytest.mark.parametrize("number", (0, 2, 5, 12, 15))
@pytest.mark.parametrize("level", ("high", "low"))
def test_the_strike_is_on_no_strapping_pin(tmp_path, number, level):
    changes = (("pin = 26", f"pin = {number}"), ('active = "high"', f'active = "{level}"'))
    assert sentence(tmp_path, REFERENCE, *changes).startswith(f"strike.pin is GPIO {number}, a strapping pin: ")


def test_two_pins_for_the_reset_of_one_reader_are_refused(tmp_path):
    said = sentence(tmp_path, REFERENCE, ("mosi = 33", "mosi = 15"), ("irq = 39\nreset = 15", "irq = 39\nreset = 33"))
    assert said == "nfc.uart.reset and nfc.spi.reset are two pins, and the firmware has one for both"


def test_nothing_whose_edges_count_is_on_a_pin_that_dips_with_the_radio(tmp_path):
    changes = (
        ("exit_button = 34", "exit_button = 36"),
        ("rx = 36", "rx = 34"),
        ("[pulled_up]\n", '[pulled_up]\n36 = "R1"\n'),
    )
    said = sentence(tmp_path, OLIMEX, *changes)
    assert said == (
        "door.exit_button is GPIO 36, which reads low for a moment whenever the radio wakes, and edges count here"
    )


# The file.

FORMS = {
    "no TOML": ('title = "ESP32-DevKitC"', "title = ", None),
    "no title": ('title = "ESP32-DevKitC"\n', "", "the file lacks title"),
    "unknown chip": ('"esp32"', '"esp8266"', "chip is one of esp32, esp32c3"),
    "unknown module": ('"ESP32-WROOM-32"', '"ESP32-S3"', "module is one of ESP32-WROOM-32, ESP32-WROVER"),
    "unknown section": ("[door]", "[doors]", None),
    "unknown line": ("exit_button = 14", "exit_button = 14\nbell = 12", None),
    "missing line": ("exit_button = 14\n", "", "door lacks exit_button"),
    "text for a pin": ("led = 13", 'led = "13"', "indicator.led is a number from 0 to 99"),
    "true for a pin": ("led = 13", "led = true", "indicator.led is a number from 0 to 99"),
    "negative pin": ("led = 13", "led = -1", "indicator.led is a number from 0 to 99"),
    "three rows": ("rows = [16, 17, 18, 19]", "rows = [16, 17, 18]", "keypad.matrix.rows is a list of 4 GPIO numbers"),
    "one row": ("rows = [16, 17, 18, 19]", "rows = 16", "keypad.matrix.rows is a list of 4 GPIO numbers"),
    "level": ('active = "high"', 'active = "up"', "strike.active is one of low, high"),
    "level as a number": ('active = "high"', "active = 1", "strike.active is one of low, high"),
    "lock": (
        '"fail-secure strike"',
        '"magnet"',
        "strike.lock is one of fail-secure strike, fail-safe maglock",
    ),
    "unknown camera": ("[camera.vc0706]", "[camera.ov2640]", "camera.ov2640 is not known here, but camera.vc0706"),
    "camera without a UART": ("uart = 1\n", "", "camera.vc0706.uart is a number from 0 to 99"),
    "reason for a name": ("\n2 = ", "\ntwo = ", "strapping has 'two', which is not the number of a GPIO"),
    "empty reason": (
        '2 = "read at reset: SCK has no pull-up on the module, so the board can still be flashed"',
        '2 = ""',
        "strapping.2 is a text of 1 to 200 characters that can be printed",
    ),
    "control character": ('"ESP32-DevKitC"', '"a\\nb"', "title is a text of 1 to 200 characters that can be printed"),
    "quote": ('"ESP32-DevKitC"', "'a\"b'", 'title has none of the characters | " and \\'),
    "notes": ("notes = [", 'notes = "', None),
    "section as a number": ("[door]\ncontact = 27\nexit_button = 14", "", "the file lacks door"),
}


@pytest.mark.parametrize("what", FORMS)
def test_a_file_of_another_form_is_refused_with_a_sentence(tmp_path, what):
    old, new, expected = FORMS[what]
    if what == "no TOML" or what == "notes":
        with pytest.raises(UserError, match=r"mine\.toml is not TOML: .*\.$"):
            load(tmp_path, REFERENCE, (old, new))
        return
    said = sentence(tmp_path, REFERENCE, (old, new))
    assert said == expected if expected else "which is not known here, but" in said


def test_a_board_without_a_keypad_is_refused(tmp_path):
    text = C3.replace("[keypad.wiegand]\nd0 = 0\nd1 = 1\n", "")
    assert sentence(tmp_path, text) == "keypad.matrix or keypad.wiegand has to be there, since a door has a keypad"


def test_names_and_paths_that_lead_to_no_board(tmp_path):
    with pytest.raises(UserError, match=r"no board 'esp33': it is one of esp32-c3-devkitm-1, esp32-devkitc, olimex"):
        boards.load("esp33")
    with pytest.raises(UserError, match=r"nothing\.toml cannot be read: No such file"):
        boards.load(tmp_path / "nothing.toml")
    with pytest.raises(UserError, match=r"'My Board\.toml' gives a board no name"):
        load(tmp_path, REFERENCE, name="My Board")
    (tmp_path / "long.toml").write_text("#" * 70_000)
    with pytest.raises(UserError, match=r"long\.toml is longer than the 65536 bytes"):
        boards.load(tmp_path / "long.toml")
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(UserError, match=r"folder\.toml cannot be read"):
        boards.load(tmp_path / "folder.toml")


def test_any_word_of_a_file_may_be_gone_and_there_is_a_sentence_or_a_board(tmp_path):
    lines = REFERENCE.splitlines(keepends=True)
    refused = 0
    for at, line in enumerate(lines):
        if line.startswith("#") or not line.strip():
            continue
        try:
            load(tmp_path, "".join(lines[:at] + lines[at + 1 :]))
        except UserError as error:
            refused += 1
            assert str(error).endswith(".")
    assert refused > 30


# What is made of a board.


def constants(source: str) -> dict:
    """Returns what a pins.py says; every line of it is a literal."""
    values = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign):
            (target,) = node.targets
            assert isinstance(target, ast.Name)
            values[target.id] = ast.literal_eval(node.value)
    return values


@pytest.mark.parametrize("name", boards.names())
def test_pins_and_boot_say_what_the_file_says(name):
    board = boards.load(name)
    found = constants(board.pins_source())
    assert (found["BOARD"], found["CHIP"]) == (name, board.chip)
    assert (found["STRIKE"], found["STRIKE_ON"]) == (board.strike, board.strike_on)
    assert found["OFFERS"] == board.offers
    assert set(found) == set(constants(boards.load(boards.REFERENCE).pins_source()))
    assert (found["KEYPAD_ROWS"] is None) == ("matrix" not in board.keypad)
    assert (found["CAMERA_TX"] is None) == (found["CAMERA_UART"] is None) == (not board.has_camera)
    assert (found["NFC_SELECT"] is None) == (found["NFC_SPI"] is None) == ("spi" not in board.nfc)
    assert f"Pin({board.strike}, Pin.OUT, value={1 - board.strike_on})" in board.boot_source()


def test_the_three_boards_are_those_of_the_issue():
    assert boards.names() == ["esp32-c3-devkitm-1", "esp32-devkitc", "olimex-esp32-poe"]
    found = {name: boards.load(name) for name in boards.names()}
    assert {name: (board.chip, board.arch) for name, board in found.items()} == {
        "esp32-c3-devkitm-1": ("esp32c3", "rv32imc"),
        "esp32-devkitc": ("esp32", "xtensawin"),
        "olimex-esp32-poe": ("esp32", "xtensawin"),
    }
    assert found["esp32-devkitc"].offers == {
        "nfc": ("uart", "spi"),
        "keypad": ("matrix", "wiegand"),
        "camera": True,
        "ble": True,
    }


def test_no_reference_pin_is_read_at_reset_but_the_three_with_a_reason():
    board = boards.load(boards.REFERENCE)
    straps = boards.load_chip(board.chip).straps
    used = {number: use for use, numbers in board.pins.items() for number in numbers if number in straps}
    assert used == {15: "nfc.spi.reset", 5: "nfc.spi.select", 2: "nfc.spi.clock"}
    rows = {wire.gpios[0]: wire.note for wire in board.wiring()}
    assert all("read at reset" in rows[number] for number in used)


def test_a_board_of_ones_own_with_a_camera_in_place_of_the_reader(tmp_path):
    board = load(tmp_path, OLIMEX, ("[nfc.uart]", "[camera.vc0706]"), ("reset = 15", "power = 15"))
    assert board.offers == {"nfc": (), "keypad": ("wiegand",), "camera": True, "ble": True}
    found = constants(board.pins_source())
    assert (found["CAMERA_TX"], found["CAMERA_RX"], found["CAMERA_POWER"], found["CAMERA_UART"]) == (5, 36, 15, 2)
    assert found["NFC_RESET"] is None and found["BOARD"] == "mine"


# What people see.


def run(capsys, *words: str) -> tuple[int, str, str]:
    code = command.main(["boards", *words])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_the_list_and_each_wiring_can_be_asked_for(capsys):
    code, shown, _ = run(capsys)
    assert code == 0 and all(name in shown for name in boards.names())
    values = json.loads(run(capsys, "--json")[1])
    assert [value["board"] for value in values] == boards.names()
    for name in boards.names():
        board = boards.load(name)
        code, shown, _ = run(capsys, name)
        assert code == 0 and board.title in shown and "COM  / NO" in shown and "stays locked" in shown
        value = json.loads(run(capsys, name, "--json")[1])
        drawn = {row["use"]: tuple(row["gpios"]) for row in value["wiring"]}
        assert drawn == board.pins and value["strike"] == {"gpio": board.strike, "releases": "high"}


def test_olimex_says_that_ethernet_is_no_uplink_yet(capsys):
    shown = " ".join(run(capsys, "olimex-esp32-poe")[1].split())
    assert "Ethernet as uplink is not supported yet" in shown and "the uplink is Wi-Fi" in shown


def test_a_maglock_is_drawn_over_nc_and_it_is_said_what_happens_without_power(capsys, tmp_path):
    shown = " ".join(run(capsys, "esp32-devkitc", "--lock", "maglock")[1].split())
    assert "COM --- NC ---- maglock" in shown and "lock on COM and NC" in shown
    assert "without power it opens, as fire codes want it" in shown
    assert "a second contact of it cuts the maglock's supply" in shown
    own = load(tmp_path, REFERENCE, ("fail-secure strike", "fail-safe maglock"))
    assert own.pins_source() == load(tmp_path, REFERENCE).pins_source()
    assert own.wiring() == own.wiring(lock="maglock") != own.wiring(lock="strike")
    assert " ".join(run(capsys, str(tmp_path / "mine.toml"))[1].split()).count("COM  / NO".replace("  ", " ")) == 1


def test_low_that_releases_is_drawn_with_a_pull_up(tmp_path):
    wire = load(tmp_path, REFERENCE, ('active = "high"', 'active = "low"')).wiring()[0]
    assert wire.pull == "10 kOhm to 3.3 V" and "low releases" in wire.note
    high = load(tmp_path, REFERENCE).wiring()[0]
    assert high.pull == "10 kOhm to ground" and "high releases" in high.note


def test_parts_can_be_chosen_and_what_the_board_lacks_not(capsys):
    board = boards.load(boards.REFERENCE)
    uses = {wire.use for wire in board.wiring(keypad="wiegand", nfc="off")}
    assert not any(use.startswith(("keypad.matrix", "nfc")) for use in uses) and "keypad.wiegand.d0" in uses
    for words, expected in (
        (["olimex-esp32-poe", "--nfc", "spi"], "The card readers that olimex-esp32-poe has pins for: uart, off."),
        (["olimex-esp32-poe", "--keypad", "matrix"], "The keypads that olimex-esp32-poe has pins for: wiegand."),
        (["esp32-devkitc", "--lock", "magnet"], "A lock is one of strike, maglock."),
        (["--lock", "maglock"], "Name the board whose wiring is to be drawn: one of"),
        (["esp32-devkitc", "--write"], "--write stands alone: it renews the files of all boards."),
        (["esp99"], "There is no board 'esp99'"),
    ):
        code, shown, said = run(capsys, *words)
        assert code == 2 and not shown and expected in said


# One source.


@pytest.fixture
def copy(tmp_path):
    """A root with a copy of what follows from the boards."""
    for path in (*board_pages.PAGES, board_pages.PINS, board_pages.BOOT):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    shutil.copytree(boards.FOLDER, tmp_path / "boards")
    return tmp_path


def test_what_is_written_here_is_what_the_boards_say():
    assert board_pages.stale() == []


def test_another_pin_is_found_and_renewed_everywhere(copy):
    assert board_pages.stale(copy) == []
    file = copy / "boards/esp32-devkitc.toml"
    file.write_text(file.read_text().replace("pin = 26", "pin = 27").replace("contact = 27", "contact = 26"))
    everything = ["README.md", "docs/hardware.md", "firmware/board/pins.py", "boot.py"]
    # The pages of the other readers do not show the strike.
    assert board_pages.stale(copy) == [path for path in everything if path != "docs/hardware.md"]
    assert board_pages.renew(copy) == ["README.md", "firmware/board/pins.py", "boot.py"]
    assert board_pages.stale(copy) == [] and board_pages.renew(copy) == []
    assert "value=0" in (copy / "boot.py").read_text() and "Pin(27," in (copy / "boot.py").read_text()


def test_a_page_without_its_table_is_named(copy):
    (copy / "README.md").write_text("# LobbyLock\n")
    with pytest.raises(UserError, match=r"README\.md has no place for a wiring table\."):
        board_pages.stale(copy)
