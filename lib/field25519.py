"""Arithmetic modulo p = 2^255 - 19, in viper code on 32-bit words that allocates nothing.

A number is 20 limbs of 13 bits, least significant first (the lowest up to 10,015, since what is above 2^260 is folded
back 608-fold), and behind them the 10 sums of limbs i and i + 10: 30 words. Numbers lie in one area of words; a unit is
10 of them. `run` takes a program: bytes that say what to do with which units.

Why it looks like this: a multiplication is three products of 10 by 10 limbs (Karatsuba), so the 100 steps of one
product, written out, do for all of it. The sum of a column stays in a register and below 2^32. A call from bytecode
costs a quarter of a multiplication; a program pays that once. A load from memory brings no sign, and viper's int has 32
bits on the ESP32 and 64 on the unix port: so no word in memory is ever negative, and what is shifted right as unsigned
lies between 0 and 2^32. Attempts and figures: docs/crypto.md.
"""

# ruff: noqa: E702

import micropython
from micropython import const

# Operations and the bytes behind them. A, B, OUT are units; OUT + 128: with the ten sums, to be a factor itself.
_MULTIPLY = const(0)  # A, OUT: OUT = A * (A + 3): factors are neighbors
_SQUARE = const(1)  # A, OUT: OUT = A * A
_COMBINE = const(2)  # A, B, PLUS, MINUS: PLUS = A + B, MINUS = A - B, with sums; NOWHERE for one that is not wanted
_COMBINE_SIGNED = const(3)  # the same, PLUS and MINUS exchanged if the last entry was one to take off
_LOAD = const(4)  # OUT, COUNT: the next entry's numbers go to OUT + 6, OUT, OUT + 12, OUT + 24; see `run`
_COPY = const(5)  # A, OUT: OUT = A, with sums
_END = const(6)
_SWAP = const(7)  # A, B: the two units from A and those from B change places if the next entry's word is 1, not if 0
_SCALE = const(8)  # A, B, OUT: OUT = 121,666 A + B, with sums
_NOWHERE = const(255)

# Products grow in units 53 to 58.
_PRODUCTS = const(40 * 53)
AREA_BYTES = const(40 * 59)


