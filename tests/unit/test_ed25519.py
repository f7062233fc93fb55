"""Ed25519 against RFC 8032 section 7.1, and against what must not pass. More peers: tests/interop/test_ed25519.py."""

import gc
from binascii import unhexlify

import comb25519
import ed25519
import edwards25519

_VECTORS = __file__.rpartition("/")[0] + "/data/rfc8032.txt"
_P = (1 << 255) - 19
_SEED = bytes(range(32))

# The points of order 1, 2, 4 and 8, as they are properly encoded.
_SMALL_ORDER = (
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
)


def _vectors():
    with open(_VECTORS) as lines:
        for line in lines:
            if not line.startswith("#"):
                yield [b"" if field == "-" else unhexlify(field) for field in line.split()]


def _little(number: int) -> bytes:
    return number.to_bytes(32, "little")


def test_vectors_of_the_standard():
    count = 0
    for seed, public, message, signature in _vectors():
        assert ed25519.public_key(seed) == public
        assert ed25519.sign(seed, message) == signature
        signer = ed25519.Signer(seed)
        assert signer.public == public
        assert signer.sign(message) == signature and signer.sign(message) == signature
        assert ed25519.verify(public, message, signature)
        count += 1
    assert count == 5


def test_every_flipped_bit_is_refused():
    public = ed25519.public_key(_SEED)
    signature = ed25519.sign(_SEED, b"delivery")
    assert ed25519.verify(public, b"delivery", signature)
    for bit in range(512):
        flipped = bytearray(signature)
        flipped[bit >> 3] ^= 1 << (bit & 7)
        assert not ed25519.verify(public, b"delivery", flipped), bit
    for bit in range(64):
        flipped = bytearray(b"delivery")
        flipped[bit >> 3] ^= 1 << (bit & 7)
        assert not ed25519.verify(public, flipped, signature), bit
    for bit in range(256):
        flipped = bytearray(public)
        flipped[bit >> 3] ^= 1 << (bit & 7)
        assert not ed25519.verify(flipped, b"delivery", signature), bit


def test_another_key_is_refused():
    signature = ed25519.sign(_SEED, b"delivery")
    assert not ed25519.verify(ed25519.public_key(bytes(32)), b"delivery", signature)


def test_wrong_lengths_are_refused_and_not_an_error():
    public = ed25519.public_key(_SEED)
    signature = ed25519.sign(_SEED, b"")
    for length in (0, 1, 31, 33, 64):
        assert not ed25519.verify((public * 2)[:length], b"", signature)
    for length in (0, 1, 32, 63, 65, 128):
        assert not ed25519.verify(public, b"", (signature * 2)[:length])
    for length in (0, 31, 33):
        for call in (lambda seed: ed25519.sign(seed, b""), ed25519.public_key, ed25519.Signer):
            try:
                call(bytes(length))
                raise AssertionError("seed of %d bytes taken" % length)
            except ValueError:
                pass


def test_any_buffer_will_do():
    public = ed25519.public_key(bytearray(_SEED))
    signature = ed25519.sign(memoryview(_SEED), bytearray(b"delivery"))
    assert isinstance(signature, bytes) and isinstance(public, bytes)
    assert ed25519.Signer(memoryview(_SEED)).sign(memoryview(b"delivery")) == signature
    assert ed25519.verify(memoryview(public), memoryview(b"delivery"), bytearray(signature))


def test_answer_at_or_over_the_order_is_refused():
    public = ed25519.public_key(_SEED)
    signature = ed25519.sign(_SEED, b"delivery")
    answer = int.from_bytes(signature[32:], "little")
    for multiple in (1, 2, 8):
        other = answer + multiple * edwards25519.ORDER
        assert not ed25519.verify(public, b"delivery", signature[:32] + _little(other))
    for other in (0, edwards25519.ORDER, (1 << 256) - 1):
        assert not ed25519.verify(public, b"delivery", signature[:32] + _little(other))


def test_keys_of_small_order_are_refused():
    # Under the neutral element R = S * B always holds; S = 1 makes R the base point.
    forged = bytes([0x58]) + bytes([0x66]) * 31 + _little(1)
    for text in _SMALL_ORDER:
        point = edwards25519.decode(unhexlify(text))
        assert point is not None and edwards25519.is_of_small_order(point), text
        for message in (b"", b"delivery", b"anything"):
            assert not ed25519.verify(unhexlify(text), message, forged), text
    assert not edwards25519.is_of_small_order(edwards25519.decode(ed25519.public_key(_SEED)))


