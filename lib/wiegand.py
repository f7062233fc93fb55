"""Wiegand: pulses on two wires, D0 for a zero and D1 for a one, into keys and card numbers.

    26 bits   P ffffffff nnnnnnnnnnnnnnnn P     facility 8, number 16
    34 bits   P f * 16   n * 16           P     facility 16, number 16
    8 bits    the complement of a key, then the key        4 bits   a key

P in front makes the first half even, P behind makes the second half odd. Nothing on the wires is secret or signed:
whoever reaches them can play any number.
"""

from constant import const

# What `take` returns for bits that are no frame.
NOISE = 1

# Readers leave 0.2 to 20 ms between two bits of a frame, people more between two keys.
_GAP_MS = const(25)
# Keys that are typed while nobody looks: 64 of 4 bits. A power of two.
_RING = const(256)
_LONGEST = const(34)
_KEYS = const("0123456789*#")

# What the ring holds for each bit, besides the bit itself.
_STARTS = const(2)
_SPOILT = const(4)


class Collector:
    """Collects bits. `edge` is called by an interrupt for each pulse, `take` by whoever wants the frames."""

    def __init__(self, ticks_diff) -> None:
        """`ticks_diff(later, earlier)` is that of `time` on the board."""
        self._ticks_diff = ticks_diff
        self._ring = bytearray(_RING)
        self._put_at = 0
        self._take_at = 0
        self._last_ms = 0
        self._is_lost = False

    def edge(self, bit: int, now_ms: int) -> None:
        """Takes one bit, 0 or 1, at `now_ms` (of time.ticks_ms). Allocates nothing."""
        at = self._put_at
        if self._ticks_diff(now_ms, self._last_ms) >= _GAP_MS:
            bit |= _STARTS
            self._is_lost = False
        self._last_ms = now_ms
        after = (at + 1) % _RING
        if not self._is_lost and after != self._take_at:
            self._ring[at] = bit
            self._put_at = after
            return
        # No room for this frame: neither its beginning nor its end must pass for a shorter one.
        if not self._is_lost and not bit & _STARTS:
            self._ring[at - 1] |= _SPOILT
        self._is_lost = True

    def take(self, now_ms: int):
        """Returns the oldest frame that is complete, None if there is none.

        A key comes as its character (0 to 9, * and #), a card as (facility, number), anything else as NOISE. Called
        `wait_ms` after the last bit or later, it finds every frame.
        """
        put_at = self._put_at
        at = self._take_at
        if at == put_at:
            return None
        count = value = flags = 0
        while at != put_at:
            bits = self._ring[at]
            if count and bits & _STARTS:
                break
            flags |= bits
            count += 1
            if count <= _LONGEST:
                value = value << 1 | bits & 1
            at = (at + 1) % _RING
        else:
            if self._ticks_diff(now_ms, self._last_ms) < _GAP_MS:
                return None
        self._take_at = at
        return NOISE if flags & _SPOILT else decode(count, value)

    def wait_ms(self, now_ms: int) -> int:
        """Returns how long until the frame that comes in is certainly over, 0 if none does."""
        if self._take_at == self._put_at:
            return 0
        return max(0, _GAP_MS - self._ticks_diff(now_ms, self._last_ms))


def decode(count: int, value: int):
    """Returns what a frame of `count` bits is, the first bit the highest of `value`; see `Collector.take`."""
    if count == 4 or count == 8:
        key = value & 15
        if key < len(_KEYS) and (count == 4 or value >> 4 == key ^ 15):
            return _KEYS[key]
    elif count == 26 or count == 34:
        half = count // 2
        if not _is_odd(value >> half) and _is_odd(value & (1 << half) - 1):
            data = value >> 1 & (1 << count - 2) - 1
            return data >> 16, data & 0xFFFF
    return NOISE


def _is_odd(value: int) -> bool:
    """Whether an odd number of bits is set."""
    parity = 0
    while value:
        parity ^= value & 1
        value >>= 1
    return bool(parity)
