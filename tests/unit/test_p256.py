"""P-256 against RFC 6979 section A.2.5, and against what must not pass. More peers: tests/interop/test_p256.py."""

import gc
from binascii import unhexlify

import p256
import p256_field
import p256_point
import p256_table

_P = (1 << 256) - (1 << 224) + (1 << 192) + (1 << 96) - 1
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_PUBLIC = unhexlify(
    "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
    "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
)
_SIGNATURE = unhexlify(
    "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
    "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
)
_OTHER_SIGNATURE = unhexlify(
    "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367"
    "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083"
)
_BASE_X = 0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296
_BASE_Y = 0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5


def _flipped(data: bytes, bit: int) -> bytes:
    flipped = bytearray(data)
    flipped[bit >> 3] ^= 1 << (bit & 7)
    return bytes(flipped)


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def test_signatures_of_the_standard():
    assert p256.verify(_PUBLIC, b"sample", _SIGNATURE)
    assert p256.verify(_PUBLIC, b"test", _OTHER_SIGNATURE)
    assert not p256.verify(_PUBLIC, b"test", _SIGNATURE)
    assert not p256.verify(_PUBLIC, b"sample", _OTHER_SIGNATURE)


def test_every_flipped_bit_of_a_signature_is_refused():
    for bit in range(512):
        assert not p256.verify(_PUBLIC, b"sample", _flipped(_SIGNATURE, bit)), bit


def test_flipped_bits_of_key_and_message_are_refused():
    for bit in range(48):
        assert not p256.verify(_PUBLIC, _flipped(b"sample", bit), _SIGNATURE), bit
    for bit in range(512):
        assert not p256.is_on_curve(_flipped(_PUBLIC, bit)), bit
        assert bit % 8 or not p256.verify(_flipped(_PUBLIC, bit), b"sample", _SIGNATURE), bit


def test_opposite_key_is_refused_and_opposite_s_is_not():
    opposite = _PUBLIC[:32] + (_P - _number(_PUBLIC[32:])).to_bytes(32, "big")
    assert p256.is_on_curve(opposite)
    assert not p256.verify(opposite, b"sample", _SIGNATURE)
    # (r, -s) holds wherever (r, s) does: the standard has no way to tell them apart.
    s = _number(_SIGNATURE[32:])
    assert p256.verify(_PUBLIC, b"sample", _SIGNATURE[:32] + (_ORDER - s).to_bytes(32, "big"))


def test_numbers_out_of_range_are_refused():
    r, s = _SIGNATURE[:32], _SIGNATURE[32:]
    for number in (0, _ORDER, _ORDER + 1, (1 << 256) - 1):
        wrong = number.to_bytes(32, "big")
        assert not p256.verify(_PUBLIC, b"sample", wrong + s)
        assert not p256.verify(_PUBLIC, b"sample", r + wrong)
        assert not p256.verify(_PUBLIC, b"sample", wrong + wrong)


def test_wrong_lengths_are_refused_and_not_an_error():
    for length in (0, 1, 32, 63, 65, 128):
        assert not p256.verify((_PUBLIC * 2)[:length], b"sample", _SIGNATURE)
        assert not p256.verify(_PUBLIC, b"sample", (_SIGNATURE * 2)[:length])
        assert not p256.is_on_curve((_PUBLIC * 2)[:length])


def test_any_buffer_will_do():
    assert p256.verify(bytearray(_PUBLIC), memoryview(b"sample"), memoryview(_SIGNATURE))


def _add(left: tuple, right: tuple) -> tuple:
    """Adds affine points the schoolbook way; inverses by Fermat."""
    if left == right:
        slope = (3 * left[0] * left[0] - 3) * _power(2 * left[1])
    else:
        slope = (right[1] - left[1]) * _power(right[0] - left[0])
    x = (slope * slope - left[0] - right[0]) % _P
    return x, (slope * (left[0] - x) - left[1]) % _P


def _power(number: int) -> int:
    """Returns number^(p - 2)."""
    result = 1
    for bit in range(255, -1, -1):
        result = result * result % _P
        if (_P - 2) >> bit & 1:
            result = result * number % _P
    return result


def _limbs(data: bytes) -> int:
    """Returns the number that 20 limbs of two bytes make, modulo p."""
    return sum((data[at] | data[at + 1] << 8) << 13 * (at >> 1) for at in range(0, 40, 2)) % _P


