"""Keys known ahead: their tables, and that verdicts by tables are those without."""

import gc
from binascii import unhexlify
from io import BytesIO

import comb25519
import ed25519
import edwards25519
import table25519

_VECTORS = __file__.rpartition("/")[0] + "/data/rfc8032.txt"
_P = (1 << 255) - 19
_D = -121665 * pow(121666, _P - 2, _P) % _P
_SEED = bytes(range(32))


class BytesTable:
    """A table in memory."""

    def __init__(self, public: bytes) -> None:
        # Room for it in one piece: what grows is moved.
        self.stream = BytesIO(table25519.TABLE_BYTES)
        table25519.build(public, self.stream.write)
        assert self.stream.tell() == table25519.TABLE_BYTES

    def read_into(self, offset: int, buffer) -> None:
        self.stream.seek(offset)
        assert self.stream.readinto(buffer) == len(buffer)


class StuckTable:
    """Says the same wherever it is read."""

    def __init__(self, piece: bytes) -> None:
        self._piece = piece

    def read_into(self, offset: int, buffer) -> None:
        buffer[:] = self._piece


def _prepared() -> tuple:
    public = ed25519.public_key(_SEED)
    return public, ed25519.Prepared(public, BytesTable(public), BytesTable(table25519.BASE))


def _sum(p: tuple, q: tuple) -> tuple:
    """Adds in extended coordinates, RFC 8032 section 5.1.4, in plain integers."""
    a = (p[1] - p[0]) * (q[1] - q[0]) % _P
    b = (p[1] + p[0]) * (q[1] + q[0]) % _P
    c = 2 * p[3] * q[3] * _D % _P
    d = 2 * p[2] * q[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _extended(point: tuple) -> tuple:
    return point[0], point[1], 1, point[0] * point[1] % _P


def _affine(point: tuple) -> tuple:
    inverse = pow(point[2], _P - 2, _P)
    return point[0] * inverse % _P, point[1] * inverse % _P


def _multiple(scalar: int, point: tuple) -> tuple:
    total = (0, 1, 1, 0)
    point = _extended(point)
    while scalar:
        if scalar & 1:
            total = _sum(total, point)
        point = _sum(point, point)
        scalar >>= 1
    return _affine(total)


def test_table_holds_what_it_says():
    public = ed25519.public_key(_SEED)
    point = edwards25519.decode(public)
    data = BytesTable(public).stream.getvalue()
    for number in (0, 1, 2, 31, 63, 64, 101, 127):
        scalar = 1 << 216
        for tooth in range(6):
            scalar += (1 if number >> tooth & 1 else -1) << 36 * tooth
        x, y = _multiple(scalar << 18 * (number >> 6), point)
        for at, expected in enumerate((y + x, y - x, 2 * _D * x * y)):
            found = 0
            for limb in range(20):
                start = 120 * number + 40 * at + 2 * limb
                part = int.from_bytes(data[start : start + 2], "little")
                assert part < 8192
                found |= part << 13 * limb
            assert found < _P and (2 * found - expected) % _P == 0, number


def test_vectors_of_the_standard():
    base = BytesTable(table25519.BASE)
    with open(_VECTORS) as lines:
        for line in lines:
            if line.startswith("#"):
                continue
            _, public, message, signature = [b"" if field == "-" else unhexlify(field) for field in line.split()]
            # A whole table is much to ask for among the remains of the last one.
            prepared = None
            gc.collect()
            prepared = ed25519.Prepared(public, BytesTable(public), base)
            assert prepared.verify(message, signature)
            assert prepared.verify(memoryview(message), memoryview(signature))
            assert prepared.verify(bytearray(message), bytearray(signature))
            assert not prepared.verify(message + b"\0", signature)


def test_every_flipped_bit_is_refused():
    _, prepared = _prepared()
    signature = ed25519.sign(_SEED, b"delivery")
    assert prepared.verify(b"delivery", signature)
    for bit in range(512):
        flipped = bytearray(signature)
        flipped[bit >> 3] ^= 1 << (bit & 7)
        assert not prepared.verify(b"delivery", flipped), bit
    for bit in range(64):
        flipped = bytearray(b"delivery")
        flipped[bit >> 3] ^= 1 << (bit & 7)
        assert not prepared.verify(flipped, signature), bit


def test_lengths_and_large_answers_are_refused():
    _, prepared = _prepared()
    signature = ed25519.sign(_SEED, b"")
    for length in (0, 1, 32, 63, 65, 128):
        assert not prepared.verify(b"", (signature * 2)[:length])
    answer = int.from_bytes(signature[32:], "little")
    for other in (answer + edwards25519.ORDER, 0, 2, 1 << 252, edwards25519.ORDER - 1, (1 << 256) - 1):
        assert not prepared.verify(b"", signature[:32] + other.to_bytes(32, "little"))


def test_scalars_at_the_edges():
    base = BytesTable(table25519.BASE)
    point = edwards25519.decode(table25519.BASE)
    order = edwards25519.ORDER
    beyond = order - (1 << 252)
    # For an even number below `beyond`, and an odd one of 2^252 or more, a comb of 252 bits has no signs.
    for scalar in (0, 2, beyond - 1, 1 << 252 | 1, order - 2):
        assert comb25519.combine_prepared(scalar, base, 1, base) is None, scalar
        assert comb25519.combine_prepared(1, base, scalar, base) is None, scalar
    for scalar in (1, 3, beyond, beyond + 1, beyond + 2, (1 << 252) - 1, 1 << 252, order - 1, 0x1234567 << 200):
        for other in (1, order - 1, 0x7654321 << 201):
            found = edwards25519.affine(comb25519.combine_prepared(scalar, base, other, base))
            assert found == _multiple((scalar - other) % order, point), (scalar, other)


def test_keys_that_have_no_table_are_refused():
    order_8 = edwards25519.decode(unhexlify("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"))
    key = edwards25519.decode(ed25519.public_key(_SEED))
    mixed = _affine(_sum(_extended(key), _extended(order_8)))
    pieces = []
    for public in (
        edwards25519.encode(edwards25519.start(*mixed)),
        edwards25519.encode(edwards25519.start(*order_8)),
        bytes([1]) + bytes(31),
        bytes([2]) + bytes(31),
        bytes([0xEE]) + b"\xff" * 30 + b"\x7f",
    ):
        try:
            table25519.build(public, pieces.append)
            raise AssertionError("a table was made")
        except ValueError:
            pass
    assert not pieces


def test_a_damaged_table_lets_nothing_in():
    public, good = _prepared()
    signature = ed25519.sign(_SEED, b"delivery")
    for piece in (bytes(120), b"\xff" * 120):
        stuck = StuckTable(piece)
        for key, base in ((stuck, good._base), (good._table, stuck), (stuck, stuck)):
            assert not ed25519.Prepared(public, key, base).verify(b"delivery", signature)
    other = ed25519.public_key(bytes(32))
    assert not ed25519.Prepared(other, good._table, good._base).verify(b"delivery", signature)


def test_garbage_of_a_verification():
    _, prepared = _prepared()
    message = bytes(96)
    signature = ed25519.sign(_SEED, message)
    prepared.verify(message, signature)
    gc.collect()
    gc.disable()
    try:
        before = gc.mem_alloc()
        verdict = prepared.verify(message, signature)
        garbage = gc.mem_alloc() - before
    finally:
        gc.enable()
    gc.collect()
    assert verdict and garbage <= 8192, garbage
    assert gc.mem_alloc() - before < 512
