"""Nonces that nobody has seen and nobody can foresee, whatever the chip's random numbers are worth.

An ESP32's generator is a true one only while its radio is on. So a nonce is a MAC, under a key of this door alone, over
the number of the start, a counter and random bytes: the first two never repeat, and nobody guesses what the key makes
of them.
"""

from struct import pack

from hkdf import Hmac, hkdf_sha256


class Nonces:
    """`secret` is the seed of the door's own key, `boot` the number of this start, `random(n)` gives n bytes.

    Under another `label` they are other ones. `count` of them were made before.
    """

    def __init__(self, secret: bytes, boot: int, random, label=b"lobbylock nonce key 1", count: int = 0) -> None:
        self._mac = Hmac(hkdf_sha256(secret, b"", label, 32))
        self._boot = boot
        self._count = count
        self._random = random

    def next(self) -> bytes:
        """Returns 16 bytes."""
        self._count += 1
        return self._mac.digest(pack(">II", self._boot, self._count) + self._random(16))[:16]
