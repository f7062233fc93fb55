"""SHA-512 (FIPS 180-4 section 6.4), which MicroPython's own hashlib lacks.

The compression is viper code on 32-bit halves. A viper integer has 32 bits on the ESP32 and 64 on the unix port; a sum
that is compared or shifted right is masked first, so that both see the same numbers.
"""

import micropython
from micropython import const

_BLOCK_BYTES = const(128)

# Where things lie in a hash's words. A 64-bit number takes two, the high half first.
_SCHEDULE = const(0)  # w(t) to w(t + 31)
_PAIRS = const(64)  # the (a, e) of 16 rounds, newest first, and the four before them
_STATE = const(144)  # a, e, b, f, c, g, d, h
_SAVED = const(160)  # the state while `digest` runs
_ROUND = const(176)  # the constants of 16 rounds
_WORDS = const(208)
_MASK = const(0xFFFFFFFF)

# What a running hash computes in.
MEMORY_BYTES = 832


@micropython.viper
def _load(words: ptr32, data: ptr8, to: int, at: int, count: int):
    """Writes `count` words to `words[to]` from the bytes at `data[at]`, big-endian."""
    words = ptr32(int(words) + 4 * to)
    data = ptr8(int(data) + at)
    for i in range(count):
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
def _copy(to: ptr8, start: int, data: ptr8, at: int, count: int):
    to = ptr8(int(to) + start)
    data = ptr8(int(data) + at)
    for i in range(count):
        to[i] = data[i]


@micropython.viper
def _pad(block: ptr8, filled: int, length: int):
    """Ends a message of `length` bytes, below 2^29, behind what the block is filled with: section 5.1.2.

    Where there is no room for the length, the block ends in zeros.
    """
    for at in range(filled, _BLOCK_BYTES):
        block[at] = 0
    if filled < _BLOCK_BYTES - 16:
        length <<= 3
        for at in range(4):
            block[_BLOCK_BYTES - 1 - at] = length
            length = int(uint(length) >> 8)


@micropython.viper
def _move(words: ptr32, to: int, at: int, count: int):
    for i in range(count):
        words[to + i] = words[at + i]


@micropython.viper
def _advance(words: ptr32, i: int):
    """Moves the next 16 pairs of the schedule, and the last four of the rounds, to where the next rounds look."""
    later = ptr32(int(words) + 4 * (_SCHEDULE + 32))
    for i in range(32):
        words[i] = later[i]
    words = ptr32(int(words) + 4 * (_PAIRS + 64))
    later = ptr32(int(words) - 4 * 64)
    for i in range(16):
        words[i] = later[i]


@micropython.viper
def _add(words: ptr32, mask: uint):
    """Adds what the rounds made of the state to the state: section 6.4.2, step 4."""
    for i in range(0, 16, 2):
        made = uint(words[_PAIRS + 64 + i + 1])
        low = (uint(words[_STATE + i + 1]) + made) & mask
        words[_STATE + i] = words[_STATE + i] + words[_PAIRS + 64 + i] + int(low < made)
        words[_STATE + i + 1] = low


@micropython.viper
def _expand(w: ptr32, low: uint, xl: uint, xh: uint, mask: uint):
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
def _rounds(v: ptr32, low: uint, xl: uint, w: ptr32, mask: uint):
    """Runs 16 rounds with the constants that lie at _ROUND: section 6.4.2, step 3.

    A round makes a new a and a new e; b, c, d and f, g, h are those of the rounds before. So nothing is moved: `v`
    steps down by one (a, e), and from the place of the new pair v[0:4] the present a, e are v[4:6], v[6:8] as (high,
    low), b, f follow at 8, c, g at 12 and d, h at 16.
    """
    v = ptr32(int(v) + 4 * (_PAIRS + 60))
    k = ptr32(int(w) + 4 * _ROUND)
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


