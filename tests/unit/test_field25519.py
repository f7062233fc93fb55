"""Arithmetic modulo 2^255 - 19 against Python's integers, where carries run far and numbers are as large as can be."""

from random import getrandbits

from field25519 import AREA_BYTES, run
from inverse import inverse
from number25519 import P, get, put, store

_EDGES = (0, 1, 2, 19, 607, 608, P - 1, P, P + 1, 2 * P, (1 << 255) - 1, 1 << 255, (1 << 256) - 1, (1 << 256) - 38)
_ALL = b"\xff" * 40


def _numbers(count: int):
    yield from _EDGES
    for _ in range(count):
        number = 0
        for _ in range(16):
            number = number << 16 | getrandbits(16)
        yield number


def _pairs():
    for left in _EDGES:
        for right in _EDGES:
            yield left, right
    yield from zip(_numbers(100), reversed(list(_numbers(100))))


def _limbs(area: bytearray, unit: int) -> list:
    words = [int.from_bytes(area[at : at + 4], "little") for at in range(40 * unit, 40 * unit + 120, 4)]
    assert all(words[20 + at] == words[at] + words[10 + at] for at in range(10)), words
    return words[:20]


def _is_small(limbs: list) -> bool:
    return limbs[0] <= 10015 and all(limb <= 8194 for limb in limbs[1:])


# Multiply units 0 and 3 to 6, square 0 to 9, sum and difference of 0 and 3 to 12 and 15, the difference also to 0.
_PROGRAM = bytes((0, 0, 134, 1, 0, 137, 2, 0, 3, 12, 15, 2, 0, 3, 255, 0, 6))


def test_operations_are_those_of_integers():
    area = bytearray(AREA_BYTES)
    for left, right in _pairs():
        put(area, 0, left)
        put(area, 3, right)
        run(area, 0, area, area, _PROGRAM, b"")
        found = [get(area, unit) for unit in (6, 9, 12, 15, 0)]
        expected = (left * right, left * left, left + right, left - right, left - right)
        assert found == [number % P for number in expected], (left, right)
        for unit in (6, 9, 12, 15, 0):
            assert _is_small(_limbs(area, unit)), (left, right, unit)


def test_the_largest_limbs_do_no_harm():
    # What `run` may be given by itself: every limb at its bound.
    largest = bytearray()
    for limb in [10015] + [8194] * 19 + [18209] + [16388] * 9:
        largest += limb.to_bytes(4, "little")
    number = sum(limb << 13 * at for at, limb in enumerate([10015] + [8194] * 19))
    area = bytearray(AREA_BYTES)
    for left, right in ((largest, largest), (largest, bytes(120)), (bytes(120), largest)):
        area[:120] = left
        area[120:240] = right
        run(area, 0, area, area, _PROGRAM, b"")
        a = number if left is largest else 0
        b = number if right is largest else 0
        found = [get(area, unit) for unit in (6, 9, 12, 15)]
        assert found == [n % P for n in (a * b, a * a, a + b, a - b)]
        for unit in (6, 9, 12, 15):
            assert _is_small(_limbs(area, unit)), unit


def test_a_loaded_entry_is_what_was_stored():
    area = bytearray(AREA_BYTES)
    entry = memoryview(bytearray(2 + 160))
    for unit, number in ((6, 11), (9, P - 1), (12, 13), (15, 1 << 254)):
        put(area, unit, number)
    for at, unit in enumerate((6, 9, 12, 15)):
        store(entry[2 + 40 * at :], area, unit)
    # Load to 18; then sum and difference of 30 and 42, signed, to 0 and 3.
    program = bytes((4, 18, 4, 3, 30, 42, 0, 3, 6))
    run(area, 0, area, area, program, entry)
    assert [get(area, unit) for unit in (24, 18, 30, 42)] == [11, P - 1, 13, 1 << 254]
    assert [get(area, unit) for unit in (0, 3)] == [(13 + (1 << 254)) % P, (13 - (1 << 254)) % P]
    entry[0] = 1
    run(area, 0, area, area, program, entry)
    assert [get(area, unit) for unit in (24, 18, 30, 42)] == [P - 1, 11, 13, 1 << 254]
    assert [get(area, unit) for unit in (0, 3)] == [(13 - (1 << 254)) % P, (13 + (1 << 254)) % P]


def test_inverses():
    for number in _numbers(300):
        if number % P:
            made = inverse(number % P, P)
            assert made < P
            assert number * made % P == 1, number
    for exponent in range(256):
        for number in ((1 << exponent) - 1, 1 << exponent):
            if number % P:
                assert number * inverse(number % P, P) % P == 1, number
