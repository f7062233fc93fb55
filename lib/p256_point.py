"""The group of P-256 (SP 800-186 section 3.2.1.3): sums of multiples of the base point and of one other point.

Both factors are recoded into odd digits between zeros and run through one chain of doublings (Straus). Points are
(X, Y, Z) with x = X / Z^2 and y = Y / Z^3, but twice Y is what is kept, which saves a halving.
"""

import micropython
import p256_field
from constant import const
from inverse import inverse
from p256_field import copy, load, run
from workspace import borrow

_P = const((1 << 256) - (1 << 224) + (1 << 192) + (1 << 96) - 1)

# Digits are odd and below 2^(bits - 1) either way, so a table has 2^(bits - 2) entries, (x, 2 y) each.
_BASE_DIGIT_BITS = const(6)
_KEY_DIGIT_BITS = const(4)
_KEY_ENTRIES = const(1 << (_KEY_DIGIT_BITS - 2))
_ZERO_DIGIT = const(128)
_ENTRY_BYTES = const(64)

# Registers 0 to 2 are the point: X, 2 Y, Z. 3 to 7 are for what the programs work out. The programs name them all.
_X_ENTRY = const(8)
_Y_ENTRY = const(9)
_SCALE = const(10)
_TO_MONTGOMERY = const(11)
_TABLE = const(12)
# An entry of the key's table: x, 2 y, and what Z was multiplied by on the way to it.
_ROW = const(3)
_REGISTERS = const(_TABLE + _ROW * _KEY_ENTRIES)

# For p256_field.load, with the byte more that it reads: 2^260 and 2^520 modulo p, and the curve's b times 2^260.
_ONE = (
    b"\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xf0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xef\xff\xff\xff"
    b"\x0f\x00\x00\x00\x00"
)
_SQUARED = (
    b"\x00\x03\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\xfb\xff\xff\xff\xfe\xff\xff\xff\xff\xff\xff\xff\xfd\xff\xff"
    b"\xff\x04\x00\x00\x00"
)
_B = (
    b"\xfd\xdd\x4b\x9c\x22\xf6\xcd\x89\x0d\x09\x43\x88\xca\x5c\x00\xcf\x6a\xed\x12\x72\xbf\x0a\x22\x5a\x41\x83\x74\x48"
    b"\xdd\x61\x00\xc3\x00"
)

# Programs for p256_field.run. The point becomes minus twice itself:
_DOUBLE = (
    b"\x01\x03\x02\x02"  # D = Z^2
    b"\x3f\x04\x00\x03"  # X - D
    b"\x41\x05\x00\x03"  # X + D
    b"\x00\x04\x04\x05\x42\x05\x04\x04"  # A = 3 (X - D)(X + D), the slope's numerator
    b"\x01\x06\x01\x01"  # G = (2Y)^2
    b"\x00\x07\x06\x00"  # B = G X
    b"\x01\x00\x05\x05\x3e\x00\x00\x07"  # X' = A^2 - 2 B
    b"\x00\x02\x01\x02"  # Z' = 2Y Z
    b"\x3f\x07\x07\x00\x00\x07\x05\x07"  # V = A (B - X')
    b"\x01\x06\x06\x06\x3e\x01\x06\x07"  # -2Y' = G^2 - 2 V
)
# The point becomes its sum with the affine (x, 2 y) in the registers at _ADD_X and _ADD_Y; _ADD_SIGN for minus it.
_ADD = (
    b"\x01\x03\x02\x02"  # Z^2
    b"\x00\x04\x03\x08\x00\x03\x03\x02\x00\x03\x03\x09"  # 2 y Z^3
    b"\x3f\x04\x04\x00"  # H = x Z^2 - X
    b"\x3f\x03\x01\x03"  # R = 2Y - 2 y Z^3
    b"\x41\x05\x04\x04"  # 2 H
    b"\x00\x02\x02\x05"  # Z' = 2 H Z
    b"\x01\x06\x05\x05\x00\x04\x04\x06"  # J = 4 H^3
    b"\x00\x06\x06\x00"  # V = 4 H^2 X
    b"\x01\x00\x03\x03\x3f\x00\x00\x04\x3e\x00\x00\x06"  # X' = R^2 - J - 2 V
    b"\x3f\x06\x00\x06\x00\x06\x06\x03"  # R (X' - V)
    b"\x00\x04\x04\x01"  # J 2Y
    b"\x3f\x06\x06\x04\x41\x01\x06\x06"  # 2Y' = 2 (R (X' - V) - J 2Y)
)
_DOUBLE_STEPS = const(14)
_ADD_STEPS = const(19)
_ADD_X = const(7)
_ADD_Y = const(15)
_ADD_SIGN = const(20)
_PLUS = const(63)
_MINUS = const(65)
# The entry in the registers at 5 and 7, 13 and 15 is put onto the scale; the last step takes that on to the next entry.
_RESCALE = (
    b"\x01\x03\x0a\x0a\x00\x00\x03\x00"  # x times its square
    b"\x00\x03\x03\x0a\x00\x01\x03\x01"  # 2 y times its third power
    b"\x00\x0a\x0a\x02"
)
_RESCALE_STEPS = const(5)
_SCALE_BY_Z = b"\x00\x0a\x0a\x02"
# Register 4, not yet in Montgomery form, becomes X less Z^2 times itself.
_COMPARE = b"\x01\x03\x02\x02\x00\x04\x04\x0b\x00\x04\x04\x03\x3f\x04\x00\x04"
_COMPARE_STEPS = const(4)
# X and y in registers 0 and 1 become Montgomery's, the latter twice itself. Register 3 becomes (2y)^2 less
# 4 (x^3 - 3 x + b), with b in register 5.
_ENTER = (
    b"\x00\x00\x00\x0b\x00\x01\x01\x0b\x41\x01\x01\x01\x01\x03\x01\x01\x01\x04\x00\x00\x00\x04\x04\x00"
    b"\x3d\x04\x04\x00\x41\x04\x04\x05\x3c\x03\x03\x04"
)
_ENTER_STEPS = const(9)
# The inverse of a Montgomery form is two steps away from one.
_ENTER_INVERSE = b"\x00\x0a\x0a\x0b\x00\x0a\x0a\x0b"


