"""The image as a whole: what esptool finds in it, and that two builds are one."""

import os
import shutil
import subprocess
import sys
from hashlib import sha256

import pytest
from esptool.bin_image import ESP32FirmwareImage, LoadFirmwareImage

from lobbylock import boards, command
from lobbylock.errors import UserError
from lobbylock.house import ROOT
from lobbylock.image import assembly, table
from lobbylock.image import official as reader
from virtualboard.partitions import CHIP_BYTES, GUARDED, PARTITIONS, partition

BOARDS = {"esp32": "esp32-devkitc", "esp32c3": "esp32-c3-devkitm-1"}
# Another time zone, language and order of hashes; beside another folder and umask.
STRANGE = {"TZ": "Pacific/Chatham", "LC_ALL": "C", "LANG": "de_DE.UTF-8", "PYTHONHASHSEED": "4711"}


@pytest.mark.parametrize("chip", BOARDS)
def test_esptool_finds_bootloader_app_and_flash_settings(official, merged, tmp_path, chip):
    image = merged(chip)
    assert len(image) == CHIP_BYTES
    source = official[chip].read_bytes()
    start = {"esp32": 0x1000, "esp32c3": 0}[chip]
    assert image[:start] == b"\xff" * start
    for at in (start, 0x10000):
        path = tmp_path / "part.bin"
        path.write_bytes(image[at : at + 0x1F0000] if at else image[:0x8000])
        found = LoadFirmwareImage(chip, str(path))
        assert isinstance(found, ESP32FirmwareImage)
        assert found.checksum == found.calculate_checksum()
        assert found.stored_digest == found.calc_digest
    # Bootloader and app are the official ones, with the same mode, speed and size of flash.
    assert image[start:0x8000] == source[: 0x8000 - start]
    assert image[0x10000 : 0x10000 + len(source) - (0x10000 - start)] == source[0x10000 - start :]
    assert table.decode(image[0x8000:0x9000]) == list(PARTITIONS)


@pytest.mark.parametrize("chip", BOARDS)
def test_what_a_lock_remembers_is_erased_flash(make_image, make_merged, chip):
    made, written = make_image(chip), make_merged(chip)
    for label in (*GUARDED, "nvs", "phy_init"):
        row = partition(label)
        assert written[f"{made.name}.bin"][row.address : row.address + row.size] == b"\xff" * row.size
        for part in made.parts:
            assert part.address + len(part.data) <= row.address or row.address + row.size <= part.address
    assert made.name == f"lobbylock-{BOARDS[chip]}-{made.version}"
    assert written.keys() == {made.name + end for end in (".bin", ".names.json", ".partitions.csv")}
    assert written[f"{made.name}.names.json"] == made.names
    assert written[f"{made.name}.partitions.csv"].decode() == table.write_csv()


@pytest.mark.parametrize("chip", BOARDS)
def test_the_files_are_those_of_that_board(make_image, chip):
    board = boards.load(BOARDS[chip])
    files = make_image(chip).files
    assert files["/boot.py"] == board.boot_source().encode()
    assert files["/main.py"] == (ROOT / "main.py").read_bytes()
    compiled = [data for path, data in files.items() if path.endswith(".mpy")]
    assert len(compiled) == len(files) - 2 > 10
    # Version 6, and where there is native code, that of the chip: 10 is xtensawin, 11 is rv32imc.
    assert {data[:2] for data in compiled} == {b"M\6"}
    assert {data[2] >> 2 & 0xF for data in compiled} == {0, {"esp32": 10, "esp32c3": 11}[chip]}


def build_elsewhere(python, folder, firmware, board):
    """Builds in a copy of the repository by that interpreter; returns the SHA-256 of each file that is made."""
    copy = folder / "a copy"
    for name in ("firmware", "lib", "tools", "boards"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "build"))
    for name in ("boot.py", "main.py"):
        shutil.copy(ROOT / name, copy)
    command = [python, "-m", "lobbylock", "image", "--firmware", str(firmware), "--board", board, "--out", "out"]
    environment = {**os.environ, **STRANGE, "PYTHONPATH": str(copy / "tools")}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, preexec_fn=lambda: os.umask(0o077)
    )
    assert not done.returncode, done.stderr
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in (folder / "out").iterdir()}


