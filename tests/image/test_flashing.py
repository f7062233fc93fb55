"""`make flash` with the real esptool against a mock of the chips' ROM loader, behind a socket."""

import os
import random
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, cast

import pytest

from lobbylock import command
from lobbylock.errors import UserError
from lobbylock.house import ROOT
from lobbylock.image import esptool
from virtualboard.partitions import CHIP_BYTES, partition

LEDGER = partition("ledger")
LOADER = Path(__file__).with_name("rom_loader.py")
# A sector as a lock's ledger begins one: length, CRC-32, mark, generation.
HEADER = bytes.fromhex("00086628122b") + b"LBL1" + bytes((0, 0, 0, 1))


class Rom:
    """A board in its ROM loader. Starts with an erased flash."""

    def __init__(self, chip, folder) -> None:
        self._folder = folder
        port = folder / "port"
        self._process = subprocess.Popen(
            [sys.executable, LOADER, chip, port], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        deadline = time.monotonic() + 60
        while not (port.exists() and port.read_text()):
            assert self._process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        self.url = f"socket://127.0.0.1:{port.read_text()}"

    def close(self) -> None:
        self._process.communicate(timeout=60)

    def _order(self, verb) -> None:
        orders, answers = cast(IO[str], self._process.stdin), cast(IO[str], self._process.stdout)
        orders.write(f"{verb} {self._folder / 'flash.bin'}\n")
        orders.flush()
        assert answers.readline() == "done\n"

    @property
    def flash(self) -> bytes:
        self._order("save")
        return (self._folder / "flash.bin").read_bytes()

    @flash.setter
    def flash(self, data) -> None:
        (self._folder / "flash.bin").write_bytes(data)
        self._order("load")


# esptool waits for 3 s for most answers. The loader is no chip but a process, which may have to wait for its turn.
PATIENCE = "[esptool]\nconnect_attempts = 100\n" + "".join(
    f"{name} = 60\n" for name in ("timeout", "md5_timeout_per_mb", "serial_write_timeout")
)


@pytest.fixture
def make_rom(tmp_path, monkeypatch):
    """Returns a function that starts a ROM loader of a kind of chip."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "esptool.cfg").write_text(PATIENCE)
    monkeypatch.setenv("HOME", str(home))
    roms = []

    def start(chip) -> Rom:
        folder = tmp_path / f"rom{len(roms)}"
        folder.mkdir()
        roms.append(Rom(chip, folder))
        return roms[-1]

    yield start
    for rom in roms:
        rom.close()


# What must make no difference to what is built.
STRANGE = {"TZ": "Pacific/Chatham", "LC_ALL": "C", "LANG": "de_DE.UTF-8", "PYTHONHASHSEED": "4711"}


def make(*arguments):
    """Runs make as a person does, whatever make this test itself may run under, in other surroundings than its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        ["make", *arguments],
        cwd=ROOT,
        env={**kept, **STRANGE},
        capture_output=True,
        text=True,
        timeout=500,
        preexec_fn=lambda: os.umask(0o077),
    )
    return done.returncode, done.stdout, done.stderr


def test_make_flash_turns_a_bare_board_into_a_lock(official, merged, make_rom, capsys):
    rom = make_rom("esp32")
    rom.flash = random.Random(7).randbytes(CHIP_BYTES)
    code, said, error = make("flash", f"PORT={rom.url}", f"FIRMWARE={official['esp32']}")
    assert not code, error
    assert "LobbyLock 0.1.0 for esp32-devkitc on MicroPython 1.27.0." in said
    assert re.search(r"\d+ files, [\d,]+ bytes, in \d+ blocks of 4 KB; \d+ are free\.", said)
    assert re.search(r"With a second version and 64 KB of settings and tables beside them: \d+\.", said)
    steps = ["Looking whether there is a lock", "There is none. The whole chip is erased", "0x200000", "Hash of data"]
    steps += ["Written; the chip's own checksum of each part is right.", f"Next: lobbylock install --port {rom.url} "]
    at = [said.index(step) for step in steps]
    assert at == sorted(at)
    # What the chip holds now is the image that is built here, byte for byte.
    image = merged("esp32")
    assert rom.flash == image
    # The lock starts, so to say, and then somebody flashes it again.
    started = bytearray(image)
    started[LEDGER.address : LEDGER.address + len(HEADER)] = HEADER
    rom.flash = started
    assert command.main(["flash", "--port", rom.url, "--firmware", str(official["esp32"])]) == 2
    error = capsys.readouterr().err
    assert "lobbylock: There is a lock on this board: its key, its record and its settings." in error
    assert rom.flash == started


def test_a_c3_is_written_where_the_image_has_something(make_image, make_rom):
    """Without its app, which is like that of the other chip; bootloader at 0, table, files. All else stays."""
    rom = make_rom("esp32c3")
    before = random.Random(8).randbytes(CHIP_BYTES)
    rom.flash = before
    parts = [part for part in make_image("esp32c3").parts if part.address != 0x10000]
    assert [part.address for part in parts] == [0, 0x8000, 0x200000]
    esptool.Board(rom.url, "esp32c3", 460_800).write(parts, erases_all=False)
    expected = bytearray(before)
    for part in parts:
        expected[part.address : part.address + len(part.data)] = part.data
    after = bytearray(rom.flash)
    # A part is erased up to the end of its last sector.
    end = len(parts[0].data)
    after[end : end + -end % 4096] = expected[end : end + -end % 4096]
    assert after == expected