# fmt: off
@micropython.viper
def run(m: ptr32, s: int, r: ptr32, area: ptr32, program: ptr8, entry: ptr16):  # noqa: C901
    """Does what `program` says in `area`. The first three parameters are registers: give the area, 0, the area.

    `entry` holds what LOAD loads, in turn: 1 for an entry to take off or 0, then COUNT numbers of 20 16-bit limbs. Of
    one to take off the first two numbers change places.
    """
    is_minus = 0
    op = int(program[0])
    while op != _END:
        if op < _COMBINE:
            m = ptr32(int(area) + 40 * program[1])
            r = ptr32(int(area) + _PRODUCTS)
            part = 3
            while part:
                # Columns 0 to 18 of low * low, high * high, sums * sums.
                if op == _MULTIPLY:
                    r[0] = m[0] * m[30]
                    s = m[0] * m[31]; r[1] = m[1] * m[30] + s
                    s = m[0] * m[32]; s = m[1] * m[31] + s; r[2] = m[2] * m[30] + s
                    s = m[0] * m[33]; s = m[1] * m[32] + s; s = m[2] * m[31] + s; r[3] = m[3] * m[30] + s
                    s = m[0] * m[34]; s = m[1] * m[33] + s; s = m[2] * m[32] + s; s = m[3] * m[31] + s
                    r[4] = m[4] * m[30] + s
                    s = m[0] * m[35]; s = m[1] * m[34] + s; s = m[2] * m[33] + s; s = m[3] * m[32] + s
                    s = m[4] * m[31] + s; r[5] = m[5] * m[30] + s
                    s = m[0] * m[36]; s = m[1] * m[35] + s; s = m[2] * m[34] + s; s = m[3] * m[33] + s
                    s = m[4] * m[32] + s; s = m[5] * m[31] + s; r[6] = m[6] * m[30] + s
                    s = m[0] * m[37]; s = m[1] * m[36] + s; s = m[2] * m[35] + s; s = m[3] * m[34] + s
                    s = m[4] * m[33] + s; s = m[5] * m[32] + s; s = m[6] * m[31] + s; r[7] = m[7] * m[30] + s
                    s = m[0] * m[38]; s = m[1] * m[37] + s; s = m[2] * m[36] + s; s = m[3] * m[35] + s
                    s = m[4] * m[34] + s; s = m[5] * m[33] + s; s = m[6] * m[32] + s; s = m[7] * m[31] + s
                    r[8] = m[8] * m[30] + s
                    s = m[0] * m[39]; s = m[1] * m[38] + s; s = m[2] * m[37] + s; s = m[3] * m[36] + s
                    s = m[4] * m[35] + s; s = m[5] * m[34] + s; s = m[6] * m[33] + s; s = m[7] * m[32] + s
                    s = m[8] * m[31] + s; r[9] = m[9] * m[30] + s
                    s = m[1] * m[39]; s = m[2] * m[38] + s; s = m[3] * m[37] + s; s = m[4] * m[36] + s
                    s = m[5] * m[35] + s; s = m[6] * m[34] + s; s = m[7] * m[33] + s; s = m[8] * m[32] + s
                    r[10] = m[9] * m[31] + s
                    s = m[2] * m[39]; s = m[3] * m[38] + s; s = m[4] * m[37] + s; s = m[5] * m[36] + s
                    s = m[6] * m[35] + s; s = m[7] * m[34] + s; s = m[8] * m[33] + s; r[11] = m[9] * m[32] + s
                    s = m[3] * m[39]; s = m[4] * m[38] + s; s = m[5] * m[37] + s; s = m[6] * m[36] + s
                    s = m[7] * m[35] + s; s = m[8] * m[34] + s; r[12] = m[9] * m[33] + s
                    s = m[4] * m[39]; s = m[5] * m[38] + s; s = m[6] * m[37] + s; s = m[7] * m[36] + s
                    s = m[8] * m[35] + s; r[13] = m[9] * m[34] + s
                    s = m[5] * m[39]; s = m[6] * m[38] + s; s = m[7] * m[37] + s; s = m[8] * m[36] + s
                    r[14] = m[9] * m[35] + s
                    s = m[6] * m[39]; s = m[7] * m[38] + s; s = m[8] * m[37] + s; r[15] = m[9] * m[36] + s
                    s = m[7] * m[39]; s = m[8] * m[38] + s; r[16] = m[9] * m[37] + s
                    s = m[8] * m[39]; r[17] = m[9] * m[38] + s
                    r[18] = m[9] * m[39]
                else:
                    r[0] = m[0] * m[0]
                    s = m[0] * m[1]; s = s + s; r[1] = s; s = m[0] * m[2]; s = s + s; r[2] = m[1] * m[1] + s
                    s = m[0] * m[3]; s = m[1] * m[2] + s; s = s + s; r[3] = s; s = m[0] * m[4]; s = m[1] * m[3] + s
                    s = s + s; r[4] = m[2] * m[2] + s
                    s = m[0] * m[5]; s = m[1] * m[4] + s; s = m[2] * m[3] + s; s = s + s; r[5] = s; s = m[0] * m[6]
                    s = m[1] * m[5] + s; s = m[2] * m[4] + s; s = s + s; r[6] = m[3] * m[3] + s
                    s = m[0] * m[7]; s = m[1] * m[6] + s; s = m[2] * m[5] + s; s = m[3] * m[4] + s; s = s + s; r[7] = s
                    s = m[0] * m[8]; s = m[1] * m[7] + s; s = m[2] * m[6] + s; s = m[3] * m[5] + s; s = s + s
                    r[8] = m[4] * m[4] + s
                    s = m[0] * m[9]; s = m[1] * m[8] + s; s = m[2] * m[7] + s; s = m[3] * m[6] + s; s = m[4] * m[5] + s
                    s = s + s; r[9] = s; s = m[1] * m[9]; s = m[2] * m[8] + s; s = m[3] * m[7] + s; s = m[4] * m[6] + s
                    s = s + s; r[10] = m[5] * m[5] + s
                    s = m[2] * m[9]; s = m[3] * m[8] + s; s = m[4] * m[7] + s; s = m[5] * m[6] + s; s = s + s; r[11] = s
                    s = m[3] * m[9]; s = m[4] * m[8] + s; s = m[5] * m[7] + s; s = s + s; r[12] = m[6] * m[6] + s
                    s = m[4] * m[9]; s = m[5] * m[8] + s; s = m[6] * m[7] + s; s = s + s; r[13] = s; s = m[5] * m[9]
                    s = m[6] * m[8] + s; s = s + s; r[14] = m[7] * m[7] + s
                    s = m[6] * m[9]; s = m[7] * m[8] + s; s = s + s; r[15] = s; s = m[7] * m[9]; s = s + s
                    r[16] = m[8] * m[8] + s
                    s = m[8] * m[9]; s = s + s; r[17] = s; r[18] = m[9] * m[9]
                m = ptr32(int(m) + 40)
                r = ptr32(int(r) + 76)
                part -= 1
            m = ptr32(int(area) + _PRODUCTS)
            r = ptr32(int(area) + 40 * (program[2] & 127))
            # Columns 20 to 38 of the whole, carried: 20 limbs that count 608-fold.
            s = m[48] + m[19]; s = s - m[10]; s = s - m[29]; m[48] = 8191 & s; s = int(uint(s) >> 13)
            s = m[49] - m[11] + s; s = m[20] - m[30] + s; m[49] = 8191 & s; s = int(uint(s) >> 13)
            s = m[50] - m[12] + s; s = m[21] - m[31] + s; m[50] = 8191 & s; s = int(uint(s) >> 13)
            s = m[51] - m[13] + s; s = m[22] - m[32] + s; m[51] = 8191 & s; s = int(uint(s) >> 13)
            s = m[52] - m[14] + s; s = m[23] - m[33] + s; m[52] = 8191 & s; s = int(uint(s) >> 13)
            s = m[53] - m[15] + s; s = m[24] - m[34] + s; m[53] = 8191 & s; s = int(uint(s) >> 13)
            s = m[54] - m[16] + s; s = m[25] - m[35] + s; m[54] = 8191 & s; s = int(uint(s) >> 13)
            s = m[55] - m[17] + s; s = m[26] - m[36] + s; m[55] = 8191 & s; s = int(uint(s) >> 13)
            s = m[56] - m[18] + s; s = m[27] - m[37] + s; m[56] = 8191 & s; s = int(uint(s) >> 13)
            s = m[28] + s; m[57] = 8191 & s; s = int(uint(s) >> 13)
            s = m[29] + s; m[29] = 8191 & s; s = int(uint(s) >> 13)
            s = m[30] + s; m[30] = 8191 & s; s = int(uint(s) >> 13)
            s = m[31] + s; m[31] = 8191 & s; s = int(uint(s) >> 13)
            s = m[32] + s; m[32] = 8191 & s; s = int(uint(s) >> 13)
            s = m[33] + s; m[33] = 8191 & s; s = int(uint(s) >> 13)
            s = m[34] + s; m[34] = 8191 & s; s = int(uint(s) >> 13)
            s = m[35] + s; m[35] = 8191 & s; s = int(uint(s) >> 13)
            s = m[36] + s; m[36] = 8191 & s; s = int(uint(s) >> 13)
            s = m[37] + s; m[37] = 8191 & s; s = int(uint(s) >> 13)
            m[58] = s
            # Columns 0 to 19, with them.
            s = m[48] * 608; s = m[0] + s; r[0] = 8191 & s; s = int(uint(s) >> 13)
            s = m[49] * 608 + s; s = m[1] + s; r[1] = 8191 & s; s = int(uint(s) >> 13)
            s = m[50] * 608 + s; s = m[2] + s; r[2] = 8191 & s; s = int(uint(s) >> 13)
            s = m[51] * 608 + s; s = m[3] + s; r[3] = 8191 & s; s = int(uint(s) >> 13)
            s = m[52] * 608 + s; s = m[4] + s; r[4] = 8191 & s; s = int(uint(s) >> 13)
            s = m[53] * 608 + s; s = m[5] + s; r[5] = 8191 & s; s = int(uint(s) >> 13)
            s = m[54] * 608 + s; s = m[6] + s; r[6] = 8191 & s; s = int(uint(s) >> 13)
            s = m[55] * 608 + s; s = m[7] + s; r[7] = 8191 & s; s = int(uint(s) >> 13)
            s = m[56] * 608 + s; s = m[8] + s; r[8] = 8191 & s; s = int(uint(s) >> 13)
            s = m[57] * 608 + s; s = m[9] + s; r[9] = 8191 & s; s = int(uint(s) >> 13)
            s = m[29] * 608 + s; s = m[10] - m[0] + s; s = m[38] - m[19] + s; r[10] = 8191 & s; s = int(uint(s) >> 13)
            s = m[30] * 608 + s; s = m[11] - m[1] + s; s = m[39] - m[20] + s; r[11] = 8191 & s; s = int(uint(s) >> 13)
            s = m[31] * 608 + s; s = m[12] - m[2] + s; s = m[40] - m[21] + s; r[12] = 8191 & s; s = int(uint(s) >> 13)
            s = m[32] * 608 + s; s = m[13] - m[3] + s; s = m[41] - m[22] + s; r[13] = 8191 & s; s = int(uint(s) >> 13)
            s = m[33] * 608 + s; s = m[14] - m[4] + s; s = m[42] - m[23] + s; r[14] = 8191 & s; s = int(uint(s) >> 13)
            s = m[34] * 608 + s; s = m[15] - m[5] + s; s = m[43] - m[24] + s; r[15] = 8191 & s; s = int(uint(s) >> 13)
            s = m[35] * 608 + s; s = m[16] - m[6] + s; s = m[44] - m[25] + s; r[16] = 8191 & s; s = int(uint(s) >> 13)
            s = m[36] * 608 + s; s = m[17] - m[7] + s; s = m[45] - m[26] + s; r[17] = 8191 & s; s = int(uint(s) >> 13)
            s = m[37] * 608 + s; s = m[18] - m[8] + s; s = m[46] - m[27] + s; r[18] = 8191 & s; s = int(uint(s) >> 13)
            s = m[58] * 608 + s; s = m[47] - m[9] + s; s = s - m[28]; r[19] = 8191 & s; s = int(uint(s) >> 13)
            s = r[0] + s * 608; r[0] = 8191 & s; s = r[1] + (s >> 13); r[1] = 8191 & s; r[2] = r[2] + (s >> 13)
            if program[2] > 127:
                r[20] = r[0] + r[10]; r[21] = r[1] + r[11]; r[22] = r[2] + r[12]; r[23] = r[3] + r[13]
                r[24] = r[4] + r[14]; r[25] = r[5] + r[15]; r[26] = r[6] + r[16]; r[27] = r[7] + r[17]
                r[28] = r[8] + r[18]; r[29] = r[9] + r[19]
            program = ptr8(int(program) + 3)
        elif op < _LOAD:
            m = ptr32(int(area) + 40 * program[1])
            b = ptr32(int(area) + 40 * program[2])
            part = 2
            while part:
                unit = part + 2
                if op == _COMBINE_SIGNED:
                    unit ^= 7 * is_minus
                unit = int(program[unit])
                if unit < _NOWHERE:
                    r = ptr32(int(area) + 40 * unit)
                    if part == 1:
                        s = m[0] + b[0]; r[0] = 8191 & s; s = s >> 13; s = m[1] + s; s = b[1] + s; r[1] = 8191 & s
                        s = s >> 13; s = m[2] + s; s = b[2] + s; r[2] = 8191 & s; s = s >> 13; s = m[3] + s
                        s = b[3] + s; r[3] = 8191 & s; s = s >> 13; s = m[4] + s; s = b[4] + s; r[4] = 8191 & s
                        s = s >> 13; s = m[5] + s; s = b[5] + s; r[5] = 8191 & s; s = s >> 13; s = m[6] + s
                        s = b[6] + s; r[6] = 8191 & s; s = s >> 13; s = m[7] + s; s = b[7] + s; r[7] = 8191 & s
                        s = s >> 13; s = m[8] + s; s = b[8] + s; r[8] = 8191 & s; s = s >> 13; s = m[9] + s
                        s = b[9] + s; r[9] = 8191 & s; s = s >> 13; s = m[10] + s; s = b[10] + s; r[10] = 8191 & s
                        s = s >> 13; s = m[11] + s; s = b[11] + s; r[11] = 8191 & s; s = s >> 13; s = m[12] + s
                        s = b[12] + s; r[12] = 8191 & s; s = s >> 13; s = m[13] + s; s = b[13] + s; r[13] = 8191 & s
                        s = s >> 13; s = m[14] + s; s = b[14] + s; r[14] = 8191 & s; s = s >> 13; s = m[15] + s
                        s = b[15] + s; r[15] = 8191 & s; s = s >> 13; s = m[16] + s; s = b[16] + s; r[16] = 8191 & s
                        s = s >> 13; s = m[17] + s; s = b[17] + s; r[17] = 8191 & s; s = s >> 13; s = m[18] + s
                        s = b[18] + s; r[18] = 8191 & s; s = s >> 13; s = m[19] + s; s = b[19] + s; r[19] = 8191 & s
                        s = s >> 13; r[0] = s * 608 + r[0]
                    else:
                        # Plus twice 2^260 - 608, so that the carry at the end is not negative.
                        s = m[0] - 1216; s = s - b[0]; r[0] = 8191 & s; s = s >> 13; s = m[1] - b[1] + s
                        r[1] = 8191 & s; s = s >> 13; s = m[2] - b[2] + s; r[2] = 8191 & s; s = s >> 13
                        s = m[3] - b[3] + s; r[3] = 8191 & s; s = s >> 13; s = m[4] - b[4] + s; r[4] = 8191 & s
                        s = s >> 13; s = m[5] - b[5] + s; r[5] = 8191 & s; s = s >> 13; s = m[6] - b[6] + s
                        r[6] = 8191 & s; s = s >> 13; s = m[7] - b[7] + s; r[7] = 8191 & s; s = s >> 13
                        s = m[8] - b[8] + s; r[8] = 8191 & s; s = s >> 13; s = m[9] - b[9] + s; r[9] = 8191 & s
                        s = s >> 13; s = m[10] - b[10] + s; r[10] = 8191 & s; s = s >> 13; s = m[11] - b[11] + s
                        r[11] = 8191 & s; s = s >> 13; s = m[12] - b[12] + s; r[12] = 8191 & s; s = s >> 13
                        s = m[13] - b[13] + s; r[13] = 8191 & s; s = s >> 13; s = m[14] - b[14] + s; r[14] = 8191 & s
                        s = s >> 13; s = m[15] - b[15] + s; r[15] = 8191 & s; s = s >> 13; s = m[16] - b[16] + s
                        r[16] = 8191 & s; s = s >> 13; s = m[17] - b[17] + s; r[17] = 8191 & s; s = s >> 13
                        s = m[18] - b[18] + s; r[18] = 8191 & s; s = s >> 13; s = m[19] - b[19] + s; r[19] = 8191 & s
                        s = s >> 13; r[0] = (s + 2) * 608 + r[0]
                    r[20] = r[0] + r[10]; r[21] = r[1] + r[11]; r[22] = r[2] + r[12]; r[23] = r[3] + r[13]
                    r[24] = r[4] + r[14]; r[25] = r[5] + r[15]; r[26] = r[6] + r[16]; r[27] = r[7] + r[17]
                    r[28] = r[8] + r[18]; r[29] = r[9] + r[19]
                part -= 1
            program = ptr8(int(program) + 5)
        elif op == _LOAD:
            is_minus = int(entry[0])
            entry = ptr16(int(entry) + 2)
            part = 0
            while part < program[2]:
                unit = int(program[1])
                if part > 1:
                    unit += 12 * (part - 1)
                elif part == is_minus:
                    unit += 6
                m = ptr32(int(area) + 40 * unit)
                m[0] = entry[0]; m[1] = entry[1]; m[2] = entry[2]; m[3] = entry[3]; m[4] = entry[4]; m[5] = entry[5]
                m[6] = entry[6]; m[7] = entry[7]; m[8] = entry[8]; m[9] = entry[9]; m[10] = entry[10]; m[11] = entry[11]
                m[12] = entry[12]; m[13] = entry[13]; m[14] = entry[14]; m[15] = entry[15]; m[16] = entry[16]
                m[17] = entry[17]; m[18] = entry[18]; m[19] = entry[19]
                m[20] = m[0] + m[10]; m[21] = m[1] + m[11]; m[22] = m[2] + m[12]; m[23] = m[3] + m[13]
                m[24] = m[4] + m[14]; m[25] = m[5] + m[15]; m[26] = m[6] + m[16]; m[27] = m[7] + m[17]
                m[28] = m[8] + m[18]; m[29] = m[9] + m[19]
                entry = ptr16(int(entry) + 40)
                part += 1
            program = ptr8(int(program) + 3)
        elif op == _COPY:
            m = ptr32(int(area) + 40 * program[1])
            r = ptr32(int(area) + 40 * program[2])
            r[0] = m[0]; r[1] = m[1]; r[2] = m[2]; r[3] = m[3]; r[4] = m[4]; r[5] = m[5]
            r[6] = m[6]; r[7] = m[7]; r[8] = m[8]; r[9] = m[9]; r[10] = m[10]; r[11] = m[11]
            r[12] = m[12]; r[13] = m[13]; r[14] = m[14]; r[15] = m[15]; r[16] = m[16]; r[17] = m[17]
            r[18] = m[18]; r[19] = m[19]; r[20] = m[20]; r[21] = m[21]; r[22] = m[22]; r[23] = m[23]
            r[24] = m[24]; r[25] = m[25]; r[26] = m[26]; r[27] = m[27]; r[28] = m[28]; r[29] = m[29]
            program = ptr8(int(program) + 3)
        elif op == _SWAP:
            m = ptr32(int(area) + 40 * program[1])
            r = ptr32(int(area) + 40 * program[2])
            is_minus = 0 - int(entry[0])
            entry = ptr16(int(entry) + 2)
            part = 10
            while part:
                s = (m[0] ^ r[0]) & is_minus; m[0] = m[0] ^ s; r[0] = r[0] ^ s
                s = (m[1] ^ r[1]) & is_minus; m[1] = m[1] ^ s; r[1] = r[1] ^ s
                s = (m[2] ^ r[2]) & is_minus; m[2] = m[2] ^ s; r[2] = r[2] ^ s
                s = (m[3] ^ r[3]) & is_minus; m[3] = m[3] ^ s; r[3] = r[3] ^ s
                m = ptr32(int(m) + 16)
                r = ptr32(int(r) + 16)
                part -= 1
            program = ptr8(int(program) + 3)
        else:
            m = ptr32(int(area) + 40 * program[1])
            b = ptr32(int(area) + 40 * program[2])
            r = ptr32(int(area) + 40 * program[3])
            s = 0
            part = 5
            while part:
                # Below 2^31, since no limb is more than 10,015.
                s = m[0] * 121666 + s; s = b[0] + s; r[0] = 8191 & s; s = s >> 13
                s = m[1] * 121666 + s; s = b[1] + s; r[1] = 8191 & s; s = s >> 13
                s = m[2] * 121666 + s; s = b[2] + s; r[2] = 8191 & s; s = s >> 13
                s = m[3] * 121666 + s; s = b[3] + s; r[3] = 8191 & s; s = s >> 13
                m = ptr32(int(m) + 16)
                b = ptr32(int(b) + 16)
                r = ptr32(int(r) + 16)
                part -= 1
            r = ptr32(int(r) - 80)
            s = r[0] + s * 608; r[0] = 8191 & s; s = r[1] + (s >> 13); r[1] = 8191 & s
            s = r[2] + (s >> 13); r[2] = 8191 & s; r[3] = r[3] + (s >> 13)
            part = 10
            while part:
                r[20] = r[0] + r[10]
                r = ptr32(int(r) + 4)
                part -= 1
            program = ptr8(int(program) + 4)
        op = int(program[0])
# fmt: on
