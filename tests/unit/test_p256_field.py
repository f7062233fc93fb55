"""The machine for the field of P-256 against Python's integers, with numbers as large as its limbs may get."""

import p256_field

_P = (1 << 256) - (1 << 224) + (1 << 192) + (1 << 96) - 1
_FIRST = 4 * 140
_REGISTER_BYTES = 80
# What a multiplication divides by, undone.
_MONTGOMERY = 1 << 260


def _put(memory: bytearray, register: int, limbs: list) -> int:
    """Writes the limbs as they are; returns the number."""
    at = _FIRST + _REGISTER_BYTES * register
    number = 0
    for index, limb in enumerate(limbs):
        memory[at : at + 4] = limb.to_bytes(4, "little")
        at += 4
        number += limb << (13 * index)
    return number


def _limbs(memory: bytearray, register: int) -> list:
    at = _FIRST + _REGISTER_BYTES * register
    return [int.from_bytes(memory[at + 4 * index : at + 4 * index + 4], "little") for index in range(20)]


def _get(memory: bytearray, register: int) -> int:
    data = bytearray(33)
    p256_field.store(memory, data, register)
    return int.from_bytes(data, "little")


def _samples():
    """Limbs of numbers from 0 to 2.1 p: edges first, then a sequence that looks random."""
    top = int(2.1 * 512)
    yield [0] * 20
    yield [1] + [0] * 19
    yield [8191] * 19 + [top]
    yield [8191] * 19 + [0]
    yield [0] * 19 + [top]
    for multiple in (1, 2):
        for change in (-1, 0, 1):
            number = multiple * _P + change
            yield [(number >> (13 * index)) & 8191 for index in range(20)]
    state = 256
    for _ in range(12):
        limbs = []
        for index in range(20):
            state = (state * 1103515245 + 12345) % (1 << 31)
            kind = (state >> 8) & 3
            limb = 0 if kind == 0 else 8191 if kind == 1 else (state >> 12) & 8191
            limbs.append(limb if index < 19 else limb % top)
        yield limbs


def _check_form(memory: bytearray, register: int) -> None:
    limbs = _limbs(memory, register)
    assert max(limbs[:19]) <= 8191 and limbs[19] <= 8191, limbs


def test_products_and_squares():
    memory = bytearray(p256_field.memory_bytes(3))
    for left in _samples():
        x = _put(memory, 0, left)
        p256_field.run(memory, 1, bytes((p256_field.SQUARE, 2, 0, 0)), 1)
        square = _get(memory, 2)
        _check_form(memory, 2)
        assert square * _MONTGOMERY % _P == x * x % _P and 10 * square < 13 * _P
        for right in _samples():
            y = _put(memory, 1, right)
            p256_field.run(memory, 1, bytes((p256_field.MULTIPLY, 2, 0, 1)), 1)
            product = _get(memory, 2)
            _check_form(memory, 2)
            assert product * _MONTGOMERY % _P == x * y % _P and 10 * product < 13 * _P


def test_sums_and_differences():
    memory = bytearray(p256_field.memory_bytes(3))
    for left in _samples():
        for right in _samples():
            for k in (-8, -4, -2, -1, 1, 2, 8):
                x = _put(memory, 0, left)
                y = _put(memory, 1, right)
                p256_field.run(memory, 1, bytes((p256_field.LINEAR + k, 2, 0, 1)), 1)
                result = _get(memory, 2)
                _check_form(memory, 2)
                assert result % _P == (x + k * y) % _P, (left, right, k)
                assert 0 <= result and 10 * result <= 21 * _P, (left, right, k)


def test_result_may_take_the_place_of_an_operand():
    memory = bytearray(p256_field.memory_bytes(2))
    samples = list(_samples())
    for left, right in zip(samples, samples[3:]):
        for operation in (p256_field.MULTIPLY, p256_field.SQUARE, p256_field.LINEAR - 3):
            for to in (0, 1):
                x, y = _put(memory, 0, left), _put(memory, 1, right)
                p256_field.run(memory, 1, bytes((operation, to, 0, 1)), 1)
                result = _get(memory, to)
                if operation == p256_field.LINEAR - 3:
                    assert result % _P == (x - 3 * y) % _P
                else:
                    other = y if operation == p256_field.MULTIPLY else x
                    assert result * _MONTGOMERY % _P == x * other % _P


def test_programs_are_repeated():
    memory = bytearray(p256_field.memory_bytes(2))
    _put(memory, 0, [5] + [0] * 19)
    _put(memory, 1, [7] + [0] * 19)
    program = bytes((p256_field.LINEAR + 1, 0, 0, 1, p256_field.LINEAR + 2, 1, 1, 0))
    x, y = 5, 7
    for times in (0, 1, 3):
        p256_field.run(memory, 2, program, times)
        for _ in range(times):
            x += y
            y += 2 * x
        assert _get(memory, 0) % _P == x and _get(memory, 1) % _P == y


def test_loading_and_storing():
    memory = bytearray(p256_field.memory_bytes(3))
    for number in (0, 1, _P - 1, (1 << 256) - 1, 0x0123456789ABCDEF << 190, 8191 << 243):
        p256_field.load(memory, b"\xaa" + number.to_bytes(32, "little") + b"\xff", 1, 1)
        _check_form(memory, 1)
        assert _get(memory, 1) == number
        p256_field.copy(memory, 2, 1)
        assert _get(memory, 2) == number and _get(memory, 0) == 0
    # What is above 256 bits is kept as well.
    number = _put(memory, 1, [8191] * 20)
    assert _get(memory, 1) == number == (1 << 260) - 1


def test_zeros_are_recognized():
    memory = bytearray(p256_field.memory_bytes(2))
    for number, expected in ((0, True), (_P, True), (1, False), (_P - 1, False), (1 << 13, True)):
        _put(memory, 1, [(number >> (13 * index)) & 8191 for index in range(20)])
        # 2^13 is not a product that is 0 modulo p; the answer is "maybe" from the lowest limb alone.
        assert p256_field.may_be_zero(memory, 1) == expected, number