def interpreters(folder):
    """Makes an environment for each other Python there is; returns what to start them by, and this one first."""
    found = [sys.executable]
    for name in ("python3.10", "python3.11", "python3.12", "python3.13", "python3.14"):
        # Version managers leave commands behind that start nothing.
        done = subprocess.run([name, "-c", "import venv"], capture_output=True) if shutil.which(name) else None
        if done is None or done.returncode or name == f"python3.{sys.version_info[1]}":
            continue
        subprocess.run([name, "-m", "venv", folder / name], check=True)
        python = folder / name / "bin" / "python"
        packages = ["-r", ROOT / "requirements.txt", "-c", ROOT / "constraints.txt"]
        subprocess.run([python, "-m", "pip", "install", "-qq", "--no-input", *packages], check=True)
        found.append(str(python))
    return found


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("chip", BOARDS)
def test_builds_elsewhere_by_every_python_are_the_same_to_the_byte(official, make_merged, tmp_path, chip):
    expected = {name: sha256(data).hexdigest() for name, data in make_merged(chip).items()}
    for number, python in enumerate(interpreters(tmp_path)):
        folder = tmp_path / f"build{number}"
        folder.mkdir()
        assert build_elsewhere(python, folder, official[chip], BOARDS[chip]) == expected, python


def test_an_image_for_another_chip_than_the_boards_is_refused(official):
    with pytest.raises(UserError) as caught:
        assembly.check_chip(reader.read(official["esp32c3"]), boards.load("esp32-devkitc"), official["esp32c3"])
    assert str(caught.value).endswith(
        "is for ESP32-C3, but esp32-devkitc has another chip: boards with that one are esp32-c3-devkitm-1 (BOARD=...)."
    )


def test_micropython_that_takes_other_mpy_files_is_refused(official, monkeypatch):
    found = reader.read(official["esp32"])
    files = assembly.Files({"/lib/a.mpy": b"M\6\x2b\x1f"}, b"{}")
    monkeypatch.setattr(assembly, "build_files", lambda board, root: files)
    board = boards.load("esp32-devkitc")
    for mpy in (6 | 0x2A << 8, 7 | 0x2B << 8, 6 | 0x2F << 8):
        with pytest.raises(
            UserError, match=r"MicroPython 1.27.0 takes .mpy files of version \d.\d, mpy-cross makes 6.3"
        ):
            assembly.build(found._replace(mpy=mpy), board)


def test_a_merge_that_went_wrong_is_seen(make_image, merged, monkeypatch, tmp_path):
    made = make_image("esp32")
    wrong = bytearray(merged("esp32"))
    for at in (0x1000, 0x8000, 0x10000, 0x200000, 0x300000, 0x3FFFFF):
        wrong[at] ^= 1
        monkeypatch.setattr(assembly.esptool, "merge", lambda *_: bytes(wrong))
        with pytest.raises(UserError, match="esptool has merged the parts into something else"):
            assembly.write(made, tmp_path)
        wrong[at] ^= 1


def test_without_firmware_the_pages_of_official_images_are_named(capsys):
    assert command.main(["image"]) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and "FIRMWARE=..." in shown.err
    for page in ("ESP32_GENERIC ", "ESP32_GENERIC_C3 "):
        assert f"https://micropython.org/download/{page}" in shown.err


@pytest.mark.parametrize("source", ["match 1:\n    case 1:\n        pass\n", "def (\n"])
def test_firmware_that_does_not_compile_is_named(tmp_path, source):
    (tmp_path / "firmware").mkdir()
    (tmp_path / "firmware" / "a.py").write_text(source)
    with pytest.raises(UserError, match="The firmware does not compile: "):
        assembly.build_files(boards.load("esp32-devkitc"), root=tmp_path)