@pytest.mark.slow
def test_make_flash_turns_a_bare_c3_into_a_lock(official, merged, make_rom):
    rom = make_rom("esp32c3")
    order = ("flash", f"PORT={rom.url}", f"FIRMWARE={official['esp32c3']}", "BOARD=esp32-c3-devkitm-1")
    code, said, error = make(*order)
    assert not code, error
    image = merged("esp32c3")
    assert rom.flash == image and "LobbyLock 0.1.0 for esp32-c3-devkitm-1 on MicroPython 1.27.0." in said
    started = bytearray(image)
    started[LEDGER.address : LEDGER.address + len(HEADER)] = HEADER
    started[0x200000:0x201000] = b"\0" * 4096
    rom.flash = started
    assert make(*order)[0] and rom.flash == started
    code, said, error = make(*order, "FORCE=1")
    assert not code and "There is one. It is written over;" in said
    assert rom.flash == image[: LEDGER.address] + started[LEDGER.address :]
    code, said, error = make(*order, "FORCE=1", "ERASE=1")
    assert not code and "It is destroyed" in said
    assert rom.flash == image


def test_a_board_with_another_chip_is_named(make_rom):
    url = make_rom("esp32c3").url
    with pytest.raises(UserError) as caught:
        esptool.Board(url, "esp32", 460_800).read(0, 16)
    assert str(caught.value) == (
        f"The board at {url} has an ESP32-C3, the image is for ESP32: name the right BOARD and FIRMWARE."
    )


def test_a_port_that_is_not_there_is_named(tmp_path):
    with pytest.raises(
        UserError, match="cannot be opened: the board is not plugged in there, or another program has it"
    ):
        esptool.Board(str(tmp_path / "ttyUSB9"), "esp32", 115_200).read(0, 16)


def test_a_port_of_an_unknown_kind_is_named():
    with pytest.raises(UserError) as caught:
        esptool.Board("foo://x", "esp32", 115_200).read(0, 16)
    assert str(caught.value).startswith("foo://x is no serial port: write a device file, or a URL such as ")


@pytest.mark.parametrize(
    "said",
    [
        "ERROR: A serial exception error occurred: Attempting to use a port that is not open\nNote: This error ...",
        "Traceback (most recent call last):\n  File x\n\nA fatal error occurred: The chip stopped responding.\n",
        "Traceback (most recent call last):\n  File x\ntermios.error: (5, 'Input/output error')\n",
        "A fatal error occurred: Serial data stream stopped: Possible serial noise or corruption.\n",
        "A fatal error occurred: No serial data received.\n",
    ],
)
def test_a_cable_that_is_pulled_says_how_the_board_is_left(monkeypatch, said):
    failed = subprocess.CompletedProcess([], 1, None, said)
    monkeypatch.setattr(esptool.subprocess, "run", lambda *_, **__: failed)
    board = esptool.Board("/dev/ttyUSB0", "esp32", 115_200)
    with pytest.raises(UserError) as caught:
        board.write([], erases_all=False)
    assert str(caught.value) == (
        "The line to /dev/ttyUSB0 broke: put the cable back and run this again; until then the board does not start."
    )
    # Nothing is half written by reading.
    with pytest.raises(UserError) as caught:
        board.read(0, 16)
    assert "does not start" not in str(caught.value) and "Traceback" not in str(caught.value)


def test_of_a_traceback_only_the_last_line_is_shown(monkeypatch):
    said = "Traceback (most recent call last):\n  File x, line 1\n    go()\nKeyError: 'stub'\n"
    failed = subprocess.CompletedProcess([], 1, "", said)
    monkeypatch.setattr(esptool.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(UserError) as caught:
        esptool.Board("/dev/ttyUSB0", "esp32", 115_200).read(0, 16)
    assert str(caught.value) == "esptool failed: KeyError: 'stub'"


def test_a_board_that_does_not_answer_is_named():
    """A port that takes everything and says nothing, like a board whose program runs."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"socket://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(UserError, match="Nothing answers at .*: hold the button BOOT of the board down"):
            esptool.Board(url, "esp32", 115_200).read(0, 16)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("Could not open /dev/ttyUSB0, ... [Errno 13] Permission denied: '/dev/ttyUSB0'", "group dialout."),
        ("File 'x' (length 1048576) at offset 0x200000 will not fit in 2097152 bytes of flash.", "less than 4 MB"),
        (
            "'x.bin' requires chip revision in range v0.3 - v1.99 (this chip is revision v0.0). Use --force",
            "v0.3 - v1.99",
        ),
        ("The chip said something new.", "esptool failed: The chip said something new."),
    ],
)
def test_what_esptool_says_becomes_what_to_do(monkeypatch, words, sentence):
    failed = subprocess.CompletedProcess([], 2, "", f"A fatal error occurred: {words}\n")
    monkeypatch.setattr(esptool.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(UserError, match=re.escape(sentence)):
        esptool.Board("/dev/ttyUSB0", "esp32", 115_200).read(0, 16)
