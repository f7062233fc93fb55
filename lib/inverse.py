"""Inverses modulo a number of at most 256 bits, such as a curve's prime or its order.

Lehmer's form of Euclid's extended algorithm (Knuth, TAOCP volume 2, section 4.5.2, algorithm L): the quotients of many
steps are found from the leading 27 bits, and carried out on the long numbers at once. Nothing long is allocated.
"""

import micropython
from micropython import const

# A number is 20 limbs of 13 bits, a word each; two more are there to be read and are zero.
_LIMBS = const(22)
_LIMB_MASK = const(8191)
_BYTES = const(33)
# Times a limb it stays below 2^30.
_LARGEST_FACTOR = const((1 << 17) - 1)
# A quotient beyond this would take too many such factors.
_MOST = const(1 << 21)


@micropython.viper
def _spread(words: ptr32, data: ptr8, number: int):
    words = ptr32(int(words) + 4 * _LIMBS * number)
    shift = 0
    for i in range(20):
        words[i] = (data[0] | data[1] << 8 | data[2] << 16) >> shift & _LIMB_MASK
        shift += 13
        data = ptr8(int(data) + (shift >> 3))
        shift &= 7


@micropython.viper
def _gather(data: ptr8, words: ptr32, number: int):
    words = ptr32(int(words) + 4 * _LIMBS * number)
    bits = 0
    filled = 0
    at = 0
    for i in range(20):
        bits |= words[i] << filled
        filled += 13
        while filled >= 8 and at < _BYTES:
            data[at] = bits
            at += 1
            bits >>= 8
            filled -= 8


@micropython.viper
def _reduce(u: ptr32, v: ptr32) -> int:  # noqa: C901
    """Runs on u >= v > 0, r = 0 and s = 1, as they lie in memory, until v is 0 and u the greatest common divisor.

    Keeps v0 * r = +-u modulo u0. Returns 0 for +, 1 for -, or 2 where a quotient is too great for this.
    """
    v = ptr32(int(u) + 4 * _LIMBS)
    r = ptr32(int(u) + 8 * _LIMBS)
    s = ptr32(int(u) + 12 * _LIMBS)
    sign = 1
    top = 19
    while True:
        while top and not u[top] | v[top]:
            top -= 1
        at = top
        while at and u[at] == v[at]:
            at -= 1
        if u[at] < v[at]:
            sign ^= 1
            for i in range(20):
                low = u[i]
                u[i] = v[i]
                v[i] = low
                low = r[i]
                r[i] = s[i]
                s[i] = low
            continue
        # Only two limbs left: what follows is exact.
        is_short = top < 2
        if is_short:
            x = u[1] << 13 | u[0]
            y = v[1] << 13 | v[0]
            if y == 0:
                return sign
        else:
            n = 0
            while not u[top] << n & 4096:
                n += 1
            x = u[top] << (14 + n) | u[top - 1] << (1 + n) | u[top - 2] << n >> 12
            y = v[top] << (14 + n) | v[top - 1] << (1 + n) | v[top - 2] << n >> 12
        # u becomes a * u - b * v, v becomes d * v - c * u, or minus that after an odd number of steps.
        a = 1
        b = 0
        c = 0
        d = 1
        odd = 0
        while y:
            q = x // y
            if q > _LIMB_MASK:
                break
            rest = x - q * y
            low = a + q * c
            high = b + q * d
            # A quotient is certain if it holds whatever the bits left out are (Jebelean's condition, tightened).
            if high > _LIMB_MASK or not is_short and (rest < high or y - rest < high + d):
                break
            x = y
            y = rest
            a = c
            b = d
            c = low
            d = high
            odd ^= 1
        if b == 0:
            # Not even the first quotient is certain, or it is great: take off less, so that u may stay above v.
            b = x // (y + 1)
            if b > _MOST:
                return 2
            if b > _LARGEST_FACTOR:
                b = _LARGEST_FACTOR
            if b == 0:
                b = 1
        sign ^= odd
        x = 0
        y = 0
        q = 0
        rest = 0
        for i in range(20):
            low = u[i]
            high = v[i]
            if odd:
                x += b * high - a * low
                y += c * low - d * high
            else:
                x += a * low - b * high
                y += d * high - c * low
            u[i] = x & _LIMB_MASK
            v[i] = y & _LIMB_MASK
            x >>= 13
            y >>= 13
            low = r[i]
            high = s[i]
            q += a * low + b * high
            rest += c * low + d * high
            r[i] = q & _LIMB_MASK
            s[i] = rest & _LIMB_MASK
            q >>= 13
            rest >>= 13


def inverse(number: int, modulus: int) -> int:
    """Returns 1 / number modulo a prime below 2^256, for a number from 1 to modulus - 1."""
    words = bytearray(16 * _LIMBS)
    _spread(words, modulus.to_bytes(_BYTES, "little"), 0)
    _spread(words, number.to_bytes(_BYTES, "little"), 1)
    words[12 * _LIMBS] = 1
    sign = _reduce(words, words)
    if sign == 2:
        return _plain_inverse(number, modulus)
    data = bytearray(_BYTES)
    _gather(data, words, 2)
    found = int.from_bytes(data, "little")
    return modulus - found if sign else found


def _plain_inverse(number: int, modulus: int) -> int:
    """Allocates 40 KB in small pieces, for one number in some ten thousand."""
    high, low = modulus, number
    last, factor = 0, 1
    while low > 1:
        quotient, rest = divmod(high, low)
        high, low = low, rest
        last, factor = factor, last - quotient * factor
    return factor % modulus
