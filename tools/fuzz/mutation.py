"""Makes wrong input out of right input, the same for the same seed.

Two ways: bytes are damaged as lines, memories and attackers damage them; values (of CBOR, JSON) are changed before they
are encoded, which gets past the outer checks.
"""

from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

MAX_INPUT_BYTES = 1_500

# Bytes and byte strings that mean something to one format or another: lengths, signs, ends, tags.
_BYTES = (0x00, 0x01, 0x7F, 0x80, 0xFF, 0x18, 0x1B, 0x40, 0x5B, 0x60, 0x9B, 0xA0, 0xBB, 0xF6, 0xFE, 0x90, 0x61, 0x6C)
_WORDS = (
    b"\xff\xff\xff\xff",
    b"\x80\x00\x00\x00",
    b"\x00\x00",
    b"\xff\xff",
    b"\x90\x00",
    b"\x61\x00",
    b"\x6a\x82",
    b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x5b\x00\x00\x00\x00\xff\xff\xff\xff",
    b"\x81" * 100,
    b"\xa1\x00" * 20,
    b"\x03\xff\x04\x00",
    b"\xed\xa0\x80",
)
_VALUES = (
    0, 1, -1, 2, 23, 24, 127, 128, 255, 256, 1439, 1440, 65535, 65536, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 63) - 1,
    (1 << 64) - 1, -(1 << 31), -(1 << 64), -70001, -70004, True, False, None, "", "a", "a" * 32, "a" * 33, "\x00",
    "\u00e9\u20ac\U0001f6aa", "lobby", b"", b"\0", b"x" * 32, b"x" * 33, [], {}, [[]], [1, 2, 3], {1: 1},
)  # fmt: skip


def damage(random: Random, data: bytes, others: list[bytes]) -> bytes:
    """Returns `data` with one to four damages; `others` are donors of strange parts."""
    out = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 3, 4))):
        random.choice(_DAMAGES)(random, out, others)
    return bytes(out[:MAX_INPUT_BYTES])


def noise(random: Random) -> bytes:
    """Returns a few random bytes."""
    return random.randbytes(random.randrange(40))


def _at(random: Random, out: bytearray) -> int:
    return random.randrange(len(out) + 1)


def _flip(random: Random, out: bytearray, others: list[bytes]) -> None:
    if out:
        out[random.randrange(len(out))] ^= 1 << random.randrange(8)


def _set(random: Random, out: bytearray, others: list[bytes]) -> None:
    if out:
        out[random.randrange(len(out))] = random.choice(_BYTES)


def _step(random: Random, out: bytearray, others: list[bytes]) -> None:
    # Lengths that are off by one.
    if out:
        at = random.randrange(len(out))
        out[at] = out[at] + random.choice((-1, 1)) & 255


def _insert(random: Random, out: bytearray, others: list[bytes]) -> None:
    at = _at(random, out)
    out[at:at] = random.choice((bytes([random.choice(_BYTES)]), random.choice(_WORDS), noise(random)))


def _overwrite(random: Random, out: bytearray, others: list[bytes]) -> None:
    at = _at(random, out)
    word = random.choice(_WORDS)
    out[at : at + len(word)] = word


def _delete(random: Random, out: bytearray, others: list[bytes]) -> None:
    at = _at(random, out)
    del out[at : at + random.choice((1, 1, 2, 4, 16))]


def _repeat(random: Random, out: bytearray, others: list[bytes]) -> None:
    at = _at(random, out)
    part = out[at : at + random.choice((1, 4, 16, 64))]
    out[at:at] = part * random.choice((1, 1, 2, 8))


def _truncate(random: Random, out: bytearray, others: list[bytes]) -> None:
    del out[_at(random, out) :]


def _splice(random: Random, out: bytearray, others: list[bytes]) -> None:
    other = random.choice(others)
    at = random.randrange(len(other) + 1)
    out[_at(random, out) :] = other[at:]


_DAMAGES: tuple[Callable[[Random, bytearray, list[bytes]], None], ...] = (
    _flip, _flip, _set, _step, _insert, _overwrite, _delete, _repeat, _truncate, _splice,
)  # fmt: skip


def change(random: Random, value: Any) -> Any:
    """Returns a copy of `value` with one part of it changed, taken out, doubled or put elsewhere."""
    value = deepcopy(value)
    places = list(_places(value))
    if not places:
        return random.choice(_VALUES)
    holder, key = random.choice(places)
    action = random.randrange(6)
    if action == 0:
        del holder[key]
    elif action == 1:
        _add(random, holder, deepcopy(holder[key]))
    elif action == 2:
        other, name = random.choice(places)
        holder[key] = deepcopy(other[name])
    elif action == 3:
        holder[key] = _bend(random, holder[key])
    else:
        holder[key] = deepcopy(random.choice(_VALUES))
    return value


def _places(value: Any):
    """Yields (container, key or index) of everything inside `value`."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


def _add(random: Random, holder: Any, item: Any) -> None:
    if isinstance(holder, list):
        holder.insert(random.randrange(len(holder) + 1), item)
    else:
        strange = [key for key in _VALUES if isinstance(key, (int, str, bytes)) and not isinstance(key, bool)]
        names = [key for key in strange if isinstance(key, str)] if all(isinstance(k, str) for k in holder) else strange
        holder[random.choice(names)] = item


def _bend(random: Random, item: Any) -> Any:
    """Returns something like `item`, of the same type where that is easy."""
    if isinstance(item, bool) or item is None:
        return not item
    if isinstance(item, int):
        return item + random.choice((-1, 1, 1000, -1000, 1 << 31, -item))
    if isinstance(item, (str, bytes)):
        return _cut(random, item)
    return random.choice(([item], {1: item} if isinstance(item, dict) else item * 5))


def _cut(random: Random, item: Any) -> Any:
    """Returns a text or byte string with a part of it missing or there twice."""
    at = random.randrange(len(item) + 1)
    front, back = item[:at], item[at:]
    return random.choice((front, back, item + item, front + back[1:], front + item[:1] + back))
