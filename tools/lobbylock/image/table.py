"""ESP-IDF's partition table in its binary form: rows of 32 bytes, and the MD5 of all that stands before it."""

from collections.abc import Iterable
from hashlib import md5
from struct import Struct

from virtualboard.partitions import CHIP_BYTES, PARTITIONS, Row

ADDRESS = 0x8000
# The sector that the table lies in, and how much of it may be rows.
SECTOR_BYTES = 0x1000
_MAX_BYTES = 0xC00
_ROW = Struct("<2sBBII16sI")
_MAGIC = b"\xaa\x50"
_SUM = b"\xeb\xeb" + b"\xff" * 14
_END = b"\xff" * 32
_TYPES = {0: "app", 1: "data"}


class BadTable(Exception):
    """Not a partition table, or a damaged one; the text says why."""


def encode(rows: Iterable[Row] = PARTITIONS) -> bytes:
    """Returns the sector at 0x8000: the rows, their MD5, and erased bytes up to its end."""
    data = b"".join(
        _ROW.pack(_MAGIC, row.type, row.subtype, row.address, row.size, row.label.encode("ascii"), 0) for row in rows
    )
    data += _SUM + md5(data, usedforsecurity=False).digest()
    return data + b"\xff" * (SECTOR_BYTES - len(data))


def decode(data: bytes) -> list[Row]:
    """Returns the rows. Raises BadTable for another form, a missing or wrong MD5, or a row outside of the chip."""
    rows = []
    for at in range(0, min(len(data), _MAX_BYTES) - 31, 32):
        raw = data[at : at + 32]
        if raw[:16] == _SUM:
            if raw[16:] != md5(data[:at], usedforsecurity=False).digest():
                raise BadTable("its checksum is wrong")
            if not rows or data[at + 32 : at + 64] != _END:
                raise BadTable("it has no rows, or some behind its checksum")
            return rows
        magic, kind, subtype, address, size, label, flags = _ROW.unpack(raw)
        name = label.rstrip(b"\0")
        if magic != _MAGIC or not name.isascii():
            break
        if flags & 1:
            raise BadTable(f"its partition {name.decode()} is marked as encrypted")
        rows.append(Row(kind, subtype, address, size, name.decode()))
    raise BadTable("it is not one, or has no checksum")


def write_csv(rows: Iterable[Row] = PARTITIONS) -> str:
    """Returns the table as ESP-IDF's tools read it, for people who build images of their own."""
    lines = ["# Name, Type, SubType, Offset, Size"]
    lines += [
        f"{row.label}, {_TYPES[row.type]}, 0x{row.subtype:02x}, 0x{row.address:x}, 0x{row.size:x}" for row in rows
    ]
    return "\n".join(lines) + "\n"


def is_sound(rows: Iterable[Row]) -> bool:
    """Whether the rows follow each other inside a chip of 4 MB, apps at multiples of 64 KB, all at whole sectors."""
    end = ADDRESS + SECTOR_BYTES
    for row in sorted(rows, key=lambda row: row.address):
        step = 0x10000 if row.type == 0 else SECTOR_BYTES
        if row.address < end or row.address % step or row.size % SECTOR_BYTES or len(row.label) > 15:
            return False
        end = row.address + row.size
    return end <= CHIP_BYTES
