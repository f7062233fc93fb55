"""The group of P-256 (SP 800-186 section 3.2.1.3): sums of multiples of the base point and of one other point.

A factor is cut into four pieces of 64 bits, each for a point of its own: 2^0, 2^64, 2^128 and 2^192 times the point
that was asked for. All pieces are recoded into odd digits between zeros and run through one chain of 64 doublings
(Straus); the doublings from point to point are in the tables already. Points are (X, Y, Z) with x = X / Z^2 and
y = Y / Z^3, but twice Y is what is kept, which saves a halving.
"""

import p256_field
from constant import const
from inverse import inverse
from p256_field import copy, load, run
from p256_table import BASE, DIGITS, MOST_STEPS, keep, recode, schedule, take
from workspace import borrow

_P = const((1 << 256) - (1 << 224) + (1 << 192) + (1 << 96) - 1)

# Digits are odd and below 8 either way, so a piece has the entries 1, 3, 5 and 7, (x, 2 y) each.
_PIECES = const(4)
_PIECE_BITS = const(64)
_ENTRIES = const(4)
_ENTRY_BYTES = const(80)

# Registers 0 to 2 are the point: X, 2 Y, Z. 3 to 7 are for what the programs work out. The programs name them all.
_X_ENTRY = const(8)
_Y_ENTRY = const(9)
_SCALE = const(10)
_TO_MONTGOMERY = const(11)
_TABLE = const(12)
# An entry of the key's table: x, 2 y, and what Z was multiplied by on the way to it.
_ROW = const(3)
_AFTER = const(_TABLE + _ROW * _ENTRIES)
# The Z of the point that a piece's table is of.
_Z = const(_AFTER)
_REGISTERS = const(_AFTER + 1)

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
# The point becomes its sum with the entry; _ADD_SIGN for minus it.
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
# The scale times Z of the last entry and that of the point; the scale times Z of twice the point.
_SCALE_BY_Z = b"\x00\x0a\x0a\x02\x00\x0a\x0a\x18"
_UNSCALE = b"\x00\x0a\x0a\x0e"
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


def _set(memory: bytearray, register: int, number: int) -> None:
    load(memory, number.to_bytes(33, "little"), register, 0)


def _value(memory: bytearray, register: int) -> int:
    """Returns what is in a register, below p; in Montgomery form if it is."""
    data = bytearray(33)
    p256_field.store(memory, data, register)
    return int.from_bytes(data, "little") % _P


