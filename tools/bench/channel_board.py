"""Runs on MicroPython: does one thing so many times, for the bench to count instructions.

micropython channel_board.py WHAT TIMES
"""

import gc
import sys

import channel_symmetric  # type: ignore[import-not-found]
import ed25519
from cryptolib import aes

from firmware.core import agreement
from firmware.core.channel import Channel

_DATA = bytes(320)
_KEYS = bytes(range(96))


class _Script:
    """Random numbers that are the same each time."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, size: int) -> bytes:
        self._count += 1
        return bytes([(self._count * 37 + at) & 255 for at in range(size)])


def _job(what: str):
    """Returns a function without parameters."""
    if what == "symmetric":
        return lambda: channel_symmetric.open_channel(_KEYS[:32], bytes(28), bytes(16), aes)
    if what in ("seal", "records"):
        lock = Channel(bytes(32), _KEYS, aes)
        phone = Channel(bytes(32), _KEYS[48:] + _KEYS[:48], aes)
        if what == "seal":
            return lambda: phone.seal(_DATA)
        return lambda: _require(lock.open(phone.seal(_DATA)) == _DATA)
    signer = ed25519.Signer(bytes(range(32)))
    random = _Script()
    if what == "prepare":
        return lambda: agreement.prepare(random, signer.sign, signer.public)
    half = agreement.prepare(random, signer.sign, signer.public)
    hello = half[0][:33]
    return lambda: agreement.open_channel(half, hello, bytes(16), aes)


def _require(verdict: bool) -> None:
    if not verdict:
        raise ValueError("another record")


def main(what: str, times: int) -> None:
    # As in the lock: in a heap that fills up, what takes longest is looking for room.
    gc.threshold(32 * 1024)  # type: ignore[attr-defined]
    job = _job(what)
    for _ in range(times):
        job()


main(sys.argv[1], int(sys.argv[2]))
