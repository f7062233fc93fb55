"""The public key of an Ed25519 seed (RFC 8032 section 5.1.5) for CPython: the lock's own runs only as viper code."""

from hashlib import sha512

_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
_BASE_Y = 4 * pow(5, -1, _P) % _P


def _base_x() -> int:
    square = (_BASE_Y * _BASE_Y - 1) * pow(_D * _BASE_Y * _BASE_Y + 1, -1, _P)
    root = pow(square, (_P + 3) // 8, _P)
    if (root * root - square) % _P:
        root = root * pow(2, (_P - 1) // 4, _P) % _P
    return root if root % 2 == 0 else _P - root


def _add(left: tuple, right: tuple) -> tuple:
    """Adds points in extended coordinates, RFC 8032 section 5.1.4."""
    a = (left[1] - left[0]) * (right[1] - right[0]) % _P
    b = (left[1] + left[0]) * (right[1] + right[0]) % _P
    c = 2 * left[3] * right[3] * _D % _P
    d = 2 * left[2] * right[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def public_key(seed: bytes) -> bytes:
    """Returns the 32-byte public key of the 32-byte `seed`."""
    if seed not in _known:
        _known[bytes(seed)] = _public(seed)
    return _known[seed]


# A sweep asks for the same one again and again.
_known: dict = {}


def _public(seed: bytes) -> bytes:
    factor = int.from_bytes(sha512(seed).digest()[:32], "little") & ((1 << 254) - 8) | 1 << 254
    x = _base_x()
    point, power = (0, 1, 1, 0), (x, _BASE_Y, 1, x * _BASE_Y % _P)
    while factor:
        if factor & 1:
            point = _add(point, power)
        power = _add(power, power)
        factor >>= 1
    inverse = pow(point[2], -1, _P)
    x, y = point[0] * inverse % _P, point[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")