def test_tables_hold_the_multiples_they_say():
    point = p256_point.Point()
    assert point.enter(_BASE_X, _BASE_Y)
    table = point.tabulate()
    assert [len(piece) for piece in table] == [320] * 4
    table = b"".join([bytes(piece) for piece in table])
    assert len(p256_table.BASE) == 1280
    first = (_BASE_X, _BASE_Y)
    for piece in range(4):
        point = first
        double = _add(point, point)
        for number in range(4 * piece, 4 * piece + 4):
            for entries in (table, p256_table.BASE):
                entry = entries[80 * number : 80 * number + 80]
                assert _limbs(entry[:40]) == (point[0] << 260) % _P, number
                assert _limbs(entry[40:]) == (point[1] << 261) % _P, number
            point = _add(point, double)
        for _ in range(64):
            first = _add(first, first)


def _combined(base_factor: int, factor: int):
    """Returns the sum of both multiples of the base point, or None if it is the neutral element."""
    point = p256_point.Point()
    table = [p256_table.BASE[at : at + 320] for at in range(0, 1280, 320)]
    return point if point.combine(base_factor, factor, table) else None


def test_small_multiples_of_the_base():
    expected = (_BASE_X, _BASE_Y)
    for factor in range(1, 41):
        for split in (0, 1, factor // 2, factor):
            point = _combined(factor - split, split)
            assert point.has_x(expected[0]), (factor, split)
            assert not point.has_x(expected[0] ^ 1)
        expected = _add(expected, (_BASE_X, _BASE_Y))


def test_pieces_of_factors():
    # Ones and gaps where one piece ends and the next begins; the sum of both factors is what counts.
    for one, other in (
        (1 << 64, (1 << 64) - 1),
        ((1 << 256) - 1, 1),
        ((1 << 128) - 1, 1 << 192),
        ((1 << 255) | (1 << 63), (1 << 191) - 1),
        (0xF0F0F0F0F0F0F0F1, 0x8888888888888888 << 128),
    ):
        total = (one + other) % _ORDER
        # Read at once: the next sum has the same memory.
        expected = _x_of(_combined(0, total))
        parts = _combined(one, other)
        assert expected == _x_of(parts), (one, other)
    assert _combined(0, 0) is None
    assert _combined(5, _ORDER - 5) is None
    assert _combined(_ORDER - 1, 1) is None


def _x_of(point) -> int:
    """Returns the affine x, by Fermat's inverse of Z^2."""
    data = bytearray(33)
    p256_field.store(point._memory, data, 0)
    x = int.from_bytes(data, "little")
    p256_field.store(point._memory, data, 2)
    z = int.from_bytes(data, "little")
    # Montgomery's factor is in x once and in Z^2 twice.
    return x * _power(z * z) * (1 << 260) % _P


def test_prepared_keys():
    prepared = p256.prepare(_PUBLIC)
    # One key, any number of signatures, in any order.
    for _ in range(2):
        assert p256.verify_prepared(prepared, b"sample", _SIGNATURE)
        assert p256.verify_prepared(prepared, b"test", _OTHER_SIGNATURE)
        assert not p256.verify_prepared(prepared, b"test", _SIGNATURE)
    for length in (0, 63, 65):
        assert not p256.verify_prepared(prepared, b"sample", (_SIGNATURE * 2)[:length])
        assert p256.prepare((_PUBLIC * 2)[:length]) is None
    assert p256.prepare(_flipped(_PUBLIC, 7)) is None
    assert p256.prepare(bytes(64)) is None


def test_x_is_compared_modulo_the_order():
    # The x of a point may be r or r + order, if that is below p: Wycheproof has a signature of the latter kind.
    point = _combined(1, 0)
    assert point.has_x(_BASE_X)
    assert not point.has_x(_BASE_X + _P)
    assert not point.has_x(0)


def _garbage(work) -> int:
    """Returns how many bytes `work` allocates."""
    work()
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    work()
    allocated = gc.mem_alloc() - before
    gc.enable()
    return allocated


def test_garbage_of_a_verification():
    prepared = p256.prepare(_PUBLIC)
    assert _garbage(lambda: p256.prepare(_PUBLIC)) <= 8192
    assert _garbage(lambda: p256.verify_prepared(prepared, b"sample", _SIGNATURE)) <= 4096


def test_leaves_nothing_behind():
    p256.verify(_PUBLIC, b"sample", _SIGNATURE)
    gc.collect()
    before = gc.mem_alloc()
    for message in (b"sample", b"test"):
        p256.verify(_PUBLIC, message, _SIGNATURE)
    gc.collect()
    assert gc.mem_alloc() - before < 256
