"""The field of P-256, integers modulo p = 2^256 - 2^224 + 2^192 + 2^96 - 1: a machine for short programs.

A number is 20 limbs of 13 bits, least significant first, a 32-bit word each, so that 20 products of limbs add up in a
word of the ESP32. It lies in a register of the machine's memory and stands for itself divided by 2^260 modulo p
(Montgomery form). The machine allocates nothing and takes the same steps on 32-bit and 64-bit interpreters.
"""

# ruff: noqa: E702

import micropython
from micropython import const

# What lies in a machine's memory, in words: the operands and products of a multiplication, then the registers.
_SCRATCH = const(140)
_REGISTER_BYTES = const(80)
# The operations; LINEAR + k for small k, also below zero.
MULTIPLY = const(0)
SQUARE = const(1)
LINEAR = const(64)


def memory_bytes(registers: int) -> int:
    """Returns how many bytes of memory a machine with that many registers has."""
    return 4 * _SCRATCH + _REGISTER_BYTES * registers


@micropython.viper
def load(w: ptr32, data: ptr8, register: int, at: int):
    """Sets a register from the 32 little-endian bytes at `data[at]`; one more byte is read, whatever it is."""
    w = ptr32(int(w) + 4 * _SCRATCH + _REGISTER_BYTES * register)
    data = ptr8(int(data) + at)
    shift = 0
    for i in range(20):
        w[i] = (data[0] | data[1] << 8 | data[2] << 16) >> shift & 8191
        shift += 13
        data = ptr8(int(data) + (shift >> 3))
        shift &= 7
    w[19] = w[19] & 511


@micropython.viper
def store(w: ptr32, data: ptr8, register: int):
    """Writes a register to 33 little-endian bytes, not reduced: between 0 and 3 p."""
    w = ptr32(int(w) + 4 * _SCRATCH + _REGISTER_BYTES * register)
    bits = 0
    filled = 0
    at = 0
    for i in range(20):
        bits |= w[i] << filled
        filled += 13
        while filled >= 8:
            data[at] = bits
            at += 1
            bits >>= 8
            filled -= 8
    data[32] = bits


@micropython.viper
def copy(w: ptr32, to: int, register: int):
    """Copies a register."""
    s = ptr32(int(w) + 4 * _SCRATCH + _REGISTER_BYTES * register)
    w = ptr32(int(w) + 4 * _SCRATCH + _REGISTER_BYTES * to)
    for i in range(20):
        w[i] = s[i]


@micropython.viper
def may_be_zero(w: ptr32, register: int) -> bool:
    """Whether a product may be 0 modulo p, from its lowest limb: then it is 0 or p itself."""
    low = w[_SCRATCH + 20 * register]
    return low == 0 or low == 8191


