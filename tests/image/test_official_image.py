"""Reading official images, and a sentence for each file that is none."""

import random
from struct import pack

import pytest
from esptool.bin_image import ESP32FirmwareImage, LoadFirmwareImage
from reseal import reseal

from lobbylock.errors import UserError
from lobbylock.image import official as image
from lobbylock.image import table
from virtualboard.partitions import Row

TABLE_AT = 0x7000
APP_AT = 0xF000
PLAIN = Row(0, 0, 0x10000, 0x1F0000, "factory")


@pytest.fixture
def read(tmp_path):
    """Returns a function that reads bytes as the image firmware.bin."""

    def read(data):
        path = tmp_path / "firmware.bin"
        path.write_bytes(data)
        return image.read(path)

    return read


@pytest.fixture
def refuse(read):
    """Returns a function that says why bytes are refused: one sentence, which begins with the path."""

    def refuse(data):
        with pytest.raises(UserError) as caught:
            read(bytes(data))
        sentence = str(caught.value)
        assert sentence.endswith(".") and "\n" not in sentence
        return sentence.partition("firmware.bin ")[2]

    return refuse


@pytest.fixture(scope="module")
def plain(official):
    """The official image for the ESP32."""
    return official["esp32"].read_bytes()


def with_app(plain, change):
    """Returns the image with another app, whose sums are right."""
    app = bytearray(plain[APP_AT:])
    return plain[:APP_AT] + reseal(bytes(change(app)))


def with_table(plain, rows):
    data = rows if isinstance(rows, bytes) else table.encode(rows)
    return plain[:TABLE_AT] + data + plain[TABLE_AT + len(data) :]


@pytest.mark.parametrize(
    ("chip", "name", "start", "mpy"),
    [("esp32", "esp32", 0x1000, 6 | (10 << 2 | 3) << 8), ("esp32c3", "esp32c3", 0, 6 | (11 << 2 | 3) << 8)],
)
def test_an_official_image_is_what_esptool_finds_in_it(official, tmp_path, chip, name, start, mpy):
    found = image.read(official[chip])
    assert (found.chip.name, found.chip.bootloader, found.version, found.mpy) == (name, start, "1.27.0", mpy)
    data = official[chip].read_bytes()
    assert data == found.bootloader + data[len(found.bootloader) : 0x10000 - start] + found.app
    for part in (found.bootloader, found.app):
        path = tmp_path / "part.bin"
        path.write_bytes(part)
        theirs = LoadFirmwareImage(name, str(path))
        assert isinstance(theirs, ESP32FirmwareImage)
        assert theirs.checksum == theirs.calculate_checksum()
        assert theirs.stored_digest == theirs.calc_digest == part[-32:]
        assert theirs.chip_id == found.chip.number


def test_reseal_makes_the_same_of_an_image(plain):
    assert with_app(plain, lambda app: app) == plain


def test_damage_anywhere_is_seen(plain, refuse):
    """One bit at a time: in each header, in each gap, and all over the rest."""
    # What a flipped bit makes of the first bytes is another kind of file or of chip.
    places = [*range(24), 0x1000, 0x5900, 0x59FF, 0x6000, TABLE_AT, TABLE_AT + 32, TABLE_AT + 0x200, 0x8800, 0xE000]
    places += [APP_AT, APP_AT + 1, APP_AT + 23, APP_AT + 28, len(plain) - 40, len(plain) - 33, len(plain) - 1]
    places += random.Random(5).sample(range(APP_AT, len(plain)), 20)
    for at in places:
        data = bytearray(plain)
        data[at] ^= 1 << at % 8
        assert refuse(data), hex(at)


@pytest.mark.parametrize("size", [1, 23, 24, 63, 64, 5000, 22_863, 22_864, 0x6FFF, TABLE_AT, 0x7020, 0xEFFF, APP_AT])
def test_a_download_that_broke_off_is_seen(plain, refuse, size):
    assert "download it again" in refuse(plain[:size])


@pytest.mark.parametrize("missing", [1, 32, 33, 48, 100_000])
def test_a_download_that_broke_off_late_is_seen(plain, refuse, missing):
    assert refuse(plain[:-missing]) == "is damaged: in its app, it ends in the middle; download it again."


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is empty: download it again."),
        (b"<!DOCTYPE html>\n<html>", "is a web page, not an image: download the .bin file that is linked there."),
        (b"\xef\xbb\xbf\n <html>", "is a web page, not an image: download the .bin file that is linked there."),
        (b"UF2\nWQ]\x9e" + bytes(504), "is a UF2 file: take the .bin file from "),
        (b"\x7fELF\1\1\1", "is an ELF file: take the .bin file from "),
        (b"PK\x03\x04" + bytes(100), "is an archive: take the .bin file from "),
        (b"\x1f\x8b\x08" + bytes(100), "is an archive: take the .bin file from "),
        (b"\xff" * 5000, "begins with erased flash: it is what a whole flash chip holds, "),
        (b"Not Found\n", "is no image for an ESP32: it begins with 0x4e instead of 0xe9, "),
        (random.Random(1).randbytes(70_000), "is no image for an ESP32: it begins with 0x"),
        (b"\xe9" + bytes(22), "ends after 23 bytes: download it again."),
        (b"\xe9\3\2\x20" + bytes(8) + b"\2\0" + bytes(70), "is for ESP32-S2: a lock runs on ESP32 or ESP32-C3."),
        (b"\xe9\3\2\x20" + bytes(8) + b"\x09\0" + bytes(70), "is for ESP32-S3: a lock runs on ESP32 or ESP32-C3."),
        (b"\xe9\3\2\x20" + bytes(8) + b"\x77\0" + bytes(70), "is for a chip of another kind (number 119): "),
    ],
)
def test_another_kind_of_file_is_named(refuse, data, sentence):
    assert refuse(data).startswith(sentence)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(
        UserError, match=r"There is no file .*gone.bin: official images are at https://micropython.org/"
    ):
        image.read(tmp_path / "gone.bin")
    with pytest.raises(UserError, match="is a folder: name the .bin file in it"):
        image.read(tmp_path)
    huge = tmp_path / "huge.bin"
    with huge.open("wb") as file:
        file.truncate(33 << 20)
    with pytest.raises(UserError, match="is larger than 32 MB: it is no image of a board"):
        image.read(huge)


