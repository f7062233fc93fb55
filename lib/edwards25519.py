"""The group of Ed25519 (RFC 8032 section 5.1) in plain Python integers.

A point is (x, y, z, ta, tb): the extended coordinates of section 5.1.4, but t = ta * tb is left unmultiplied, since a
doubling does not need it. A table entry is (y + x, y - x, 2z, 2dt), all that an addition needs of its second operand.
"""

_P = (1 << 255) - 19
_LOW_255 = (1 << 255) - 1
ORDER = (1 << 252) + 27742317777372353535851937790883648493
_D = 0x52036CEE2B6FFE738CC740797779E89800700A4D4141D8AB75EB4DCA135978A3
_TWICE_D = 2 * _D % _P
_ROOT_OF_MINUS_1 = 0x2B8324804FC1DF0B2B4D00993DFBD7A72F431806AD2FE478C4EE1B274A0EA0B0
_BASE_X = 0x216936D3CD6E53FEC0A4E231FDD6DC5C692CC7609525A7B2C9562D608F25D51A
_BASE_Y = 0x6666666666666666666666666666666666666666666666666666666666666658
_NEUTRAL = (0, 1, 1, 0, 1)

# The comb for multiples of the base point: 5 teeth 52 bits apart, cut into 2 blocks of 26 columns. Each block has 16
# entries, since the top tooth's sign is taken out. Making it costs about as much as a verification, so that waits until
# it is first needed.
_TEETH = 5
_BLOCK_COLUMNS = 26
_TOOTH_BITS = 2 * _BLOCK_COLUMNS
_comb = []


def _fold(product: int) -> int:
    """Returns a number of about 20 bits more than half of the product's, congruent to it: a third cheaper than % p."""
    return (product & _LOW_255) + 19 * (product >> 255)


def _power(z: int) -> int:
    """Returns z^(2^252 - 3) mod p: what both inversion and the square root are made of.

    Squaring by hand; the built-in three-argument pow costs four times as much.
    """
    # made[n] = z^(2^n - 1). Squaring it m times and multiplying by made[m] gives made[n + m].
    ones = 1
    power = z
    made = {1: z}
    for more in (1, 2, 1, 5, 10, 20, 10, 50, 100, 50):
        for _ in range(more):
            power = power * power % _P
        power = power * made[more] % _P
        ones += more
        made[ones] = power
    power = power * power % _P
    return power * power % _P * z % _P


def _inverse(z: int) -> int:
    """Returns 1/z mod p, for z in 1 to p - 1, by Euclid's extended algorithm: a third of what z^(p - 2) costs."""
    low, high = z, _P
    factor, last = 1, 0
    while low > 1:
        quotient, rest = divmod(high, low)
        high, low = low, rest
        last, factor = factor, last - quotient * factor
    return factor % _P


def encode(point: tuple) -> bytes:
    """Returns the 32 bytes of RFC 8032 section 5.1.2."""
    x, y, z, _, _ = point
    inverse = _inverse(z)
    return (y * inverse % _P | (x * inverse % _P & 1) << 255).to_bytes(32, "little")


def decode(encoded: bytes):
    """Returns the point, or None if there is none or this is not how RFC 8032 section 5.1.3 writes it."""
    y = int.from_bytes(bytes(encoded), "little")
    sign = y >> 255
    y &= (1 << 255) - 1
    if y >= _P:
        return None
    u = (y * y - 1) % _P
    v = (_D * (y * y % _P) + 1) % _P
    v3 = v * v % _P * v % _P
    x = u * v3 % _P * _power(u * v3 % _P * v3 % _P * v % _P) % _P
    check = v * (x * x % _P) % _P
    if check != u:
        if check + u != _P:
            return None
        x = x * _ROOT_OF_MINUS_1 % _P
    if not x and sign:
        return None
    if x & 1 != sign:
        x = _P - x
    return x, y, 1, x, y


def negate(point: tuple) -> tuple:
    x, y, z, ta, tb = point
    return _P - x, y, z, _P - ta, tb


def is_of_small_order(point: tuple) -> bool:
    """Whether 8 * point is the neutral element."""
    for _ in range(3):
        point = _double(point)
    return not point[0]


def _double(point: tuple) -> tuple:
    # RFC 8032 section 5.1.4.
    x, y, z, _, _ = point
    a = _fold(x * x)
    b = _fold(y * y)
    h = a + b
    x += y
    e = h - _fold(x * x)
    g = a - b
    f = g + _fold((z + z) * z)
    return e * f % _P, g * h % _P, f * g % _P, e, h


def _add(point: tuple, entry: tuple, is_negative: bool) -> tuple:
    """Returns `point` plus the table's `entry`, or minus it."""
    x, y, z, ta, tb = point
    plus, minus, z2, t2d = entry
    c = _fold(_fold(ta * tb) * t2d)
    if is_negative:
        plus, minus, c = minus, plus, -c
    a = _fold((y - x) * minus)
    b = _fold((y + x) * plus)
    d = z + z if z2 == 2 else _fold(z * z2)
    e = b - a
    f = d - c
    g = d + c
    h = b + a
    return e * f % _P, g * h % _P, f * g % _P, e, h