# fmt: off
@micropython.viper
def run(w: ptr32, a: int, code: ptr8, times: int):
    """Runs the first `a` instructions of a program, `times` times over; a memory is the first argument.

    An instruction is 4 bytes: the operation and the registers d, s, y.

        MULTIPLY    d = s * y / 2^260, below 1.3 p
        SQUARE      d = s * s / 2^260, below 1.3 p
        LINEAR + k  d = s + k * y, between 0 and 2.1 p, for k from -8 to 8

    Products are made of three of half the length (Karatsuba). Then follows Montgomery's reduction: since p is -1
    modulo 2^13, the lowest digit q itself says that q * p has to be added, and of p there are four other powers of
    two. Sums may pass below zero: shifts of a are arithmetic, and bits beyond the 32nd are never looked at.

    The first two locals lie in processor registers, which is why everything is reached from w and goes through a.
    """
    base = w
    start = code
    end = 0
    k = 0
    stop = int(code) + 4 * a
    while times:
        if int(code) == stop:
            code = start
            times -= 1
            continue
        op = code[0]
        d = ptr32(int(base) + (4 * _SCRATCH + _REGISTER_BYTES * code[1]))
        s = ptr32(int(base) + (4 * _SCRATCH + _REGISTER_BYTES * code[2]))
        y = ptr32(int(base) + (4 * _SCRATCH + _REGISTER_BYTES * code[3]))
        code = ptr8(int(code) + 4)
        if op < 2:
            # Operand s: its low limbs, its high ones, and their sums, 20 words apart.
            w[0] = s[0]; w[20] = s[10]; w[40] = w[0] + s[10]
            w[1] = s[1]; w[21] = s[11]; w[41] = w[1] + s[11]
            w[2] = s[2]; w[22] = s[12]; w[42] = w[2] + s[12]
            w[3] = s[3]; w[23] = s[13]; w[43] = w[3] + s[13]
            w[4] = s[4]; w[24] = s[14]; w[44] = w[4] + s[14]
            w[5] = s[5]; w[25] = s[15]; w[45] = w[5] + s[15]
            w[6] = s[6]; w[26] = s[16]; w[46] = w[6] + s[16]
            w[7] = s[7]; w[27] = s[17]; w[47] = w[7] + s[17]
            w[8] = s[8]; w[28] = s[18]; w[48] = w[8] + s[18]
            w[9] = s[9]; w[29] = s[19]; w[49] = w[9] + s[19]
            end = int(w) + 240
            if op:
                # Three squares of 10 limbs: a limb times itself, and twice times those above it.
                while int(w) < end:
                    a = w[0]; w[60] = a * a; a = a + a; w[61] = w[1] * a; w[62] = w[2] * a; w[63] = w[3] * a
                    w[64] = w[4] * a; w[65] = w[5] * a; w[66] = w[6] * a; w[67] = w[7] * a; w[68] = w[8] * a
                    w[69] = w[9] * a
                    a = w[1]; w[62] = a * a + w[62]; a = a + a; w[63] = w[2] * a + w[63]
                    w[64] = w[3] * a + w[64]; w[65] = w[4] * a + w[65]; w[66] = w[5] * a + w[66]
                    w[67] = w[6] * a + w[67]; w[68] = w[7] * a + w[68]; w[69] = w[8] * a + w[69]
                    w[70] = w[9] * a
                    a = w[2]; w[64] = a * a + w[64]; a = a + a; w[65] = w[3] * a + w[65]
                    w[66] = w[4] * a + w[66]; w[67] = w[5] * a + w[67]; w[68] = w[6] * a + w[68]
                    w[69] = w[7] * a + w[69]; w[70] = w[8] * a + w[70]; w[71] = w[9] * a
                    a = w[3]; w[66] = a * a + w[66]; a = a + a; w[67] = w[4] * a + w[67]
                    w[68] = w[5] * a + w[68]; w[69] = w[6] * a + w[69]; w[70] = w[7] * a + w[70]
                    w[71] = w[8] * a + w[71]; w[72] = w[9] * a
                    a = w[4]; w[68] = a * a + w[68]; a = a + a; w[69] = w[5] * a + w[69]
                    w[70] = w[6] * a + w[70]; w[71] = w[7] * a + w[71]; w[72] = w[8] * a + w[72]
                    w[73] = w[9] * a
                    a = w[5]; w[70] = a * a + w[70]; a = a + a; w[71] = w[6] * a + w[71]
                    w[72] = w[7] * a + w[72]; w[73] = w[8] * a + w[73]; w[74] = w[9] * a
                    a = w[6]; w[72] = a * a + w[72]; a = a + a; w[73] = w[7] * a + w[73]
                    w[74] = w[8] * a + w[74]; w[75] = w[9] * a
                    a = w[7]; w[74] = a * a + w[74]; a = a + a; w[75] = w[8] * a + w[75]; w[76] = w[9] * a
                    a = w[8]; w[76] = a * a + w[76]; a = a + a; w[77] = w[9] * a
                    a = w[9]; w[78] = a * a
                    w = ptr32(int(w) + 80)
            else:
                # Operand y likewise, in the gaps between.
                w[10] = y[0]; w[30] = y[10]; w[50] = w[10] + y[10]
                w[11] = y[1]; w[31] = y[11]; w[51] = w[11] + y[11]
                w[12] = y[2]; w[32] = y[12]; w[52] = w[12] + y[12]
                w[13] = y[3]; w[33] = y[13]; w[53] = w[13] + y[13]
                w[14] = y[4]; w[34] = y[14]; w[54] = w[14] + y[14]
                w[15] = y[5]; w[35] = y[15]; w[55] = w[15] + y[15]
                w[16] = y[6]; w[36] = y[16]; w[56] = w[16] + y[16]
                w[17] = y[7]; w[37] = y[17]; w[57] = w[17] + y[17]
                w[18] = y[8]; w[38] = y[18]; w[58] = w[18] + y[18]
                w[19] = y[9]; w[39] = y[19]; w[59] = w[19] + y[19]
                # Three products of 10 limbs by 10.
                while int(w) < end:
                    a = w[10]; w[60] = w[0] * a; w[61] = w[1] * a; w[62] = w[2] * a; w[63] = w[3] * a
                    w[64] = w[4] * a; w[65] = w[5] * a; w[66] = w[6] * a; w[67] = w[7] * a; w[68] = w[8] * a
                    w[69] = w[9] * a
                    a = w[11]; w[61] = w[0] * a + w[61]; w[62] = w[1] * a + w[62]; w[63] = w[2] * a + w[63]
                    w[64] = w[3] * a + w[64]; w[65] = w[4] * a + w[65]; w[66] = w[5] * a + w[66]
                    w[67] = w[6] * a + w[67]; w[68] = w[7] * a + w[68]; w[69] = w[8] * a + w[69]
                    w[70] = w[9] * a
                    a = w[12]; w[62] = w[0] * a + w[62]; w[63] = w[1] * a + w[63]; w[64] = w[2] * a + w[64]
                    w[65] = w[3] * a + w[65]; w[66] = w[4] * a + w[66]; w[67] = w[5] * a + w[67]
                    w[68] = w[6] * a + w[68]; w[69] = w[7] * a + w[69]; w[70] = w[8] * a + w[70]
                    w[71] = w[9] * a
                    a = w[13]; w[63] = w[0] * a + w[63]; w[64] = w[1] * a + w[64]; w[65] = w[2] * a + w[65]
                    w[66] = w[3] * a + w[66]; w[67] = w[4] * a + w[67]; w[68] = w[5] * a + w[68]
                    w[69] = w[6] * a + w[69]; w[70] = w[7] * a + w[70]; w[71] = w[8] * a + w[71]
                    w[72] = w[9] * a
                    a = w[14]; w[64] = w[0] * a + w[64]; w[65] = w[1] * a + w[65]; w[66] = w[2] * a + w[66]
                    w[67] = w[3] * a + w[67]; w[68] = w[4] * a + w[68]; w[69] = w[5] * a + w[69]
                    w[70] = w[6] * a + w[70]; w[71] = w[7] * a + w[71]; w[72] = w[8] * a + w[72]
                    w[73] = w[9] * a
                    a = w[15]; w[65] = w[0] * a + w[65]; w[66] = w[1] * a + w[66]; w[67] = w[2] * a + w[67]
                    w[68] = w[3] * a + w[68]; w[69] = w[4] * a + w[69]; w[70] = w[5] * a + w[70]
                    w[71] = w[6] * a + w[71]; w[72] = w[7] * a + w[72]; w[73] = w[8] * a + w[73]
                    w[74] = w[9] * a
                    a = w[16]; w[66] = w[0] * a + w[66]; w[67] = w[1] * a + w[67]; w[68] = w[2] * a + w[68]
                    w[69] = w[3] * a + w[69]; w[70] = w[4] * a + w[70]; w[71] = w[5] * a + w[71]
                    w[72] = w[6] * a + w[72]; w[73] = w[7] * a + w[73]; w[74] = w[8] * a + w[74]
                    w[75] = w[9] * a
                    a = w[17]; w[67] = w[0] * a + w[67]; w[68] = w[1] * a + w[68]; w[69] = w[2] * a + w[69]
                    w[70] = w[3] * a + w[70]; w[71] = w[4] * a + w[71]; w[72] = w[5] * a + w[72]
                    w[73] = w[6] * a + w[73]; w[74] = w[7] * a + w[74]; w[75] = w[8] * a + w[75]
                    w[76] = w[9] * a
                    a = w[18]; w[68] = w[0] * a + w[68]; w[69] = w[1] * a + w[69]; w[70] = w[2] * a + w[70]
                    w[71] = w[3] * a + w[71]; w[72] = w[4] * a + w[72]; w[73] = w[5] * a + w[73]
                    w[74] = w[6] * a + w[74]; w[75] = w[7] * a + w[75]; w[76] = w[8] * a + w[76]
                    w[77] = w[9] * a
                    a = w[19]; w[69] = w[0] * a + w[69]; w[70] = w[1] * a + w[70]; w[71] = w[2] * a + w[71]
                    w[72] = w[3] * a + w[72]; w[73] = w[4] * a + w[73]; w[74] = w[5] * a + w[74]
                    w[75] = w[6] * a + w[75]; w[76] = w[7] * a + w[76]; w[77] = w[8] * a + w[77]
                    w[78] = w[9] * a
                    w = ptr32(int(w) + 80)
            w = base
            # Column by column: what the three say of it, the carry, and what the 20 digits so far add to it.
            w[120] = (a := w[60]) & 8191
            w[121] = (a := w[61] + (a >> 13)) & 8191
            w[122] = (a := w[62] + (a >> 13)) & 8191
            w[123] = (a := w[63] + (a >> 13)) & 8191
            w[124] = (a := w[64] + (a >> 13)) & 8191
            w[125] = (a := w[65] + (a >> 13)) & 8191
            w[126] = (a := w[66] + (a >> 13)) & 8191
            w[127] = (a := w[67] + (a >> 13) + (w[120] << 5)) & 8191
            w[128] = (a := w[68] + (a >> 13) + (w[121] << 5)) & 8191
            w[129] = (a := w[69] + (a >> 13) + (w[122] << 5)) & 8191
            w[130] = (a := w[70] + (a >> 13) + w[100] - w[60] - w[80] + (w[123] << 5)) & 8191
            w[131] = (a := w[71] + (a >> 13) + w[101] - w[61] - w[81] + (w[124] << 5)) & 8191
            w[132] = (a := w[72] + (a >> 13) + w[102] - w[62] - w[82] + (w[125] << 5)) & 8191
            w[133] = (a := w[73] + (a >> 13) + w[103] - w[63] - w[83] + (w[126] << 5)) & 8191
            w[134] = (a := w[74] + (a >> 13) + w[104] - w[64] - w[84] + (w[127] << 5) + (w[120] << 10)) & 8191
            w[135] = (a := w[75] + (a >> 13) + w[105] - w[65] - w[85] + (w[128] << 5) + (w[121] << 10)) & 8191
            w[136] = (a := w[76] + (a >> 13) + w[106] - w[66] - w[86] + (w[129] << 5) + (w[122] << 10)) & 8191
            a = w[77] + (a >> 13) + w[107] - w[67] - w[87]
            w[137] = (a := a + (w[130] << 5) + (w[123] << 10) - (w[120] << 3)) & 8191
            a = w[78] + (a >> 13) + w[108] - w[68] - w[88]
            w[138] = (a := a + (w[131] << 5) + (w[124] << 10) - (w[121] << 3)) & 8191
            a = w[109] + (a >> 13) - w[69] - w[89]
            w[139] = (a := a + (w[132] << 5) + (w[125] << 10) - (w[122] << 3) + (w[120] << 9)) & 8191
            a = w[80] + (a >> 13) + w[110] - w[70] - w[90]
            d[0] = (a := a + (w[133] << 5) + (w[126] << 10) - (w[123] << 3) + (w[121] << 9)) & 8191
            a = w[81] + (a >> 13) + w[111] - w[71] - w[91]
            d[1] = (a := a + (w[134] << 5) + (w[127] << 10) - (w[124] << 3) + (w[122] << 9)) & 8191
            a = w[82] + (a >> 13) + w[112] - w[72] - w[92]
            d[2] = (a := a + (w[135] << 5) + (w[128] << 10) - (w[125] << 3) + (w[123] << 9)) & 8191
            a = w[83] + (a >> 13) + w[113] - w[73] - w[93]
            d[3] = (a := a + (w[136] << 5) + (w[129] << 10) - (w[126] << 3) + (w[124] << 9)) & 8191
            a = w[84] + (a >> 13) + w[114] - w[74] - w[94]
            d[4] = (a := a + (w[137] << 5) + (w[130] << 10) - (w[127] << 3) + (w[125] << 9)) & 8191
            a = w[85] + (a >> 13) + w[115] - w[75] - w[95]
            d[5] = (a := a + (w[138] << 5) + (w[131] << 10) - (w[128] << 3) + (w[126] << 9)) & 8191
            a = w[86] + (a >> 13) + w[116] - w[76] - w[96]
            d[6] = (a := a + (w[139] << 5) + (w[132] << 10) - (w[129] << 3) + (w[127] << 9)) & 8191
            a = w[87] + (a >> 13) + w[117] - w[77] - w[97]
            d[7] = (a := a + (w[133] << 10) - (w[130] << 3) + (w[128] << 9)) & 8191
            a = w[88] + (a >> 13) + w[118] - w[78] - w[98]
            d[8] = (a := a + (w[134] << 10) - (w[131] << 3) + (w[129] << 9)) & 8191
            d[9] = (a := w[89] + (a >> 13) + (w[135] << 10) - (w[132] << 3) + (w[130] << 9)) & 8191
            d[10] = (a := w[90] + (a >> 13) + (w[136] << 10) - (w[133] << 3) + (w[131] << 9)) & 8191
            d[11] = (a := w[91] + (a >> 13) + (w[137] << 10) - (w[134] << 3) + (w[132] << 9)) & 8191
            d[12] = (a := w[92] + (a >> 13) + (w[138] << 10) - (w[135] << 3) + (w[133] << 9)) & 8191
            d[13] = (a := w[93] + (a >> 13) + (w[139] << 10) - (w[136] << 3) + (w[134] << 9)) & 8191
            d[14] = (a := w[94] + (a >> 13) - (w[137] << 3) + (w[135] << 9)) & 8191
            d[15] = (a := w[95] + (a >> 13) - (w[138] << 3) + (w[136] << 9)) & 8191
            d[16] = (a := w[96] + (a >> 13) - (w[139] << 3) + (w[137] << 9)) & 8191
            d[17] = (a := w[97] + (a >> 13) + (w[138] << 9)) & 8191
            d[18] = (a := w[98] + (a >> 13) + (w[139] << 9)) & 8191
            d[19] = (a >> 13)
        else:
            # The multiple of p that brings the result down is found from the top limbs alone.
            w = y
            k = op - 64
            m = 1 - (s[19] + k * w[19] >> 9)
            d[0] = (a := w[0] * k + s[0] - m) & 8191
            d[1] = (a := w[1] * k + s[1] + (a >> 13)) & 8191
            d[2] = (a := w[2] * k + s[2] + (a >> 13)) & 8191
            d[3] = (a := w[3] * k + s[3] + (a >> 13)) & 8191
            d[4] = (a := w[4] * k + s[4] + (a >> 13)) & 8191
            d[5] = (a := w[5] * k + s[5] + (a >> 13)) & 8191
            d[6] = (a := w[6] * k + s[6] + (a >> 13)) & 8191
            d[7] = (a := w[7] * k + s[7] + (a >> 13) + m * 32) & 8191
            d[8] = (a := w[8] * k + s[8] + (a >> 13)) & 8191
            d[9] = (a := w[9] * k + s[9] + (a >> 13)) & 8191
            d[10] = (a := w[10] * k + s[10] + (a >> 13)) & 8191
            d[11] = (a := w[11] * k + s[11] + (a >> 13)) & 8191
            d[12] = (a := w[12] * k + s[12] + (a >> 13)) & 8191
            d[13] = (a := w[13] * k + s[13] + (a >> 13)) & 8191
            d[14] = (a := w[14] * k + s[14] + (a >> 13) + m * 1024) & 8191
            d[15] = (a := w[15] * k + s[15] + (a >> 13)) & 8191
            d[16] = (a := w[16] * k + s[16] + (a >> 13)) & 8191
            d[17] = (a := w[17] * k + s[17] + (a >> 13) - m * 8) & 8191
            d[18] = (a := w[18] * k + s[18] + (a >> 13)) & 8191
            d[19] = w[19] * k + s[19] + (a >> 13) + m * 512
            w = base
