"""Numbers modulo p = 2^255 - 19: in and out of the limbs of `field25519`, and inverted.

The inverse is made by the division steps of Bernstein and Yang ("safegcd", 2019), 14 at a time, in viper code that
allocates nothing; its time depends on the number. As in `field25519`, no word in memory is negative: signed numbers are
in two's complement, 19 limbs of 14 bits, of which only the highest one is widened by its sign.
"""

import micropython
from micropython import const

P = (1 << 255) - 19

_PRIME = b"\xed" + b"\xff" * 30 + b"\x7f"

_LOW = const((1 << 14) - 1)
_SIGN = const(1 << 13)
# 1 / 19 mod 2^14.
_BY_19 = const(2587)


@micropython.viper
def unpack(limbs: ptr16, data: ptr8, at: int, count: int):
    """Writes `count` 32-byte numbers from `data[at]` on, least significant byte first, as 20 16-bit limbs each."""
    data = ptr8(int(data) + at)
    while count:
        bit = 0
        for limb in range(19):
            at = bit >> 3
            limbs[limb] = ((data[at] | (data[at + 1] << 8) | (data[at + 2] << 16)) >> (bit & 7)) & 8191
            bit += 13
        limbs[19] = (data[30] | (data[31] << 8)) >> 7
        data = ptr8(int(data) + 32)
        limbs = ptr16(int(limbs) + 40)
        count -= 1


@micropython.viper
def store(limbs: ptr16, area: ptr32, unit: int):
    """Writes the number at `unit` as 20 16-bit limbs, as LOAD takes them."""
    area = ptr32(int(area) + 40 * unit)
    for limb in range(20):
        limbs[limb] = area[limb]


@micropython.viper
def _fetch(area: ptr32, unit: int, limbs: ptr16):
    area = ptr32(int(area) + 40 * unit)
    for limb in range(20):
        area[limb] = limbs[limb]
    for limb in range(10):
        area[20 + limb] = area[limb] + area[10 + limb]


@micropython.viper
def _pack(out: ptr8, area: ptr32, unit: int):
    area = ptr32(int(area) + 40 * unit)
    word = 0
    filled = 0
    for limb in range(20):
        word += area[limb] << filled
        filled += 13
        while filled >= 8:
            out[0] = word
            out = ptr8(int(out) + 1)
            word >>= 8
            filled -= 8
    out[0] = word


def put(area: bytearray, unit: int, number: int) -> None:
    """Writes `number`, 0 to 2^256 - 1, to `unit`, with its sums."""
    limbs = bytearray(40)
    unpack(limbs, number.to_bytes(32, "little"), 0, 1)
    _fetch(area, unit, limbs)


def get(area: bytearray, unit: int) -> int:
    """Returns the number at `unit`, 0 to p - 1."""
    out = bytearray(33)
    _pack(out, area, unit)
    return int.from_bytes(out, "little") % P


@micropython.viper
def _divide(n: ptr32, s: int, t: int):
    """Takes f, g, d, e at `n`, 19 words each, to g = 0 and f = 1 or -1; then d is f / g mod p. `s`, `t`: registers."""
    base = n
    eta = -1
    k = 1
    while k:
        n = base
        s = n[0]
        t = n[19]
        # 14 steps on the lowest bits: (f, g) becomes (u f + v g, q f + r g) / 2^14.
        u = 1
        v = 0
        q = 0
        r = 1
        step = 14
        while step:
            if t & 1:
                if eta < 0:
                    eta = 0 - eta
                    x = s
                    s = t
                    t = 0 - x
                    x = u
                    u = q
                    q = 0 - x
                    x = v
                    v = r
                    r = 0 - x
                t += s
                q += u
                r += v
            eta -= 1
            t >>= 1
            u <<= 1
            v <<= 1
            step -= 1
        part = 2
        while part:
            s = n[0] * u + n[19] * v
            t = n[0] * q + n[19] * r
            x = 0
            y = 0
            if part == 1:
                # d and e: plus the multiple of p that makes the lowest 14 bits zeros.
                x = _LOW & (s * _BY_19)
                y = _LOW & (t * _BY_19)
                s -= 19 * x
                t -= 19 * y
            s >>= 14
            t >>= 14
            n = ptr32(int(n) + 4)
            k = 17
            while k:
                s = n[0] * u + s
                s = n[19] * v + s
                t = n[0] * q + t
                t = n[19] * r + t
                n[-1] = _LOW & s
                n[18] = _LOW & t
                s = s >> 14
                t = t >> 14
                n = ptr32(int(n) + 4)
                k -= 1
            f = (n[0] ^ _SIGN) - _SIGN
            g = (n[19] ^ _SIGN) - _SIGN
            s = f * u + g * v + s + 8 * x
            t = f * q + g * r + t + 8 * y
            n[-1] = _LOW & s
            n[18] = _LOW & t
            n[0] = _LOW & (s >> 14)
            n[19] = _LOW & (t >> 14)
            n = ptr32(int(n) + 80)
            part -= 1
        # Whether g is 0.
        n = ptr32(int(base) + 76)
        k = 19
        while k and n[0] == 0:
            n = ptr32(int(n) + 4)
            k -= 1


@micropython.viper
def _spread(n: ptr32, at: int, data: ptr8):
    """Writes the 32 bytes of `data`, least significant first, as 19 limbs to `n[at]`, and zeros 38 further on."""
    n = ptr32(int(n) + 4 * at)
    word = 0
    filled = 0
    left = 32
    for limb in range(19):
        while filled < 14 and left:
            word |= data[0] << filled
            data = ptr8(int(data) + 1)
            filled += 8
            left -= 1
        n[limb] = _LOW & word
        n[limb + 38] = 0
        word >>= 14
        filled -= 14


@micropython.viper
def _gather(out: ptr8, n: ptr32):
    n = ptr32(int(n) + 4 * 38)
    word = 0
    filled = 0
    for limb in range(19):
        word |= n[limb] << filled
        filled += 14
        while filled >= 8:
            out[0] = word
            out = ptr8(int(out) + 1)
            word >>= 8
            filled -= 8
    out[0] = word


def invert(number: int, scratch: bytearray) -> int:
    """Returns 1 / `number` mod p; 0 for 0, as number^(p - 2) would be. Uses the first 304 bytes of `scratch`."""
    _spread(scratch, 0, _PRIME)
    _spread(scratch, 19, number.to_bytes(32, "little"))
    scratch[4 * 57] = 1
    _divide(scratch, 0, 0)
    out = bytearray(34)
    _gather(out, scratch)
    found = int.from_bytes(out, "little")
    if found >> 265:
        found -= 1 << 266
    # f is 1 or -1: all its limbs are then 0 but the lowest, or ones.
    return (0 - found if scratch[4] else found) % P
