"""Makes the table of a point that `comb25519.combine_prepared` reads: once for a key, on the board that will use it.

TABLE_BYTES in all: 128 entries of 120 bytes. Entry 64 * b + e is the affine point 2^(18 b) * (2^216 +- 2^180 +- 2^144
+- 2^108 +- 2^72 +- 2^36 +- 1) * A, where bit t of e says that 2^(36 t) is added, not taken off. It is written as
(y + x) / 2, (y - x) / 2 and dxy modulo p, each as 20 little-endian 16-bit numbers: its 13-bit limbs, the lowest first.
"""

import edwards25519
from edwards25519 import ADD_T, DOUBLE, DOUBLE_T, FIRST, ORDER
from field25519 import run
from micropython import const
from number25519 import P, unpack

TABLE_BYTES = 128 * 120
# The base point, as a public key.
BASE = b"\x58" + b"\x66" * 31

_TEETH = const(7)
_COLUMNS = const(18)
_ENTRY_BYTES = const(122)
_ONES = const(0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF)
_D = const(0x52036CEE2B6FFE738CC740797779E89800700A4D4141D8AB75EB4DCA135978A3)


def _write_entry(entry: bytearray, area: bytearray) -> None:
    """Writes the entry of a sum."""
    x, y = edwards25519.affine(area)
    numbers = b""
    for number in (y + x, y - x, 2 * _D * x * y):
        # Halved: an odd number is made even by the odd p.
        number %= P
        numbers += ((number + P * (number & 1)) >> 1).to_bytes(32, "little")
    unpack(memoryview(entry)[2:], numbers, 0, 3)


def _teeth(area: bytearray) -> tuple:
    """Returns (entries of 2^(18 u) times the sum for u = 0 to 14, entries of the doubles of the first 12)."""
    singles = []
    doubles = []
    for tooth in range(2 * _TEETH + 1):
        singles.append(bytearray(_ENTRY_BYTES))
        _write_entry(singles[-1], area)
        for doubling in range(_COLUMNS):
            run(area, 0, area, area, DOUBLE, area)
            if not doubling and tooth < 2 * _TEETH - 2:
                doubles.append(bytearray(_ENTRY_BYTES))
                _write_entry(doubles[-1], area)
    return singles, doubles


def _add(area: bytearray, entry: bytearray, is_minus: bool) -> None:
    entry[0] = is_minus
    run(area, 0, area, area, ADD_T, entry)


def _is_of_the_order(area: bytearray, singles: list) -> bool:
    """Whether ORDER times the point is the neutral element; 2^252 times it is the last tooth."""
    bits = (ORDER - (1 << 252) + _ONES) >> 1
    edwards25519.reset(area)
    for column in range(_COLUMNS - 1, -1, -1):
        run(area, 0, area, area, DOUBLE_T, area)
        for tooth in range(2 * _TEETH):
            _add(area, singles[tooth], not bits >> (_COLUMNS * tooth + column) & 1)
    _add(area, singles[2 * _TEETH], False)
    return edwards25519.affine(area) == (0, 1)


def build(public: bytes, write) -> None:
    """Calls `write(piece)` 128 times, with an entry in a buffer that is used again; about 70 M instructions.

    `public` is a public key or BASE. Raises ValueError if it is no point, or one whose order is not that of the base
    point: for those a comb, which counts modulo this order, gives other verdicts than the equation.
    """
    point = edwards25519.decode(public)
    if point is None:
        raise ValueError("not a public key")
    area = edwards25519.start(*point)
    singles, doubles = _teeth(area)
    # The neutral element is of every order.
    if point == (0, 1) or not _is_of_the_order(area, singles):
        raise ValueError("a key of another order")
    entry = bytearray(_ENTRY_BYTES)
    for block in range(2):
        top = singles[2 * _TEETH - 2 + block]
        top[0] = 0
        edwards25519.reset(area)
        run(area, 0, area, area, FIRST, top)
        for tooth in range(_TEETH - 1):
            _add(area, singles[2 * tooth + block], True)
        for number in range(1 << (_TEETH - 1)):
            # From one number to the next some low ones become zeros, and a zero becomes a one.
            flips = (number ^ (number - 1)) if number else 0
            for tooth in range(_TEETH - 1):
                if flips >> tooth & 1:
                    _add(area, doubles[2 * tooth + block], not number >> tooth & 1)
            _write_entry(entry, area)
            write(memoryview(entry)[2:])
