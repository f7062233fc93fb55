"""Numbers modulo p = 2^255 - 19: in and out of the limbs of `field25519`."""

import micropython

P = (1 << 255) - 19


@micropython.viper
def unpack(limbs: ptr16, data: ptr8, at: int, count: int):
    """Writes `count` 32-byte numbers from `data[at]` on, least significant byte first, as 20 16-bit limbs each."""
    data = ptr8(int(data) + at)
    while count:
        bit = 0
        for limb in range(19):
            at = bit >> 3
            limbs[limb] = ((data[at] | (data[at + 1] << 8) | (data[at + 2] << 16)) >> (bit & 7)) & 8191
            bit += 13
        limbs[19] = (data[30] | (data[31] << 8)) >> 7
        data = ptr8(int(data) + 32)
        limbs = ptr16(int(limbs) + 40)
        count -= 1


@micropython.viper
def store(limbs: ptr16, area: ptr32, unit: int):
    """Writes the number at `unit` as 20 16-bit limbs, as LOAD takes them."""
    area = ptr32(int(area) + 40 * unit)
    for limb in range(20):
        limbs[limb] = area[limb]


@micropython.viper
def _fetch(area: ptr32, unit: int, limbs: ptr16):
    area = ptr32(int(area) + 40 * unit)
    for limb in range(20):
        area[limb] = limbs[limb]
    for limb in range(10):
        area[20 + limb] = area[limb] + area[10 + limb]


@micropython.viper
def _pack(out: ptr8, area: ptr32, unit: int):
    area = ptr32(int(area) + 40 * unit)
    word = 0
    filled = 0
    for limb in range(20):
        word += area[limb] << filled
        filled += 13
        while filled >= 8:
            out[0] = word
            out = ptr8(int(out) + 1)
            word >>= 8
            filled -= 8
    out[0] = word


def put(area: bytearray, unit: int, number: int) -> None:
    """Writes `number`, 0 to 2^256 - 1, to `unit`, with its sums."""
    limbs = bytearray(40)
    unpack(limbs, number.to_bytes(32, "little"), 0, 1)
    _fetch(area, unit, limbs)


def get(area: bytearray, unit: int) -> int:
    """Returns the number at `unit`, 0 to p - 1."""
    out = bytearray(33)
    _pack(out, area, unit)
    return int.from_bytes(out, "little") % P
