"""Records in one 4 KB flash sector: what the journal and the ledger have in common.

    sector = header record, record, record, ... , erased
    record = length (2 bytes) | CRC-32 of length and body (4 bytes) | body

A record is programmed in one go onto erased bytes. Power cut inside that leaves a length that is erased or a CRC that
fails; either way nothing may be added behind it any more, and the sector counts as full.
"""

from binascii import crc32
from struct import pack, unpack

from firmware.core.errors import FlashError

SECTOR_BYTES = 4096
OVERHEAD_BYTES = 6

# Block device operations of MicroPython's extended interface.
COUNT = 4
ERASE = 6


def count(flash) -> int:
    """Returns how many sectors the device has."""
    return flash.ioctl(COUNT, 0)


def erase(flash, sector: int) -> None:
    """Erases one sector. Raises FlashError."""
    try:
        flash.ioctl(ERASE, sector)
    except OSError:
        raise FlashError("erase failed")


def program(flash, sector: int, at: int, data) -> None:
    """Programs `data` onto erased bytes. Raises FlashError."""
    try:
        flash.writeblocks(sector, data, at)
    except OSError:
        raise FlashError("program failed")


def read_into(flash, sector: int, at: int, buffer) -> None:
    """Fills `buffer`. Raises FlashError."""
    try:
        flash.readblocks(sector, buffer, at)
    except OSError:
        raise FlashError("read failed")


def read(flash, sector: int, at: int, size: int) -> bytearray:
    """Returns `size` bytes. Raises FlashError."""
    data = bytearray(size)
    read_into(flash, sector, at, data)
    return data


def write(flash, sector: int, at: int, data) -> None:
    """Programs `data` and reads it back. Raises FlashError."""
    program(flash, sector, at, data)
    # A worn-out or write-protected cell keeps its old value without any error.
    if read(flash, sector, at, len(data)) != data:
        raise FlashError("reads back differently")


def append(flash, sector: int, at: int, body: bytes, behind: bytes = b"") -> int:
    """Programs one record and reads it back; returns the offset behind it. Raises FlashError.

    `behind` is programmed with it and not covered by its CRC. The caller has made sure that all fits, see `fits`.
    """
    start = pack(">H", len(body))
    record = start + pack(">I", crc32(body, crc32(start))) + body + behind
    write(flash, sector, at, record)
    return at + len(record)


def fits(at: int, size: int) -> bool:
    """Whether a record with a body of `size` bytes fits behind offset `at`."""
    return at + OVERHEAD_BYTES + size <= SECTOR_BYTES


def record_at(flash, sector: int, at: int, max_bytes: int):
    """Returns the body of the record at `at`, or None if there is no sound one of at most `max_bytes`."""
    if at + OVERHEAD_BYTES > SECTOR_BYTES:
        return None
    head = read(flash, sector, at, OVERHEAD_BYTES)
    size, checksum = unpack(">HI", head)
    if size > max_bytes or not fits(at, size):
        return None
    body = bytes(read(flash, sector, at + OVERHEAD_BYTES, size))
    if crc32(body, crc32(head[0:2])) != checksum:
        return None
    return body


def is_erased_from(flash, sector: int, at: int) -> bool:
    """Whether every byte from `at` to the end of the sector is erased."""
    piece = bytearray(256)
    while at < SECTOR_BYTES:
        view = memoryview(piece)[: min(len(piece), SECTOR_BYTES - at)]
        read_into(flash, sector, at, view)
        for byte in view:
            if byte != 0xFF:
                return False
        at += len(view)
    return True