# FIPS 180-4 section 4.2.3, big-endian. As a literal: a function that made it would stay in memory with its input.
_CONSTANTS = (
    b"\x42\x8a\x2f\x98\xd7\x28\xae\x22\x71\x37\x44\x91\x23\xef\x65\xcd\xb5\xc0\xfb\xcf\xec\x4d\x3b\x2f\xe9\xb5\xdb\xa5"
    b"\x81\x89\xdb\xbc\x39\x56\xc2\x5b\xf3\x48\xb5\x38\x59\xf1\x11\xf1\xb6\x05\xd0\x19\x92\x3f\x82\xa4\xaf\x19\x4f\x9b"
    b"\xab\x1c\x5e\xd5\xda\x6d\x81\x18\xd8\x07\xaa\x98\xa3\x03\x02\x42\x12\x83\x5b\x01\x45\x70\x6f\xbe\x24\x31\x85\xbe"
    b"\x4e\xe4\xb2\x8c\x55\x0c\x7d\xc3\xd5\xff\xb4\xe2\x72\xbe\x5d\x74\xf2\x7b\x89\x6f\x80\xde\xb1\xfe\x3b\x16\x96\xb1"
    b"\x9b\xdc\x06\xa7\x25\xc7\x12\x35\xc1\x9b\xf1\x74\xcf\x69\x26\x94\xe4\x9b\x69\xc1\x9e\xf1\x4a\xd2\xef\xbe\x47\x86"
    b"\x38\x4f\x25\xe3\x0f\xc1\x9d\xc6\x8b\x8c\xd5\xb5\x24\x0c\xa1\xcc\x77\xac\x9c\x65\x2d\xe9\x2c\x6f\x59\x2b\x02\x75"
    b"\x4a\x74\x84\xaa\x6e\xa6\xe4\x83\x5c\xb0\xa9\xdc\xbd\x41\xfb\xd4\x76\xf9\x88\xda\x83\x11\x53\xb5\x98\x3e\x51\x52"
    b"\xee\x66\xdf\xab\xa8\x31\xc6\x6d\x2d\xb4\x32\x10\xb0\x03\x27\xc8\x98\xfb\x21\x3f\xbf\x59\x7f\xc7\xbe\xef\x0e\xe4"
    b"\xc6\xe0\x0b\xf3\x3d\xa8\x8f\xc2\xd5\xa7\x91\x47\x93\x0a\xa7\x25\x06\xca\x63\x51\xe0\x03\x82\x6f\x14\x29\x29\x67"
    b"\x0a\x0e\x6e\x70\x27\xb7\x0a\x85\x46\xd2\x2f\xfc\x2e\x1b\x21\x38\x5c\x26\xc9\x26\x4d\x2c\x6d\xfc\x5a\xc4\x2a\xed"
    b"\x53\x38\x0d\x13\x9d\x95\xb3\xdf\x65\x0a\x73\x54\x8b\xaf\x63\xde\x76\x6a\x0a\xbb\x3c\x77\xb2\xa8\x81\xc2\xc9\x2e"
    b"\x47\xed\xae\xe6\x92\x72\x2c\x85\x14\x82\x35\x3b\xa2\xbf\xe8\xa1\x4c\xf1\x03\x64\xa8\x1a\x66\x4b\xbc\x42\x30\x01"
    b"\xc2\x4b\x8b\x70\xd0\xf8\x97\x91\xc7\x6c\x51\xa3\x06\x54\xbe\x30\xd1\x92\xe8\x19\xd6\xef\x52\x18\xd6\x99\x06\x24"
    b"\x55\x65\xa9\x10\xf4\x0e\x35\x85\x57\x71\x20\x2a\x10\x6a\xa0\x70\x32\xbb\xd1\xb8\x19\xa4\xc1\x16\xb8\xd2\xd0\xc8"
    b"\x1e\x37\x6c\x08\x51\x41\xab\x53\x27\x48\x77\x4c\xdf\x8e\xeb\x99\x34\xb0\xbc\xb5\xe1\x9b\x48\xa8\x39\x1c\x0c\xb3"
    b"\xc5\xc9\x5a\x63\x4e\xd8\xaa\x4a\xe3\x41\x8a\xcb\x5b\x9c\xca\x4f\x77\x63\xe3\x73\x68\x2e\x6f\xf3\xd6\xb2\xb8\xa3"
    b"\x74\x8f\x82\xee\x5d\xef\xb2\xfc\x78\xa5\x63\x6f\x43\x17\x2f\x60\x84\xc8\x78\x14\xa1\xf0\xab\x72\x8c\xc7\x02\x08"
    b"\x1a\x64\x39\xec\x90\xbe\xff\xfa\x23\x63\x1e\x28\xa4\x50\x6c\xeb\xde\x82\xbd\xe9\xbe\xf9\xa3\xf7\xb2\xc6\x79\x15"
    b"\xc6\x71\x78\xf2\xe3\x72\x53\x2b\xca\x27\x3e\xce\xea\x26\x61\x9c\xd1\x86\xb8\xc7\x21\xc0\xc2\x07\xea\xda\x7d\xd6"
    b"\xcd\xe0\xeb\x1e\xf5\x7d\x4f\x7f\xee\x6e\xd1\x78\x06\xf0\x67\xaa\x72\x17\x6f\xba\x0a\x63\x7d\xc5\xa2\xc8\x98\xa6"
    b"\x11\x3f\x98\x04\xbe\xf9\x0d\xae\x1b\x71\x0b\x35\x13\x1c\x47\x1b\x28\xdb\x77\xf5\x23\x04\x7d\x84\x32\xca\xab\x7b"
    b"\x40\xc7\x24\x93\x3c\x9e\xbe\x0a\x15\xc9\xbe\xbc\x43\x1d\x67\xc4\x9c\x10\x0d\x4c\x4c\xc5\xd4\xbe\xcb\x3e\x42\xb6"
    b"\x59\x7f\x29\x9c\xfc\x65\x7e\x2a\x5f\xcb\x6f\xab\x3a\xd6\xfa\xec\x6c\x44\x19\x8c\x4a\x47\x58\x17"
)

