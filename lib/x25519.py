"""X25519 (RFC 7748 section 5): a secret that two have in common, by a ladder of programs for `field25519`.

Secrets: the same steps at the same addresses whatever the secret is. What the inversion at the end sees of it is
multiplied by a number that nobody knows. Python cannot wipe what it computed; the working memory is wiped.
"""

from hashlib import sha256

import comb25519
from edwards25519 import ORDER
from field25519 import AREA_BYTES, run
from inverse import inverse
from micropython import const
from number25519 import P, get, put
from workspace import borrow

_LOW_BITS = const((1 << 255) - 1)
_STEPS = const(5)
_ROUNDS = const(51)

# As in field25519.
_MULTIPLY = const(0)
_SQUARE = const(1)
_COMBINE = const(2)
_END = const(6)
_SWAP = const(7)
_SCALE = const(8)
_NOWHERE = const(255)
_SUMS = const(128)
# As in edwards25519.
_EDWARDS_Y = const(36)
_EDWARDS_Z = const(39)

# Units, with the names of RFC 7748. Factors are neighbors, three apart: D A, C B, AA BB, E F, G X1.
_D = const(0)
_A = const(3)
_C = const(6)
_B = const(9)
_AA = const(12)
_BB = const(15)
_E = const(18)
_F = const(21)
_G = const(24)
_X1 = const(27)
# Two units each: these are no factors and have no sums. Pairs change places as a whole.
_X2 = const(30)
_Z2 = const(32)
_X3 = const(34)
_Z3 = const(36)
_DA = const(38)
_CB = const(40)
_PLUS = const(42)
_MINUS = const(45)

# fmt: off
_STEP = bytes((
    _SWAP, _X2, _X3,
    _COMBINE, _X2, _Z2, _A, _B, _COMBINE, _X3, _Z3, _C, _D,
    _MULTIPLY, _D, _DA, _MULTIPLY, _C, _CB, _SQUARE, _A, _AA + _SUMS, _SQUARE, _B, _BB + _SUMS,
    _MULTIPLY, _AA, _X2, _COMBINE, _AA, _BB, _NOWHERE, _E, _SCALE, _E, _BB, _F, _MULTIPLY, _E, _Z2,
    _COMBINE, _DA, _CB, _PLUS, _MINUS, _SQUARE, _PLUS, _X3, _SQUARE, _MINUS, _G + _SUMS, _MULTIPLY, _G, _Z3,
))
_LADDER = _STEP * _STEPS + bytes((_END,))
# fmt: on
del _STEP


def public(secret: bytes) -> bytes:
    """Returns the 32-byte public key of `secret`, 32 random bytes: `shared` with 9, at half the price."""
    # Of the base point all multiples are in a table, as those of its other form.
    area = comb25519.combine(_scalar(secret) % ORDER)
    y = get(area, _EDWARDS_Y)
    z = get(area, _EDWARDS_Z)
    return _end(z + y, z - y)


def shared(secret: bytes, public: bytes):
    """Returns the 32-byte X25519(secret, public), or None if that is zero: for the keys of small order."""
    u = int.from_bytes(public, "little") & _LOW_BITS
    blind = int.from_bytes(sha256(b"x25519" + secret + public).digest(), "little") % P
    # Bit i says whether the pairs are the other way round than for bit i + 1.
    scalar = _scalar(secret)
    swaps = (scalar ^ scalar << 1).to_bytes(33, "little")
    area = borrow(AREA_BYTES)
    for unit, number in ((_X1, u), (_X2, 1), (_Z2, 0), (_X3, u * blind % P), (_Z3, blind)):
        put(area, unit, number)
    entry = bytearray(2 * _STEPS)
    for at in range(_STEPS * _ROUNDS, 0, -_STEPS):
        for step in range(_STEPS):
            bit = at - step
            entry[2 * step] = swaps[bit >> 3] >> (bit & 7) & 1
        run(area, 0, area, area, _LADDER, entry)
    # The last bit is zero: what is asked for is in its place.
    made = _end(get(area, _X2), get(area, _Z2))
    return made if any(made) else None


def _scalar(secret: bytes) -> int:
    """Returns the number that RFC 7748 section 5 makes of 32 bytes."""
    return int.from_bytes(secret, "little") & ((1 << 254) - 8) | 1 << 254


def _end(above: int, below: int) -> bytes:
    """Wipes the memory; returns `above` / `below` as 32 bytes, zeros for a `below` of zero."""
    borrow(AREA_BYTES)
    below %= P
    return (above * inverse(below, P) % P if below else 0).to_bytes(32, "little")