def test_the_app_alone_is_named(plain, refuse):
    assert refuse(plain[APP_AT:]).startswith("is an app without a bootloader (.app-bin): take the .bin file from ")


def test_an_app_that_is_too_large_is_named(plain, refuse):
    data = plain[:APP_AT] + reseal(plain[APP_AT:], extra=0x1F0000 - len(plain) + APP_AT + 16)
    size = len(data) - APP_AT
    assert refuse(data) == (f"is too large: its app has {size} bytes, its place in the flash {0x1F0000} bytes.")


def test_the_largest_app_that_fits_is_taken(plain, read):
    extra = (0x1F0000 - len(plain) + APP_AT) & ~15
    found = read(plain[:APP_AT] + reseal(plain[APP_AT:], extra=extra))
    assert len(found.app) == 0x1F0000


def test_something_behind_the_app_is_named(plain, refuse):
    assert refuse(plain + bytes(4096)) == "has 4096 bytes behind its app: it is no official image."


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([PLAIN._replace(subtype=0x10), Row(0, 0x11, 0x200000, 0x1F0000, "ota_1")], "is the OTA variant"),
        ([PLAIN._replace(address=0x20000)], "has its app somewhere else than at 0x10000: it is no official image."),
        ([Row(1, 2, 0x9000, 0x6000, "nvs")], "has its app somewhere else than at 0x10000: it is no official image."),
        (b"\xff" * 4096, "is damaged or encrypted: of its partition table, it is not one, or has no checksum."),
        (bytes(4096), "is damaged or encrypted: of its partition table, it is not one, or has no checksum."),
    ],
)
def test_another_partition_table_is_named(plain, refuse, rows, sentence):
    assert refuse(with_table(plain, rows)).startswith(sentence)


def test_an_app_of_another_chip_is_named(plain, official, refuse):
    other = official["esp32c3"].read_bytes()[0x10000:]
    assert refuse(plain[:APP_AT] + other) == "has a bootloader for ESP32 and an app for another chip."


def test_a_board_with_less_flash_is_named(plain, refuse):
    bootloader = image.executable.read(plain[:TABLE_AT]).data
    small = reseal(bootloader[:3] + b"\x10" + bootloader[4:])
    assert refuse(small + plain[len(small) :]) == "is for boards with 2 MB of flash: a lock needs 4 MB."


@pytest.mark.parametrize(
    ("there", "instead", "sentence"),
    [
        (b"MicroPython v1.27.0 on", b"MicroPython v1.26.1 on", "is MicroPython 1.26.1: a lock needs 1.27 or newer"),
        (b"MicroPython v1.27.0 on", b"MicroPython v1.27-a on", "is MicroPython 1.27.0-a: a lock needs 1.27 or newer"),
        (b"MicroPython v1.27.0 on", b"MicroPython v0.99.0 on", "is MicroPython 0.99.0: a lock needs 1.27 or newer"),
        (b"MicroPython v1.27.0 on", b"Duktape       1.27.0 on", "is not MicroPython: take the .bin file from "),
        (b"Generic ESP32 module with ESP32", b"Genuine ESP32 w. SPIRAM with ESP32"[:31], "is MicroPython for 'Genuine"),
        (b"Generic ESP32 module with ESP32", b"Generic ESP32 module  and  ESP32", "does not say which board"),
    ],
)
def test_another_micropython_is_named(plain, refuse, there, instead, sentence):
    instead = instead[: len(there)].ljust(len(there))
    assert there in plain
    data = with_app(plain, lambda app: app.replace(there, instead))
    assert refuse(data).startswith(sentence)


def test_a_variant_for_other_memory_is_named_with_the_reason(plain, refuse):
    machine = b"ESP32 module, SPIRAM with ESP32"
    data = with_app(plain, lambda app: app.replace(b"Generic ESP32 module with ESP32", machine))
    assert refuse(data) == (
        "is MicroPython for 'ESP32 module, SPIRAM with ESP32', not for 'Generic ESP32 module with ESP32' "
        "(ESP32_GENERIC): the memory it uses is on pins that a lock's keypad has."
    )


def test_newer_ones_are_taken(plain, read):
    for number in (b"1.28.0", b"1.31.2", b"2.00.0"):
        data = with_app(plain, lambda app, number=number: app.replace(b"Python v1.27.0", b"Python v" + number))
        assert read(data).version == number.decode().replace("00", "0")


def test_what_mpy_files_it_takes_is_read_from_the_app(plain, read):
    ours, theirs = 6 | (10 << 2 | 3) << 8, 7 | (10 << 2 | 1) << 8
    data = with_app(plain, lambda app: app.replace(pack("<I", ours << 1 | 1), pack("<I", theirs << 1 | 1)))
    assert read(data).mpy == theirs
