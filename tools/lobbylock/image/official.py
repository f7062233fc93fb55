"""Reading an official MicroPython image: ESP32_GENERIC and ESP32_GENERIC_C3, 1.27 or newer.

    ESP32       address 0x1000   ESP32-C3   address 0x0    bootloader
                        0x8000                     0x8000  partition table
                        0x10000                    0x10000 app, to the end of the file

Every byte of it is covered by a check, so a damaged download is found here and not by the board.
"""

import re
from pathlib import Path
from struct import pack, unpack_from
from typing import NamedTuple

from lobbylock.errors import UserError
from lobbylock.image import executable, table
from lobbylock.image.executable import BadExecutable, Executable
from virtualboard.partitions import partition


class Chip(NamedTuple):
    """A kind of chip that the lock runs on; `machine` is how MicroPython for it calls itself."""

    name: str
    title: str
    number: int
    bootloader: int
    machine: str
    mpy_arch: int
    page: str


CHIPS = (
    Chip("esp32", "ESP32", 0, 0x1000, "Generic ESP32 module with ESP32", 10, "ESP32_GENERIC"),
    Chip("esp32c3", "ESP32-C3", 5, 0x0, "ESP32C3 module with ESP32C3", 11, "ESP32_GENERIC_C3"),
)
WHERE = " and ".join(f"https://micropython.org/download/{chip.page} ({chip.title})" for chip in CHIPS)
OLDEST = (1, 27, 0)

# Espressif's numbers of kinds of chip that there are official images for.
_OTHER_CHIPS = {2: "ESP32-S2", 9: "ESP32-S3", 12: "ESP32-C2", 13: "ESP32-C6", 16: "ESP32-H2", 18: "ESP32-P4"}
_OTHER_CHIPS |= {20: "ESP32-C61", 23: "ESP32-C5"}
_FLASH_MB = 4
_APP = partition("factory")
_MAX_BYTES = 32 << 20
# What stands at the beginning of an app and of no bootloader: ESP-IDF's app descriptor.
_APP_MARK = b"\x32\x54\xcd\xab"
_STRANGERS = (
    (b"UF2\n", "is a UF2 file"),
    (b"\x7fELF", "is an ELF file"),
    (b"PK\x03\x04", "is an archive"),
    (b"\x1f\x8b", "is an archive"),
    (b"\xff" * 16, "begins with erased flash: it is what a whole flash chip holds, not a download"),
)
_VERSION = re.compile(rb"MicroPython v(\d{1,3})\.(\d{1,3})(?:\.(\d{1,3}))?(-[!-~]{1,40})? on ")
_PRINTABLE = re.compile(rb"[ -~]{8,100}")


class Official(NamedTuple):
    """`mpy` is what `sys.implementation._mpy` says there: version, sub-version and core of the .mpy files it takes."""

    chip: Chip
    version: str
    mpy: int
    bootloader: bytes
    app: bytes


def read(path: Path) -> Official:
    """Reads and checks the image. Raises UserError, naming the file and what is wrong with it."""
    data = _load(path)
    chip = _find_chip(path, data)
    start = table.ADDRESS - chip.bootloader
    bootloader = _read_part(path, "bootloader", data[:start])
    app_at = _APP.address - chip.bootloader
    if len(data) <= app_at:
        raise UserError(f"{path} ends behind the bootloader: download it again.")
    if bootloader.flash_mb < _FLASH_MB:
        raise UserError(f"{path} is for boards with {bootloader.flash_mb} MB of flash: a lock needs {_FLASH_MB} MB.")
    _check_table(path, data[start : start + table.SECTOR_BYTES])
    app = _read_part(path, "app", data[app_at:])
    if app.chip != chip.number:
        raise UserError(f"{path} has a bootloader for {chip.title} and an app for another chip.")
    gaps = data[len(bootloader.data) : start] + data[start + table.SECTOR_BYTES : app_at]
    if gaps.strip(b"\xff"):
        raise UserError(f"{path} is damaged: there is something between its parts; download it again.")
    if len(data) != app_at + len(app.data):
        raise UserError(
            f"{path} has {len(data) - app_at - len(app.data)} bytes behind its app: it is no official image."
        )
    if len(app.data) > _APP.size:
        raise UserError(
            f"{path} is too large: its app has {len(app.data)} bytes, its place in the flash {_APP.size} bytes."
        )
    version = _find_version(path, app)
    return Official(chip, version, _check_machine(path, chip, app), bootloader.data, app.data)


def _load(path: Path) -> bytes:
    if path.is_dir():
        raise UserError(f"{path} is a folder: name the .bin file in it.")
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise UserError(f"There is no file {path}: official images are at {WHERE}.") from None
    if len(data) > _MAX_BYTES:
        raise UserError(f"{path} is larger than {_MAX_BYTES >> 20} MB: it is no image of a board.")
    return data


