"""The group of Ed25519 (RFC 8032 section 5.1), by programs for `field25519`.

A running sum of points is an area in which X, Y, Z and T of the extended coordinates of section 5.1.4 have their units;
T is there only where an addition follows. An entry is what an addition needs of its second operand: (y + x) / 2,
(y - x) / 2, dxy of an affine point, or Y + X, Y - X, 2dT, 2Z of any other; and in front of it a 16-bit word, 1 to take
the point off.
"""

import micropython
from field25519 import AREA_BYTES, run
from inverse import inverse
from micropython import const
from number25519 import P, get, put, store
from workspace import borrow

ORDER = (1 << 252) + 27742317777372353535851937790883648493
_D = const(0x52036CEE2B6FFE738CC740797779E89800700A4D4141D8AB75EB4DCA135978A3)
_TWICE_D = const(0x2406D9DC56DFFCE7198E80F2EEF3D13000E0149A8283B156EBD69B9426B2F159)
_HIGHEST = const(1 << 255)
_ROOT_OF_MINUS_1 = const(0x2B8324804FC1DF0B2B4D00993DFBD7A72F431806AD2FE478C4EE1B274A0EA0B0)

# As in field25519.
_MULTIPLY = const(0)
_SQUARE = const(1)
_COMBINE = const(2)
_COMBINE_SIGNED = const(3)
_LOAD = const(4)
_COPY = const(5)
_END = const(6)
_NOWHERE = const(255)
_SUMS = const(128)

# Units. Factors are neighbors, three apart: E F, F G, G H, H E; Y - X, Y + X and T each with the entry's own number; Z
# with the entry's, which lies where a doubling has W.
_E = const(0)
_F = const(3)
_G = const(6)
_H = const(9)
_E_AGAIN = const(12)
_DIFFERENCE = const(15)
_ENTRY = const(18)
_SUM = const(21)
_T = const(27)
_X = const(33)
_Y = const(36)
_Z = const(39)
_W = const(42)
# Two units each: these are no factors and have no sums.
_A = const(45)
_B = const(47)
_C = const(49)
_D_UNIT = const(51)

# fmt: off
_POINT = bytes((_MULTIPLY, _E, _X + _SUMS, _MULTIPLY, _F, _Z + _SUMS, _MULTIPLY, _G, _Y + _SUMS))
_POINT_T = _POINT + bytes((_MULTIPLY, _H, _T + _SUMS))
# RFC 8032 section 5.1.4. E = H - (X + Y)^2, F = G + 2 Z^2.
_HALF_DOUBLE = bytes((
    _COMBINE, _X, _Y, _W, _NOWHERE, _SQUARE, _X, _A, _SQUARE, _Y, _B, _SQUARE, _Z, _C, _SQUARE, _W, _D_UNIT,
    _COMBINE, _A, _B, _H, _G, _COMBINE, _H, _D_UNIT, _NOWHERE, _E, _COPY, _E, _E_AGAIN,
    _COMBINE, _G, _C, _F, _NOWHERE, _COMBINE, _F, _C, _F, _NOWHERE,
))
_FACTORS = bytes((_MULTIPLY, _DIFFERENCE, _A, _MULTIPLY, _SUM, _B, _MULTIPLY, _T, _C))
_HALF_ADD = bytes((_COMBINE, _Y, _X, _SUM, _DIFFERENCE, _LOAD, _ENTRY, 3)) + _FACTORS + bytes((
    _COMBINE, _B, _A, _H, _E, _COPY, _E, _E_AGAIN, _COMBINE_SIGNED, _Z, _C, _G, _F,
))
_HALF_ADD_ANY = bytes((_COMBINE, _Y, _X, _SUM, _DIFFERENCE, _LOAD, _ENTRY, 4)) + _FACTORS + bytes((
    _MULTIPLY, _Z, _D_UNIT,
    _COMBINE, _B, _A, _H, _E, _COPY, _E, _E_AGAIN, _COMBINE_SIGNED, _D_UNIT, _C, _G, _F,
))
_STOP = bytes((_END,))

# What a step of a sum consists of. ADD takes entries of affine points, ADD_ANY those of any.
DOUBLE = _HALF_DOUBLE + _POINT + _STOP
DOUBLE_T = _HALF_DOUBLE + _POINT_T + _STOP
ADD = _HALF_ADD + _POINT + _STOP
ADD_T = _HALF_ADD + _POINT_T + _STOP
ADD_ANY = _HALF_ADD_ANY + _POINT + _STOP
ADD_ANY_T = _HALF_ADD_ANY + _POINT_T + _STOP
# The sum that the next entry is.
FIRST = bytes((_LOAD, _ENTRY, 3, _COMBINE, _ENTRY + 6, _ENTRY, _Y, _X, _MULTIPLY, _X, _T + _SUMS, _END))
_TO_ENTRY = bytes((_COMBINE, _Y, _X, _SUM, _DIFFERENCE, _COMBINE, _Z, _Z, _C, _NOWHERE, _MULTIPLY, _T, _A, _END))
# fmt: on
# No memory for what the programs were made of.
del _POINT, _POINT_T, _HALF_DOUBLE, _FACTORS, _HALF_ADD, _HALF_ADD_ANY, _STOP


