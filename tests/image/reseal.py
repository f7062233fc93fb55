"""Making of an executable another one whose checksum and hash are right."""

from hashlib import sha256
from struct import pack, unpack_from


def reseal(data: bytes, *, extra: int = 0) -> bytes:
    """Returns the executable `data` with its sums made anew, its last segment longer by `extra` bytes.

    Byte by byte as Espressif's documents say it, so that it shares nothing with the code under test.
    """
    at = 24
    out = bytearray(data[:24])
    checksum = 0xEF
    for number in range(data[1]):
        address, size = unpack_from("<II", data, at)
        body = data[at + 8 : at + 8 + size]
        if number == data[1] - 1:
            body += bytes(extra)
        out += pack("<II", address, len(body)) + body
        for byte in body:
            checksum ^= byte
        at += 8 + size
    out += bytes(15 - len(out) % 16) + bytes((checksum,))
    return bytes(out + sha256(out).digest())