def test_only_the_proper_encoding_of_a_point_is_taken():
    on_curve = 0
    for y in range(19):
        if edwards25519.decode(_little(y)) is not None:
            on_curve += 1
        assert edwards25519.decode(_little(_P + y)) is None, y
        assert edwards25519.decode(_little(_P + y | 1 << 255)) is None, y
    assert on_curve
    # x is 0 there, so it has no negative.
    for y in (1, _P - 1):
        assert edwards25519.decode(_little(y)) is not None
        assert edwards25519.decode(_little(y | 1 << 255)) is None


def test_decoding_and_encoding_agree():
    found = 0
    for y in range(2, 60):
        for sign in (0, 1):
            encoded = _little(y | sign << 255)
            point = edwards25519.decode(encoded)
            if point is not None:
                found += 1
                assert edwards25519.encode(edwards25519.start(*point)) == encoded
                x, y_back = point
                # -x^2 + y^2 = 1 + d x^2 y^2 with d = -121665/121666, multiplied out.
                xx, yy = x * x % _P, y_back * y_back % _P
                assert (121666 * (yy - xx - 1) + 121665 * xx * yy) % _P == 0
    assert 20 < found < 116


def _plain_sum(p: tuple, q: tuple) -> tuple:
    """Adds affine points by the definition of the group (RFC 7748 section 4.1), in plain integers."""
    k = -121665 * pow(121666, _P - 2, _P) * p[0] * q[0] * p[1] * q[1] % _P
    x = (p[0] * q[1] + q[0] * p[1]) * pow(1 + k, _P - 2, _P)
    return x % _P, (p[1] * q[1] + p[0] * q[0]) * pow(1 - k, _P - 2, _P) % _P


def _plain_multiple(scalar: int, point: tuple) -> tuple:
    total = (0, 1)
    while scalar:
        if scalar & 1:
            total = _plain_sum(total, point)
        point = _plain_sum(point, point)
        scalar >>= 1
    return total


def _base() -> tuple:
    return edwards25519.decode(bytes([0x58]) + bytes([0x66]) * 31)


def test_the_comb_that_is_written_down():
    powers = []
    point = _base()
    for exponent in range(225):
        if exponent % 32 == 0:
            powers.append(point)
        point = _plain_sum(point, point)
    for number in range(16):
        block = number >> 3
        x, y = powers[6 + block]
        for tooth in range(3):
            other = powers[2 * tooth + block]
            if not number >> tooth & 1:
                other = _P - other[0], other[1]
            x, y = _plain_sum((x, y), other)
        d = -121665 * pow(121666, _P - 2, _P)
        for at, expected in enumerate((y + x, y - x, 2 * d * x * y)):
            piece = comb25519._SMALL_COMB[96 * number + 32 * at : 96 * number + 32 * at + 32]
            found = int.from_bytes(piece, "little")
            assert found < _P and (2 * found - expected) % _P == 0, number


def test_scalars_at_the_edges():
    base = _base()
    order = edwards25519.ORDER
    for scalar in (0, 1, 2, 3, 15, 16, 31, 1 << 51, 1 << 52, (1 << 208) - 1, (1 << 252) - 1, 1 << 252, order - 1):
        fixed = edwards25519.encode(comb25519.combine(scalar))
        assert fixed == edwards25519.encode(comb25519.combine(0, scalar, base)), scalar
        rest = order - scalar if scalar else 0
        assert edwards25519.encode(comb25519.combine(rest, scalar, base)) == _little(1), scalar
    for scalar in (0, 1, 2, 7, 8, 12345):
        expected = _plain_multiple(scalar, base)
        assert edwards25519.affine(comb25519.combine(scalar)) == expected, scalar
        assert edwards25519.affine(comb25519.combine(0, scalar, base)) == expected, scalar


def test_leaves_nothing_behind():
    ed25519.sign(_SEED, b"")
    gc.collect()
    before = gc.mem_alloc()
    for message in (b"", b"delivery"):
        assert ed25519.verify(ed25519.public_key(_SEED), message, ed25519.sign(_SEED, message))
    gc.collect()
    assert gc.mem_alloc() - before < 512
