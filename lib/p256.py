"""ECDSA signatures with P-256 and SHA-256 (FIPS 186-5 section 6.4), checked. The curve is SP 800-186's P-256.

No secrets are involved, so nothing here or below takes the same time for all inputs.
"""

from hashlib import sha256

import p256_point
from constant import const
from inverse import inverse

_ORDER = const(0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551)


def is_on_curve(public_xy: bytes) -> bool:
    """Whether the 64 bytes are the big-endian coordinates, both below p, of a point of P-256."""
    return len(public_xy) == 64 and p256_point.Point().enter(*_halves(public_xy))


def prepare(public_xy: bytes):
    """Returns what `verify_prepared` needs of a key, four times 320 bytes; None if it is none: see `is_on_curve`.

    It is half of a verification's work, and can be done before there is a signature.
    """
    point = p256_point.Point()
    if len(public_xy) != 64 or not point.enter(*_halves(public_xy)):
        return None
    return point.tabulate()


def verify_prepared(prepared: list, message: bytes, signature_rs: bytes) -> bool:
    """Whether the 64-byte signature r, s over `message` is that of the key that was prepared.

    Numbers are big-endian. False, not an error, for any other bytes: other lengths, r or s not between 1 and the order
    minus 1. Both s and its negative pass, as the standard has it.
    """
    if len(signature_rs) != 64:
        return False
    r, s = _halves(signature_rs)
    if not 0 < r < _ORDER or not 0 < s < _ORDER:
        return False
    s = inverse(s, _ORDER)
    hashed = int.from_bytes(sha256(message).digest(), "big") * s % _ORDER
    point = p256_point.Point()
    if not point.combine(hashed, r * s % _ORDER, prepared):
        return False
    # r is x modulo the order, which is a little less than p.
    return point.has_x(r) or point.has_x(r + _ORDER)


def verify(public_xy: bytes, message: bytes, signature_rs: bytes) -> bool:
    """Whether `signature_rs` is that of the key with the 64-byte coordinates x, y: `prepare` and `verify_prepared`."""
    prepared = prepare(public_xy)
    return prepared is not None and verify_prepared(prepared, message, signature_rs)


def _halves(data: bytes) -> tuple:
    return int.from_bytes(data[:32], "big"), int.from_bytes(data[32:], "big")