# FIPS 180-4 section 5.3.5, in the order a, e, b, f, c, g, d, h.
_START = (
    b"\x6a\x09\xe6\x67\xf3\xbc\xc9\x08\x51\x0e\x52\x7f\xad\xe6\x82\xd1\xbb\x67\xae\x85\x84\xca\xa7\x3b\x9b\x05\x68\x8c"
    b"\x2b\x3e\x6c\x1f\x3c\x6e\xf3\x72\xfe\x94\xf8\x2b\x1f\x83\xd9\xab\xfb\x41\xbd\x6b\xa5\x4f\xf5\x3a\x5f\x1d\x36\xf1"
    b"\x5b\xe0\xcd\x19\x13\x7e\x21\x79"
)


class sha512:
    """A running hash, as in hashlib: 64-byte digests, any number of `update` and `digest` calls."""

    def __init__(self, data: bytes = b"") -> None:
        # A bytearray starts at the heap's own alignment, and is made in one piece.
        self._words = bytearray(4 * _WORDS)
        self._block = bytearray(_BLOCK_BYTES)
        self.restart()
        self.update(data)

    def restart(self, memory=None) -> None:
        """Forgets everything so far: for whoever keeps one to hash again and again.

        `memory`, a bytearray of MEMORY_BYTES at least, is what it computes in from now on: nobody else's until the last
        `digest`.
        """
        if memory is not None:
            self._words = memory
        self._length = 0
        _load(self._words, _START, _STATE, 0, 16)

    def update(self, data: bytes) -> None:
        """Hashes `data`, bytes or another object with the buffer protocol."""
        filled = self._length % _BLOCK_BYTES
        size = len(data)
        self._length += size
        at = 0
        if filled:
            at = min(size, _BLOCK_BYTES - filled)
            _copy(self._block, filled, data, 0, at)
            if filled + at < _BLOCK_BYTES:
                return
            self._compress(self._block, 0)
        while at + _BLOCK_BYTES <= size:
            self._compress(data, at)
            at += _BLOCK_BYTES
        _copy(self._block, 0, data, at, size - at)

    def digest(self) -> bytes:
        """Returns the hash of everything so far."""
        block = self._block
        filled = self._length % _BLOCK_BYTES
        _move(self._words, _SAVED, _STATE, 16)
        _pad(block, filled, self._length)
        block[filled] = 128
        self._compress(block, 0)
        if filled >= _BLOCK_BYTES - 16:
            # The length gets a block of its own, and what is in the other one stays there.
            block = bytearray(_BLOCK_BYTES)
            _pad(block, 0, self._length)
            self._compress(block, 0)
        out = bytearray(64)
        _store(out, self._words)
        _move(self._words, _STATE, _SAVED, 16)
        return bytes(out)

    def _compress(self, data: bytes, at: int) -> None:
        """Takes in the block that begins at `data[at]`."""
        words = self._words
        _load(words, data, _SCHEDULE, at, 32)
        _move(words, _PAIRS + 64, _STATE, 16)
        for start in range(0, 80, 16):
            if start < 64:
                _expand(words, 0, 0, 0, _MASK)
            _load(words, _CONSTANTS, _ROUND, 8 * start, 32)
            _rounds(words, 0, 0, words, _MASK)
            _advance(words, 0)
        _add(words, _MASK)
