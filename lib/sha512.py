"""SHA-512 (FIPS 180-4 section 6.4), which MicroPython's own hashlib lacks.

The compression is viper code on 32-bit halves. A viper integer has 32 bits on the ESP32 and 64 on the unix port; a sum
that is compared or shifted right is masked first, so that both see the same numbers.
"""

from array import array
from binascii import unhexlify

import micropython
from micropython import const

_BLOCK_BYTES = const(128)

# Where things lie in a hash's words. A 64-bit number takes two, the high half first.
_SCHEDULE = const(0)  # w(t) to w(t + 31)
_PAIRS = const(64)  # the (a, e) of 16 rounds, newest first, and the four before them
_STATE = const(144)  # a, e, b, f, c, g, d, h
_SAVED = const(160)  # the state while `digest` runs
_WORDS = const(176)
_MASK = 0xFFFFFFFF


@micropython.viper
def _load(words: ptr32, to: int, data: ptr8, at: int):
    """Writes 16 words to `words[to]` from the 64 bytes at `data[at]`, big-endian."""
    words = ptr32(int(words) + 4 * to)
    data = ptr8(int(data) + at)
    for i in range(16):
        words[i] = (data[0] << 24) | (data[1] << 16) | (data[2] << 8) | data[3]
        data = ptr8(int(data) + 4)


@micropython.viper
def _store(out: ptr8, words: ptr32):
    """Writes the state a to h as 64 bytes, big-endian."""
    for i in range(16):
        word = words[_STATE + i]
        # Pairs 0 to 7 are a, e, b, f, ...: the even ones go to the first half, the odd ones to the second.
        at = (i >> 2) * 8 + (i & 2) * 16 + (i & 1) * 4
        out[at] = word >> 24
        out[at + 1] = word >> 16
        out[at + 2] = word >> 8
        out[at + 3] = word


@micropython.viper
def _move(words: ptr32, to: int, at: int, count: int):
    for i in range(count):
        words[to + i] = words[at + i]


@micropython.viper
def _add(words: ptr32, mask: uint):
    """Adds what the rounds made of the state to the state: section 6.4.2, step 4."""
    for i in range(0, 16, 2):
        made = uint(words[_PAIRS + 64 + i + 1])
        low = (uint(words[_STATE + i + 1]) + made) & mask
        words[_STATE + i] = words[_STATE + i] + words[_PAIRS + 64 + i] + int(low < made)
        words[_STATE + i + 1] = low


@micropython.viper
def _expand(w: ptr32, mask: uint):
    """Writes the next 16 pairs of the message schedule behind the 16 that are there: section 6.4.2, step 1.

    Seen from w(t) as w[0:2] (high, low): w(t+1) is w[2:4], w(t+9) w[18:20], w(t+14) w[28:30]; w(t+16) goes to w[32:34].
    """
    for _ in range(16):
        xh = uint(w[28])
        xl = uint(w[29])
        low = ((xl >> 19) ^ (xh << 13) ^ (xh >> 29) ^ (xl << 3) ^ (xl >> 6) ^ (xh << 26)) & mask
        high = (xh >> 19) ^ (xl << 13) ^ (xl >> 29) ^ (xh << 3) ^ (xh >> 6)
        xh = uint(w[2])
        xl = uint(w[3])
        high += (xh >> 1) ^ (xl << 31) ^ (xh >> 8) ^ (xl << 24) ^ (xh >> 7)
        xl = ((xl >> 1) ^ (xh << 31) ^ (xl >> 8) ^ (xh << 24) ^ (xl >> 7) ^ (xh << 25)) & mask
        low = (low + xl) & mask
        if low < xl:
            high += 1
        xl = uint(w[1])
        low = (low + xl) & mask
        if low < xl:
            high += 1
        xl = uint(w[19])
        low = (low + xl) & mask
        if low < xl:
            high += 1
        w[32] = high + w[0] + w[18]
        w[33] = low
        w = ptr32(int(w) + 8)