def _find_chip(path: Path, data: bytes) -> Chip:
    """Returns the kind of chip that the header of the bootloader names."""
    if not data:
        raise UserError(f"{path} is empty: download it again.")
    if data[:1024].lstrip(b" \t\r\n\xef\xbb\xbf").startswith(b"<"):
        raise UserError(f"{path} is a web page, not an image: download the .bin file that is linked there.")
    for mark, what in _STRANGERS:
        if data.startswith(mark):
            raise UserError(f"{path} {what}: take the .bin file from {WHERE}.")
    if data[0] != executable.MAGIC:
        raise UserError(
            f"{path} is no image for an ESP32: it begins with 0x{data[0]:02x} instead of 0xe9, so it is damaged, "
            "encrypted, or something else."
        )
    if len(data) < 64:
        raise UserError(f"{path} ends after {len(data)} bytes: download it again.")
    if data[32:36] == _APP_MARK:
        raise UserError(f"{path} is an app without a bootloader (.app-bin): take the .bin file from {WHERE}.")
    number = unpack_from("<H", data, 12)[0]
    for chip in CHIPS:
        if chip.number == number:
            return chip
    other = _OTHER_CHIPS.get(number, f"a chip of another kind (number {number})")
    raise UserError(f"{path} is for {other}: a lock runs on {' or '.join(chip.title for chip in CHIPS)}.")


def _read_part(path: Path, name: str, data: bytes) -> Executable:
    try:
        return executable.read(data)
    except BadExecutable as error:
        raise UserError(f"{path} is damaged: in its {name}, {error}; download it again.") from None


def _check_table(path: Path, data: bytes) -> None:
    """Raises UserError unless the image's own table has one app, where a lock has it too."""
    try:
        rows = table.decode(data)
    except table.BadTable as error:
        raise UserError(f"{path} is damaged or encrypted: of its partition table, {error}.") from None
    end = (len(rows) + 1) * 32
    if data[end:].strip(b"\xff"):
        raise UserError(f"{path} is damaged: there is something behind its partition table; download it again.")
    apps = [row for row in rows if row.type == 0]
    if len(apps) > 1 or any(row.subtype & 0x10 for row in apps):
        raise UserError(f"{path} is the OTA variant, with room for two apps: take the plain one from {WHERE}.")
    if not apps or apps[0].address != _APP.address:
        raise UserError(f"{path} has its app somewhere else than at 0x{_APP.address:x}: it is no official image.")


def _find_version(path: Path, app: Executable) -> str:
    """Returns the version of MicroPython, such as "1.27.0". Raises UserError for another program or an old one."""
    found = _VERSION.search(app.data)
    if not found:
        raise UserError(f"{path} is not MicroPython: take the .bin file from {WHERE}.")
    number = (int(found[1]), int(found[2]), int(found[3] or 0))
    text = ".".join(map(str, number)) + (found[4] or b"").decode()
    if number < OLDEST or (number == OLDEST and found[4]):
        raise UserError(f"{path} is MicroPython {text}: a lock needs {OLDEST[0]}.{OLDEST[1]} or newer, from {WHERE}.")
    return text


def _check_machine(path: Path, chip: Chip, app: Executable) -> int:
    """Returns `sys.implementation._mpy`. Raises UserError for MicroPython that was built for another board."""
    found = _find_implementation(app)
    if not found:
        raise UserError(f"{path} does not say which board it was built for: take the .bin file from {WHERE}.")
    machine, mpy = found
    if machine != chip.machine:
        reason = "a lock is tried on the plain one"
        if "SPIRAM" in machine:
            reason = "the memory it uses is on pins that a lock's keypad has"
        raise UserError(f"{path} is MicroPython for {machine!r}, not for {chip.machine!r} ({chip.page}): {reason}.")
    return mpy


def _find_implementation(app: Executable) -> tuple[str, int] | None:
    """Finds `_machine` and `_mpy` in what the app has as `sys.implementation`, a tuple in its constant data.

    They stand there one behind the other: a pointer to a str object {type, hash, length, pointer to the text}, and an
    integer as MicroPython keeps small ones, shifted left by a bit that is 1. Its low byte is the version of .mpy, its
    second one the sub-version in two bits and the core in six.
    """
    for version in range(5, 10):
        for arch in {chip.mpy_arch for chip in CHIPS}:
            for sub in range(4):
                mpy = version | (arch << 2 | sub) << 8
                at = -1
                while (at := app.data.find(pack("<I", mpy << 1 | 1), at + 1)) >= 0:
                    machine = _text_object(app, at - 4)
                    if machine and " with " in machine:
                        return machine, mpy
    return None


def _text_object(app: Executable, pointer_at: int) -> str | None:
    """Returns the text of the str object that the word at `pointer_at` points to, None if there is none."""
    if pointer_at < 0:
        return None
    at = app.offset_of(unpack_from("<I", app.data, pointer_at)[0])
    if at is None or at + 16 > len(app.data):
        return None
    _, _, size, text = unpack_from("<4I", app.data, at)
    start = app.offset_of(text)
    if start is None:
        return None
    found = _PRINTABLE.fullmatch(app.data[start : start + size]) if size <= 100 else None
    return found[0].decode() if found else None