def _entry(point: tuple) -> tuple:
    x, y, z, ta, tb = point
    return y + x, y - x, 2 * z, ta * tb % _P * _TWICE_D % _P


def _to_affine_entries(points: list) -> None:
    """Turns the points into entries with z = 1, in place, at the cost of one inversion (Montgomery's trick)."""
    products = [1]
    for point in points:
        products.append(products[-1] * point[2] % _P)
    inverse = _inverse(products.pop())
    for at in range(len(points) - 1, -1, -1):
        x, y, z, _, _ = points[at]
        own = inverse * products.pop() % _P
        inverse = inverse * z % _P
        x = x * own % _P
        y = y * own % _P
        points[at] = _entry((x, y, 1, x, y))


def _comb_points() -> list:
    """Returns the points of the comb: for block b and `signs` 2^(26 b) * (2^208 +- 2^156 +- 2^104 +- 2^52 +- 1) * B.

    Bit t of `signs`, 0 to 15, set means that tooth t is added, otherwise it is taken off.
    """
    point = _BASE_X, _BASE_Y, 1, _BASE_X, _BASE_Y
    starts, doubles = [], []
    for _ in range(2 * _TEETH):
        starts.append(_entry(point))
        point = _double(point)
        doubles.append(_entry(point))
        for _ in range(_BLOCK_COLUMNS - 1):
            point = _double(point)
    points = []
    for block in range(2):
        point = _add(_NEUTRAL, starts[2 * _TEETH - 2 + block], False)
        for tooth in range(_TEETH - 1):
            point = _add(point, starts[2 * tooth + block], True)
        signed = [point]
        for tooth in range(_TEETH - 1):
            signed += [_add(lower, doubles[2 * tooth + block], False) for lower in signed]
        points += signed
    return points


def _make_comb() -> None:
    points = _comb_points()
    _to_affine_entries(points)
    # In one step: another thread may look at it meanwhile.
    _comb.extend(points)


def _comb_digits(scalar: int) -> bytearray:
    """Returns what to look up for each of the 52 columns: 0 to 15 of the block's entries to add, 16 to 31 to take off.

    An odd number is a sum of all powers of two below 2^260, each with a sign: bit i of (number + 2^260 - 1) / 2. An
    even scalar is made odd by adding the order, which does not change the multiple.
    """
    if not scalar & 1:
        scalar += ORDER
    bits = ((scalar + (1 << _TEETH * _TOOTH_BITS) - 1) >> 1).to_bytes(33, "little")
    digits = bytearray(_TOOTH_BITS)
    for column in range(_TOOTH_BITS):
        signs = 0
        at = column
        for tooth in range(_TEETH):
            signs |= (bits[at >> 3] >> (at & 7) & 1) << tooth
            at += _TOOTH_BITS
        # With the top tooth taken off, the entry with all signs turned is the one to take off.
        digits[column] = signs & 15 if signs & 16 else signs ^ 15 | 16
    return digits


def _window_digits(scalar: int) -> bytearray:
    """Returns digits for the powers of two up to 2^255: 0, or 16 plus an odd number from -15 to 15, 5 places apart."""
    bits = scalar.to_bytes(33, "little")
    digits = bytearray(256)
    carry = at = 0
    while at < 256:
        window = (bits[at >> 3] | bits[(at >> 3) + 1] << 8) >> (at & 7) & 31
        if window & 1 == carry:
            at += 1
            continue
        window += carry
        carry = window >> 4
        digits[at] = window + 16 - 32 * carry
        at += 5
    return digits


def _odd_multiples(point: tuple) -> list:
    """Returns the entries of 1, 3, 5 ... 15 times the point."""
    entries = [_entry(point)]
    double = _entry(_double(point))
    for _ in range(7):
        point = _add(point, double, False)
        entries.append(_entry(point))
    return entries


def combine(base_scalar: int, scalar: int = 0, point: tuple = _NEUTRAL) -> tuple:
    """Returns base_scalar * B + scalar * point for scalars below the order, in one run of doublings (Straus)."""
    if not _comb:
        _make_comb()
    columns = _comb_digits(base_scalar)
    windows = _window_digits(scalar)
    entries = _odd_multiples(point) if scalar else []
    top = _BLOCK_COLUMNS - 1
    for at in range(top, 256):
        if windows[at]:
            top = at
    total = _NEUTRAL
    for at in range(top, -1, -1):
        if at != top:
            total = _double(total)
        if windows[at]:
            digit = windows[at] - 16
            total = _add(total, entries[abs(digit) >> 1], digit < 0)
        if at < _BLOCK_COLUMNS:
            low = columns[at]
            high = columns[at + _BLOCK_COLUMNS]
            total = _add(total, _comb[low & 15], low > 15)
            total = _add(total, _comb[16 + (high & 15)], high > 15)
    return total