@micropython.viper
def _rounds(w: ptr32, k: ptr32, start: int, mask: uint):
    """Runs 16 rounds from number `start` on: section 6.4.2, step 3.

    A round makes a new a and a new e; b, c, d and f, g, h are those of the rounds before. So nothing is moved: `v`
    steps down by one (a, e), and from the place of the new pair v[0:4] the present a, e are v[4:6], v[6:8] as (high,
    low), b, f follow at 8, c, g at 12 and d, h at 16.
    """
    v = ptr32(int(w) + 4 * (_PAIRS + 60))
    k = ptr32(int(k) + 8 * start)
    for _ in range(16):
        xh = uint(v[6])
        xl = uint(v[7])
        low = ((xl >> 14) ^ (xh << 18) ^ (xl >> 18) ^ (xh << 14) ^ (xh >> 9) ^ (xl << 23)) & mask
        high = (xh >> 14) ^ (xl << 18) ^ (xh >> 18) ^ (xl << 14) ^ (xl >> 9) ^ (xh << 23)
        # Choose: f where e has a one, g elsewhere.
        high += v[14] ^ (xh & (v[10] ^ v[14]))
        xl = uint(v[15]) ^ (xl & (v[11] ^ v[15]))
        low = (low + xl) & mask
        if low < xl:
            high += 1
        xl = uint(v[19])
        low = (low + xl) & mask
        if low < xl:
            high += 1
        xl = uint(k[1])
        low = (low + xl) & mask
        if low < xl:
            high += 1
        xl = uint(w[1])
        low = (low + xl) & mask
        if low < xl:
            high += 1
        high += v[18] + k[0] + w[0]
        # (high, low) is T1: e = d + T1, and a = T1 + T2.
        xl = uint(v[17])
        xh = (low + xl) & mask
        v[3] = xh
        v[2] = high + v[16] + int(xh < xl)
        xh = uint(v[4])
        xl = uint(v[5])
        high += (xh >> 28) ^ (xl << 4) ^ (xl >> 2) ^ (xh << 30) ^ (xl >> 7) ^ (xh << 25)
        high += (xh & (v[8] ^ v[12])) ^ (v[8] & v[12])
        xh = ((xl >> 28) ^ (xh << 4) ^ (xh >> 2) ^ (xl << 30) ^ (xh >> 7) ^ (xl << 25)) & mask
        low = (low + xh) & mask
        if low < xh:
            high += 1
        xl = (xl & (v[9] ^ v[13])) ^ (v[9] & v[13])
        low = (low + xl) & mask
        if low < xl:
            high += 1
        v[0] = high
        v[1] = low
        v = ptr32(int(v) - 16)
        k = ptr32(int(k) + 8)
        w = ptr32(int(w) + 8)