class Point:
    """The machine, its programs, and the point it holds; an object is good for one table or one sum."""

    def __init__(self) -> None:
        self._memory = borrow(p256_field.memory_bytes(_REGISTERS))
        self._add_program = bytearray(_ADD)
        self._is_negative = False  # whether the point stands for minus itself
        self._is_neutral = True
        load(self._memory, _SQUARED, _TO_MONTGOMERY, 0)

    def enter(self, x: int, y: int) -> bool:
        """Takes in a point; False if these are not the coordinates, below p, of one of the curve."""
        if x >= _P or y >= _P:
            return False
        memory = self._memory
        load(memory, _B, 5, 0)
        _set(memory, 0, x)
        _set(memory, 1, y)
        run(memory, _ENTER_STEPS, _ENTER, 1)
        return not _value(memory, 3)

    def tabulate(self) -> list:
        """Returns the table of the point that was entered, for `combine`: four times 320 bytes."""
        memory = self._memory
        load(memory, _ONE, 2, 0)
        table = []
        while True:
            self._tabulate_piece()
            piece = bytearray(_ENTRIES * _ENTRY_BYTES)
            for number in range(_ENTRIES):
                keep(memory, piece, _TABLE + _ROW * number, _ENTRY_BYTES * number)
            table.append(piece)
            if len(table) == _PIECES:
                return table
            copy(memory, 0, _TABLE)
            copy(memory, 1, _TABLE + 1)
            load(memory, _ONE, 2, 0)
            # An even number of them: the sign is what it was.
            run(memory, _DOUBLE_STEPS, _DOUBLE, _PIECE_BITS)

    def _tabulate_piece(self) -> None:
        """Makes the rows of the odd multiples of the point, as affine ones."""
        memory = self._memory
        copy(memory, _Z, 2)
        copy(memory, _TABLE, 0)
        copy(memory, _TABLE + 1, 1)
        # What a doubling multiplies Z by.
        copy(memory, _SCALE, 1)
        load(memory, _ONE, _TABLE + 2, 0)
        run(memory, _DOUBLE_STEPS, _DOUBLE, 1)
        # On an isomorphic curve (Z taken out) minus twice the point is affine: adding does not ask which curve.
        copy(memory, _X_ENTRY, 0)
        copy(memory, _Y_ENTRY, 1)
        program = bytearray(_RESCALE)
        self._rescale(program, _TABLE, 0)
        copy(memory, _TABLE + 2, _SCALE)
        load(memory, _ONE, 2, 0)
        for row in range(_TABLE + _ROW, _AFTER, _ROW):
            self._add(_MINUS)
            copy(memory, row, 0)
            copy(memory, row + 1, 1)
            copy(memory, row + 2, 5)
        # One inverse for all: each entry's Z is that of the entry before, times what is in its own row.
        run(memory, 2, _SCALE_BY_Z, 1)
        _set(memory, _SCALE, inverse(_value(memory, _SCALE), _P))
        run(memory, 2, _ENTER_INVERSE, 1)
        for row in range(_AFTER - _ROW, _TABLE, -_ROW):
            self._rescale(program, row, row)
        run(memory, 1, _UNSCALE, 1)
        self._rescale(program, _TABLE, _TABLE)

    def combine(self, base_factor: int, factor: int, table: list) -> bool:
        """Sets the point to base_factor * G + factor * the point of `table`; False if that is the neutral one.

        Factors are below 2^256.
        """
        digits = bytearray(DIGITS)
        recode(digits, (base_factor | factor << 256).to_bytes(64, "little"))
        steps = bytearray(2 * MOST_STEPS)
        pending = schedule(steps, digits)
        for at in range(0, 2 * MOST_STEPS, 2):
            doublings = steps[at]
            entry = steps[at + 1]
            # The end: piece 0 comes first at each place, and so never without a doubling.
            if not doublings and not entry:
                break
            if entry & 16:
                take(self._memory, table[entry >> 2 & 3], _X_ENTRY, _ENTRY_BYTES * (entry & 3))
            else:
                take(self._memory, BASE, _X_ENTRY, _ENTRY_BYTES * (entry & 15))
            self._step(doublings, entry > 127)
        # The last doublings change neither whether it is neutral nor, being done here, what x is.
        if not self._is_neutral and pending:
            run(self._memory, _DOUBLE_STEPS, _DOUBLE, pending)
        return not self._is_neutral

    def has_x(self, x: int) -> bool:
        """Whether the point's x is that number."""
        if x >= _P:
            return False
        _set(self._memory, 4, x)
        run(self._memory, _COMPARE_STEPS, _COMPARE, 1)
        return not _value(self._memory, 4)

    def _step(self, doublings: int, is_negative: bool) -> None:
        """Doubles, then adds the entry. Few locals, here and below: with more, a call allocates its frame."""
        if not self._is_neutral:
            if doublings:
                run(self._memory, _DOUBLE_STEPS, _DOUBLE, doublings)
                self._is_negative ^= bool(doublings & 1)
            if self._add(_MINUS if is_negative != self._is_negative else _PLUS):
                return
            # The two had the same x: they were opposite, or one and the same.
            if _value(self._memory, 3):
                self._is_neutral = True
                return
        copy(self._memory, 0, _X_ENTRY)
        copy(self._memory, 1, _Y_ENTRY)
        load(self._memory, _ONE, 2, 0)
        self._is_negative = is_negative
        if not self._is_neutral:
            run(self._memory, _DOUBLE_STEPS, _DOUBLE, 1)
            self._is_negative = not is_negative
        self._is_neutral = False

    def _add(self, sign: int) -> bool:
        """Adds the entry; False if both points had the same x, which makes Z zero."""
        program = self._add_program
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
