"""HMAC-SHA256 (RFC 2104) and HKDF-SHA256 (RFC 5869), and the constant-time compare that goes with them.

MicroPython's own firmware has SHA-256 but no hmac.
"""

from hashlib import sha256

from constant import const

_BLOCK_BYTES = const(64)
# 64 bytes of 1.
_ONES = const(0x0101010101010101010101010101010101010101010101010101010101010101 * (1 << 256 | 1))


def _pad(key: bytes, filler: int) -> bytes:
    """Returns a block of `filler` with `key` added; as long numbers, which takes a twentieth of a loop."""
    block = int.from_bytes(key + bytes(_BLOCK_BYTES - len(key)), "big")
    return (block ^ filler * _ONES).to_bytes(_BLOCK_BYTES, "big")


class Hmac:
    """HMAC-SHA256 under one key, for many short messages: each pad is built once."""

    def __init__(self, key: bytes) -> None:
        if len(key) > _BLOCK_BYTES:
            key = sha256(key).digest()
        self._inner = _pad(key, 0x36)
        self._outer = _pad(key, 0x5C)

    def digest(self, message: bytes, more: bytes = b"") -> bytes:
        """Returns the 32-byte code of `message` with `more` behind it."""
        inner = sha256(self._inner)
        inner.update(message)
        inner.update(more)
        outer = sha256(self._outer)
        outer.update(inner.digest())
        return outer.digest()


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """Returns the 32-byte HMAC of `message` under `key`."""
    return Hmac(key).digest(message)


def hkdf_sha256(secret: bytes, salt: bytes, info: bytes, size: int) -> bytes:
    """Returns `size` bytes (at most 8,160) derived from `secret`: RFC 5869 extract, then expand."""
    if not 0 < size <= 255 * 32:
        raise ValueError("HKDF gives 1 to 8160 bytes")
    expand = Hmac(hmac_sha256(salt or bytes(32), secret))
    out = block = b""
    counter = 1
    while len(out) < size:
        block = expand.digest(block + info + bytes([counter]))
        out += block
        counter += 1
    return out[:size]


def equal(left: bytes, right: bytes) -> bool:
    """Compares two secrets of the same length in time that does not depend on where they differ."""
    if len(left) != len(right):
        return False
    difference = 0
    for at in range(len(left)):
        difference |= left[at] ^ right[at]
    return difference == 0