def _table(text: str) -> array:
    """Returns the words that the hexadecimal `text` spells, 16 at a time."""
    data = unhexlify(text)
    words = array("I", bytes(len(data)))
    for at in range(0, len(data), 64):
        _load(words, at // 4, data, at)
    return words


# FIPS 180-4 section 4.2.3.
_CONSTANTS = _table(
    "428a2f98d728ae227137449123ef65cdb5c0fbcfec4d3b2fe9b5dba58189dbbc"
    "3956c25bf348b53859f111f1b605d019923f82a4af194f9bab1c5ed5da6d8118"
    "d807aa98a303024212835b0145706fbe243185be4ee4b28c550c7dc3d5ffb4e2"
    "72be5d74f27b896f80deb1fe3b1696b19bdc06a725c71235c19bf174cf692694"
    "e49b69c19ef14ad2efbe4786384f25e30fc19dc68b8cd5b5240ca1cc77ac9c65"
    "2de92c6f592b02754a7484aa6ea6e4835cb0a9dcbd41fbd476f988da831153b5"
    "983e5152ee66dfaba831c66d2db43210b00327c898fb213fbf597fc7beef0ee4"
    "c6e00bf33da88fc2d5a79147930aa72506ca6351e003826f142929670a0e6e70"
    "27b70a8546d22ffc2e1b21385c26c9264d2c6dfc5ac42aed53380d139d95b3df"
    "650a73548baf63de766a0abb3c77b2a881c2c92e47edaee692722c851482353b"
    "a2bfe8a14cf10364a81a664bbc423001c24b8b70d0f89791c76c51a30654be30"
    "d192e819d6ef5218d69906245565a910f40e35855771202a106aa07032bbd1b8"
    "19a4c116b8d2d0c81e376c085141ab532748774cdf8eeb9934b0bcb5e19b48a8"
    "391c0cb3c5c95a634ed8aa4ae3418acb5b9cca4f7763e373682e6ff3d6b2b8a3"
    "748f82ee5defb2fc78a5636f43172f6084c87814a1f0ab728cc702081a6439ec"
    "90befffa23631e28a4506cebde82bde9bef9a3f7b2c67915c67178f2e372532b"
    "ca273eceea26619cd186b8c721c0c207eada7dd6cde0eb1ef57d4f7fee6ed178"
    "06f067aa72176fba0a637dc5a2c898a6113f9804bef90dae1b710b35131c471b"
    "28db77f523047d8432caab7b40c724933c9ebe0a15c9bebc431d67c49c100d4c"
    "4cc5d4becb3e42b6597f299cfc657e2a5fcb6fab3ad6faec6c44198c4a475817"
)

# FIPS 180-4 section 5.3.5, in the order a, e, b, f, c, g, d, h.
_START = unhexlify(
    "6a09e667f3bcc908510e527fade682d1bb67ae8584caa73b9b05688c2b3e6c1f"
    "3c6ef372fe94f82b1f83d9abfb41bd6ba54ff53a5f1d36f15be0cd19137e2179"
)


class sha512:
    """A running hash, as in hashlib: 64-byte digests, any number of `update` and `digest` calls."""

    def __init__(self, data: bytes = b"") -> None:
        self._words = array("I", bytes(4 * _WORDS))
        self._block = bytearray(_BLOCK_BYTES)
        self._length = 0
        _load(self._words, _STATE, _START, 0)
        self.update(data)

    def update(self, data: bytes) -> None:
        """Hashes `data`, bytes or another object with the buffer protocol."""
        filled = self._length % _BLOCK_BYTES
        size = len(data)
        self._length += size
        at = 0
        if filled:
            at = min(size, _BLOCK_BYTES - filled)
            self._block[filled : filled + at] = data[:at]
            if filled + at < _BLOCK_BYTES:
                return
            self._compress(self._block, 0)
        while at + _BLOCK_BYTES <= size:
            self._compress(data, at)
            at += _BLOCK_BYTES
        if at < size:
            self._block[: size - at] = data[at:]

    def digest(self) -> bytes:
        """Returns the hash of everything so far."""
        filled = self._length % _BLOCK_BYTES
        zeros = (111 - filled) % _BLOCK_BYTES
        tail = self._block[:filled] + b"\x80" + bytes(zeros) + (8 * self._length).to_bytes(16, "big")
        _move(self._words, _SAVED, _STATE, 16)
        for at in range(0, len(tail), _BLOCK_BYTES):
            self._compress(tail, at)
        out = bytearray(64)
        _store(out, self._words)
        _move(self._words, _STATE, _SAVED, 16)
        return bytes(out)

    def _compress(self, data: bytes, at: int) -> None:
        """Takes in the block that begins at `data[at]`."""
        words = self._words
        _load(words, _SCHEDULE, data, at)
        _load(words, _SCHEDULE + 16, data, at + 64)
        _move(words, _PAIRS + 64, _STATE, 16)
        for start in range(0, 80, 16):
            if start < 64:
                _expand(words, _MASK)
            _rounds(words, _CONSTANTS, start, _MASK)
            _move(words, _SCHEDULE, _SCHEDULE + 32, 32)
            _move(words, _PAIRS + 64, _PAIRS, 16)
        _add(words, _MASK)
