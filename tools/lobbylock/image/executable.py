"""Espressif's executable format: what a bootloader and an app are stored in.

header = magic, segments, flash mode, flash size | speed, entry address, chip and its revisions, is a hash appended
then each segment as address, size, bytes; padding up to a checksum at the end of 16 bytes; SHA-256 of all that
"""

from functools import reduce
from hashlib import sha256
from operator import xor
from struct import unpack_from
from typing import NamedTuple

MAGIC = 0xE9
_HEADER_BYTES = 24
_HASH_BYTES = 32
_SEED = 0xEF
_MAX_SEGMENTS = 16
# Of an ESP32 whatever is larger cannot be loaded.
_MAX_BYTES = 4 << 20
_SIZES_MB = (1, 2, 4, 8, 16, 32, 64, 128)


class BadExecutable(Exception):
    """Not an executable, or a damaged one; the text says why, as the second half of a sentence."""


class Segment(NamedTuple):
    address: int
    offset: int
    size: int


class Executable(NamedTuple):
    """`data` is the whole of it, from the magic byte to the hash; `chip` Espressif's number for the kind of chip."""

    data: bytes
    chip: int
    flash_mb: int
    segments: list[Segment]

    def offset_of(self, address: int) -> int | None:
        """Returns where in `data` lies what the running chip sees at `address`."""
        for segment in self.segments:
            if segment.address <= address < segment.address + segment.size:
                return segment.offset + address - segment.address
        return None

    def address_of(self, offset: int) -> int | None:
        """Returns at which address the running chip sees what lies at `offset` of `data`."""
        for segment in self.segments:
            if segment.offset <= offset < segment.offset + segment.size:
                return segment.address + offset - segment.offset
        return None


def read(data: bytes) -> Executable:
    """Reads the executable that `data` begins with; what follows it is left alone. Raises BadExecutable."""
    if len(data) < _HEADER_BYTES:
        raise BadExecutable("it ends in the middle")
    magic, count, _, size_speed, _, _, chip = unpack_from("<BBBBI4sH", data)
    if magic != MAGIC or not 1 <= count <= _MAX_SEGMENTS:
        raise BadExecutable("its header makes no sense")
    if data[23] != 1:
        raise BadExecutable("it has no SHA-256 to check it by")
    if size_speed >> 4 >= len(_SIZES_MB):
        raise BadExecutable("its header names no size of flash")
    segments = []
    at = _HEADER_BYTES
    for _ in range(count):
        if at + 8 > len(data):
            raise BadExecutable("it ends in the middle")
        address, size = unpack_from("<II", data, at)
        if size > _MAX_BYTES:
            raise BadExecutable("its segments make no sense")
        segments.append(Segment(address, at + 8, size))
        at += 8 + size
    end = (at | 15) + 1
    if end + _HASH_BYTES > len(data):
        raise BadExecutable("it ends in the middle")
    if sha256(data[:end]).digest() != data[end : end + _HASH_BYTES]:
        raise BadExecutable("its SHA-256 is wrong")
    if data[end - 1] != _checksum(data, segments):
        raise BadExecutable("its checksum is wrong")
    return Executable(data[: end + _HASH_BYTES], chip, _SIZES_MB[size_speed >> 4], segments)


def _checksum(data: bytes, segments: list[Segment]) -> int:
    """Returns all bytes of the segments, joined by exclusive or."""
    total = 0
    for segment in segments:
        part = data[segment.offset : segment.offset + segment.size]
        # By words of 256 bytes, since one and a half megabytes byte by byte take a while.
        part += bytes(-len(part) % 256)
        total ^= reduce(xor, (int.from_bytes(part[at : at + 256], "little") for at in range(0, len(part), 256)), 0)
    return reduce(xor, total.to_bytes(256, "little"), _SEED)