def _power(z: int) -> int:
    """Returns z^(2^252 - 3) mod p, which the square root is made of."""
    # Unit 0 holds z^(2^n - 1). Squared m times and multiplied by z^(2^m - 1) it becomes z^(2^(n + m) - 1).
    area = borrow(AREA_BYTES)
    put(area, 0, z)
    put(area, 6, z)
    # Squarings, the unit that the factor is taken from before them, and where the product is kept as well.
    for squarings, source, kept in (
        (1, 0, 9), (2, 0, 9), (1, 6, 9), (5, 0, 9), (10, 0, 18), (20, 0, 18), (10, 9, 12), (50, 0, 18), (100, 0, 18),
        (50, 12, 18), (2, 6, 18),
    ):  # fmt: skip
        program = bytes((_COMBINE, source, 15, 3, _NOWHERE)) + bytes((_SQUARE, 0, _SUMS)) * squarings
        program += bytes((_MULTIPLY, 0, _SUMS, _COMBINE, 0, 15, kept, _NOWHERE, _END))
        run(area, 0, area, area, program, program)
    return get(area, 0)


@micropython.viper
def reset(area: ptr32):
    """Makes a sum the neutral element."""
    for at in range(10 * _T, 10 * _W):
        area[at] = 0
    # 1, with its sums.
    area[10 * _Y] = 1
    area[10 * _Y + 20] = 1
    area[10 * _Z] = 1
    area[10 * _Z + 20] = 1


def start(x: int = 0, y: int = 1) -> bytearray:
    """Returns a sum that is the affine point (x, y), the neutral element if none is given."""
    area = borrow(AREA_BYTES)
    reset(area)
    if x or y != 1:
        put(area, _X, x)
        put(area, _Y, y)
        put(area, _T, x * y % P)
    return area


def affine(area: bytearray) -> tuple:
    """Returns (x, y) of a sum; X, Y and Z stay, the rest of the area does not."""
    by_z = inverse(get(area, _Z), P)
    return get(area, _X) * by_z % P, get(area, _Y) * by_z % P


def encode(area: bytearray) -> bytes:
    """Returns the 32 bytes of RFC 8032 section 5.1.2."""
    x, y = affine(area)
    if x & 1:
        y |= _HIGHEST
    return y.to_bytes(32, "little")


def decode(encoded: bytes):
    """Returns (x, y), or None if there is no such point or this is not how RFC 8032 section 5.1.3 writes it."""
    y = int.from_bytes(bytes(encoded), "little")
    sign = y >> 255
    y &= (1 << 255) - 1
    if y >= P:
        return None
    u = (y * y - 1) % P
    v = (_D * (y * y % P) + 1) % P
    v3 = v * v % P * v % P
    x = u * v3 % P * _power(u * v3 % P * v3 % P * v % P) % P
    check = v * (x * x % P) % P
    if check != u:
        if check + u != P:
            return None
        x = x * _ROOT_OF_MINUS_1 % P
    if not x and sign:
        return None
    if x & 1 != sign:
        x = P - x
    return x, y


def is_of_small_order(point: tuple) -> bool:
    """Whether 8 * point is the neutral element."""
    area = start(*point)
    for _ in range(3):
        run(area, 0, area, area, DOUBLE, DOUBLE)
    return not get(area, _X)


def _write_entry(entry: memoryview, area: bytearray) -> None:
    """Writes the four numbers that make an entry of the sum; T has to be there."""
    put(area, _T + 3, _TWICE_D)
    run(area, 0, area, area, _TO_ENTRY, entry)
    for at, unit in ((2, _SUM), (42, _DIFFERENCE), (82, _A), (122, _C)):
        store(entry[at:], area, unit)


def odd_multiples(point: tuple) -> memoryview:
    """Returns the entries of 1, 3, 5 and 7 times the point, 162 bytes each."""
    entries = memoryview(bytearray(4 * 162))
    double = memoryview(bytearray(162))
    area = start(*point)
    run(area, 0, area, area, DOUBLE_T, double)
    _write_entry(double, area)
    area = start(*point)
    _write_entry(entries, area)
    for at in range(162, 648, 162):
        run(area, 0, area, area, ADD_ANY_T, double)
        _write_entry(entries[at:], area)
    return entries