@micropython.viper
def _recode(digits: ptr8, scalar: ptr8, width: int):
    """Writes digits for the powers of two up to 2^256, offset by _ZERO_DIGIT, from 34 little-endian bytes."""
    carry = 0
    skip = 0
    for at in range(257):
        digits[at] = _ZERO_DIGIT
        if skip:
            skip -= 1
            continue
        window = (scalar[at >> 3] | scalar[(at >> 3) + 1] << 8) >> (at & 7) & ((1 << width) - 1)
        if window & 1 == carry:
            continue
        window += carry
        carry = window >> (width - 1)
        digits[at] = _ZERO_DIGIT + window - (carry << width)
        skip = width - 1


def _set(memory: bytearray, register: int, number: int) -> None:
    load(memory, number.to_bytes(33, "little"), register, 0)


def _value(memory: bytearray, register: int) -> int:
    """Returns what is in a register, below p; in Montgomery form if it is."""
    data = bytearray(33)
    p256_field.store(memory, data, register)
    return int.from_bytes(data, "little") % _P


class Point:
    """The machine, its programs, and the point it holds; an object is good for one point and one sum."""

    def __init__(self) -> None:
        self._memory = borrow(p256_field.memory_bytes(_REGISTERS))
        self._add_program = bytearray(_ADD)
        self._is_negative = False  # whether the point stands for minus itself

    def enter(self, x: int, y: int) -> bool:
        """Takes in a point; False if these are not the coordinates, below p, of one of the curve."""
        if x >= _P or y >= _P:
            return False
        memory = self._memory
        load(memory, _SQUARED, _TO_MONTGOMERY, 0)
        load(memory, _B, 5, 0)
        _set(memory, 0, x)
        _set(memory, 1, y)
        run(memory, _ENTER_STEPS, _ENTER, 1)
        return not _value(memory, 3)

    def _tabulate(self) -> None:
        """Makes the table of the odd multiples of the point that was entered."""
        memory = self._memory
        copy(memory, _TABLE, 0)
        copy(memory, _TABLE + 1, 1)
        load(memory, _ONE, 2, 0)
        copy(memory, _TABLE + 2, 2)
        run(memory, _DOUBLE_STEPS, _DOUBLE, 1)
        # On an isomorphic curve (Z taken out) minus twice the point is affine: adding does not ask which curve.
        copy(memory, _X_ENTRY, 0)
        copy(memory, _Y_ENTRY, 1)
        copy(memory, _SCALE, 2)
        program = bytearray(_RESCALE)
        self._rescale(program, _TABLE, 0)
        load(memory, _ONE, 2, 0)
        for row in range(_TABLE + _ROW, _REGISTERS, _ROW):
            self._add(_X_ENTRY, _MINUS)
            copy(memory, row, 0)
            copy(memory, row + 1, 1)
            copy(memory, row + 2, 5)
        # One inverse for all: each entry's Z is that of the entry before, times what is in its own row.
        run(memory, 1, _SCALE_BY_Z, 1)
        _set(memory, _SCALE, inverse(_value(memory, _SCALE), _P))
        run(memory, 2, _ENTER_INVERSE, 1)
        for row in range(_REGISTERS - _ROW, _TABLE, -_ROW):
            self._rescale(program, row, row)

    def combine(self, base_factor: int, factor: int) -> bool:
        """Sets the point to base_factor * G + factor * point, factors below 2^256; False if that is the neutral one."""
        self._tabulate()
        base_digits = _digits(base_factor, _BASE_DIGIT_BITS)
        digits = _digits(factor, _KEY_DIGIT_BITS)
        memory = self._memory
        pending = 0
        self._is_neutral = True
        for at in range(256, -1, -1):
            pending += 1
            digit = digits[at] - _ZERO_DIGIT
            if digit:
                self._step(pending, _TABLE + _ROW * (abs(digit) >> 1), digit < 0)
                pending = 0
            digit = base_digits[at] - _ZERO_DIGIT
            if digit:
                entry = _ENTRY_BYTES * (abs(digit) >> 1)
                load(memory, _BASE, _X_ENTRY, entry)
                load(memory, _BASE, _Y_ENTRY, entry + 32)
                self._step(pending, _X_ENTRY, digit < 0)
                pending = 0
        # The last doublings change neither whether it is neutral nor, being done here, what x is.
        if not self._is_neutral and pending:
            run(memory, _DOUBLE_STEPS, _DOUBLE, pending)
        return not self._is_neutral

    def has_x(self, x: int) -> bool:
        """Whether the point's x is that number."""
        if x >= _P:
            return False
        _set(self._memory, 4, x)
        run(self._memory, _COMPARE_STEPS, _COMPARE, 1)
        return not _value(self._memory, 4)

    def _step(self, doublings: int, row: int, is_negative: bool) -> None:
        """Doubles, then adds the entry at `row`. Few locals, here and below: with more, a call allocates its frame."""
        if not self._is_neutral:
            if doublings:
                run(self._memory, _DOUBLE_STEPS, _DOUBLE, doublings)
                self._is_negative ^= bool(doublings & 1)
            if self._add(row, _MINUS if is_negative != self._is_negative else _PLUS):
                return
            # The two had the same x: they were opposite, or one and the same.
            if _value(self._memory, 3):
                self._is_neutral = True
                return
        copy(self._memory, 0, row)
        copy(self._memory, 1, row + 1)
        load(self._memory, _ONE, 2, 0)
        self._is_negative = is_negative
        if not self._is_neutral:
            run(self._memory, _DOUBLE_STEPS, _DOUBLE, 1)
            self._is_negative = not is_negative
        self._is_neutral = False

    def _add(self, row: int, sign: int) -> bool:
        """Adds an entry; False if both points had the same x, which makes Z zero."""
        program = self._add_program
        program[_ADD_X] = row
        program[_ADD_Y] = row + 1
        program[_ADD_SIGN] = sign
        run(self._memory, _ADD_STEPS, program, 1)
        return not p256_field.may_be_zero(self._memory, 2) or _value(self._memory, 2) != 0

    def _rescale(self, program: bytearray, row: int, point: int) -> None:
        """Puts row's entry times powers of the scale into the point's registers."""
        program[5] = point
        program[7] = row
        program[13] = point + 1
        program[15] = row + 1
        program[19] = row + 2
        run(self._memory, _RESCALE_STEPS, program, 1)


def _digits(factor: int, bits: int) -> bytearray:
    digits = bytearray(257)
    _recode(digits, factor.to_bytes(34, "little"), bits)
    return digits


# 1, 3, 5, ... times G as (x, 2 y), each 32 little-endian bytes in Montgomery form; the last byte is read, not used.
_BASE = (
    b"\xc1\x43\x91\x8a\x41\x0d\x73\x9e\x17\x60\xdb\xfe\xc4\x5f\xa9\x5b\x07\x51\x22\x76\xb7\x32\xb7\x9f\x66\x5c\x75\x53"
    b"\x6b\xf7\x05\x89\x50\xc1\xaa\xd2\xf9\x6a\x4a\xbe\x9b\x8b\x3c\x43\x87\x1c\x57\x69\xb1\x64\x3e\xa4\x1b\xd1\x10\x5d"
    b"\xaa\xb0\x0b\xb1\x14\xe3\x3f\xae\x72\x12\xbc\xee\x04\xf9\xc3\xfa\xbf\x1f\xd8\x87\x9e\x84\x7f\x02\x8b\xc9\xbb\x7c"
    b"\xd8\x7d\xd7\x6a\xe4\x47\xf7\x6f\xfd\xa3\x36\x69\x7a\xfd\x74\x30\xf9\x83\x8b\x09\x56\xc3\x3f\x0c\x87\xf5\xc8\x07"
    b"\xcb\x31\xdd\x45\x23\x06\x41\x10\xd5\x80\xf9\xb0\x56\x45\x0d\xbe\x5c\x1f\xc6\x45\xec\xaa\xb8\xe1\xdb\x37\x95\x4b"
    b"\x9d\x49\xc6\x0e\xc9\x20\x6c\x07\xad\x5a\xcb\x41\x7d\x3c\x52\x90\x64\x60\x79\x90\x0e\xe2\x49\xf7\x5c\x69\x13\x66"
    b"\x7d\x05\x71\xbd\xee\x1d\xad\x78\x0e\xed\x43\xcf\xef\x30\x15\xa8\xb8\x22\x3d\xba\x73\xd7\x0e\x74\xf1\xb4\x73\x01"
    b"\xea\x54\x63\x74\x70\x0f\xc0\x23\x3c\x21\x20\xbd\x82\xb0\x3b\xc2\x50\xab\xea\x43\x3e\xe0\x23\x31\x9d\x11\xa5\x3b"
    b"\xbd\xa9\x73\xeb\x07\x06\xfa\x08\xa5\x7b\xcf\xb4\x2e\x5e\x5e\xe8\xac\x32\x28\xf9\x8e\x7b\x67\xf2\xe0\x0c\x81\xc4"
    b"\xca\x22\xbb\x5d\x8e\x0e\xe2\x64\xf2\xe8\x96\x5c\x17\x84\x7a\x9a\xc7\xfe\x6b\xbe\x0a\xb0\x8e\x4c\x44\xc0\x09\xcc"
    b"\xa4\x16\x4e\x0c\x1d\x08\xb3\x05\x81\x62\xe6\x8b\x54\xef\xee\xd6\x63\xbc\xa8\xcb\xb8\x7d\xef\xd5\x4a\xe3\x25\x16"
    b"\x51\x33\xc0\x6d\x64\xf3\x6b\xb0\xc0\x39\xcb\x0c\x43\x40\x5e\x24\xa6\x60\xd2\xa7\x0e\xfe\xfd\xe7\x53\x79\x40\xde"
    b"\x59\xab\xc1\xda\x58\x41\x3a\xff\x2e\x07\xc9\x49\x19\x0f\x09\xe7\x0d\xd1\x89\x72\x25\xac\xd0\x4e\x03\x39\xec\xaf"
    b"\xcf\x73\xf2\xa1\xa4\x87\xac\xd5\x23\x51\xb5\x81\xb4\x11\xb7\x24\x89\x04\x60\x12\x97\x70\xed\xb2\x34\x56\x42\xcc"
    b"\xdc\x30\xfd\x56\x91\x76\x56\xe3\x10\x81\xe9\x59\xf5\x43\xcd\xcb\x94\x75\x5b\x39\xcc\x7a\x47\x38\xff\x2f\xdc\x01"
    b"\x18\x72\xa5\xae\x66\x5c\xda\x85\xef\x71\x90\x0e\x2d\x78\xeb\xa3\x57\x84\x0c\x9a\xd0\xf2\xf6\x3c\x58\xed\x10\x78"
    b"\xbe\x55\x00\xc6\x7b\x8b\xcd\x2b\xb7\xe4\x27\x6e\xd7\x3e\xc2\x3c\x00\x37\x19\x48\x4e\x42\x37\xe3\x90\xa0\x3d\xad"
    b"\x3e\xe4\xa0\x2a\xa4\x8b\x78\x70\xec\x49\x0a\x17\xa8\x64\x83\x54\x84\xaa\xc6\xec\xfa\xf2\x48\xf1\xce\xdb\xf4\x9d"
    b"\x88\xbe\x35\x0f\x52\xe1\x42\x08\xdc\xc9\xc5\x53\xbd\xdc\x91\x70\xb9\x77\xa1\xc0\x5e\x4b\x62\x17\xff\xdf\xe2\xcf"
    b"\x52\x97\x13\x0f\xdf\x74\xa5\xc7\xb2\xc0\x35\x1a\xfd\x30\xf3\x7c\xd2\x28\xa6\x4f\xc4\x01\x97\x13\x00\xe6\xb7\xae"
    b"\x60\x77\x10\xa3\xe1\x8f\xc4\xe9\xe8\x79\x98\x4e\xe3\x44\xa2\x7a\x8f\xae\x59\x56\xaa\x2b\x91\xea\xef\x16\x1a\x5e"
    b"\x93\xab\x63\x83\xc6\x1a\xc4\x52\x77\x27\x42\x88\xbc\x3f\x7c\x89\x91\xc2\x45\xe5\x7e\x2d\x8d\x89\xfb\x3c\xdd\xa6"
    b"\xa5\xf8\x2e\x75\x41\x89\xc4\x00\x2b\x18\xa1\x72\x7c\xd3\xcb\xac\x52\x2f\x4b\xa2\xcb\xc4\x1d\xe4\x8e\x20\x5b\x13"
    b"\xcc\xce\xe4\x62\xd5\x47\x3f\x78\x46\x26\x1b\x4e\x07\xb3\xf3\xa3\xc5\x06\xa5\xd2\xb8\x2f\x76\x16\x5a\x9f\xad\xce"
    b"\x38\xb7\xdc\x50\x5c\x96\xba\x53\x3e\x8c\x67\x77\xf8\xb7\xf5\x61\x83\x34\x85\xf5\xcf\x47\xa0\x4e\x57\xf4\xef\x28"
    b"\x51\xbe\xda\x10\x8a\x06\x45\xde\x32\x65\x87\x4f\xef\xf6\xe1\xe2\x7f\x7e\x7a\x7c\x93\x06\x84\x35\x2a\xfa\x25\x08"
    b"\x23\xf4\x7b\x72\xcb\xa7\xce\xf2\x30\xb5\xf0\xc8\x73\x9f\x14\x6c\x40\xe9\x33\xe5\x74\x93\xb4\xbf\x3c\xee\x85\x35"
    b"\x6e\xc2\xd1\x00\xd9\xcd\xec\x0e\x82\x0f\x0d\x7a\xf9\x79\x78\x83\xcd\x9a\x31\x4a\x0a\x7b\xb6\xd6\xe5\x49\x1b\xfc"
    b"\xf6\x3a\x1f\x2f\x33\x93\x59\x39\xe5\xa2\x32\x54\xbf\x2e\x74\x66\x0f\x45\xcc\x92\xd6\x3f\xb9\x71\x09\x2a\x87\x7e"
    b"\x39\x62\x8c\xd9\xd2\x3d\xe6\x36\x39\x0b\xd1\x40\xf3\x2c\xf3\xde\x79\xb8\x91\x72\x49\xeb\x2f\x7e\x49\xaf\xc2\x42"
    b"\x30\x31\xf7\xeb\x71\x2d\xa4\x36\x7d\xdd\xff\x84\xb0\x9e\x2c\x9d\x9b\x76\x7c\xef\xbb\x54\xaa\xf8\x05\xce\x2b\x31"
    b"\x41\xf7\x16\x40\x12\x6b\xff\xb6\xf6\xcd\x18\x7a\x67\x97\x69\x1d\x0f\x21\xfa\xb2\x20\xc6\x7b\x09\x20\x0d\x62\xa8"
    b"\x2e\x13\x6e\xb6\xac\x46\xdb\xe5\x05\x88\x25\xd9\x92\x63\xe9\x1b\x2f\x9e\x7b\x31\x70\x02\xa7\x44\x7b\xd4\x03\x86"
    b"\xa2\x95\x6f\x26\x26\x13\x11\x84\x6b\xce\x6c\x1b\x73\x14\x63\x5f\xee\x88\xe4\x08\xf2\x33\x8c\xef\x2e\x27\xcd\x52"
    b"\x6b\x43\x7c\x47\x4b\x85\x02\xf3\x99\xf8\x5f\x75\x96\xc6\x73\x2f\x6e\x7e\x01\x73\x6b\x7e\xcf\xd3\xdd\x00\x76\xcf"
    b"\xd3\x89\x56\xef\x3f\x7b\xc8\x1f\x94\x4f\xdc\x48\x3e\x53\xa6\xd4\x29\xd0\x3f\x3d\x1b\x05\x6c\x1d\x35\x94\x43\xb2"
    b"\x85\x7f\x00\x93\xa1\xbf\x9d\x5d\xa1\xe8\x68\xaf\x47\x12\x5d\x71\x00"
)
