"""Viper's integers and pointers as a model for CPython, so that board code can be run at the ESP32's word size.

The unix port's viper has 64-bit words, the board's 32. As in MicroPython's emitter, arithmetic wraps at the word, the
left operand says whether a shift or a comparison is signed, and a load from memory brings no sign.
"""

import sys
import types
from pathlib import Path


class Word:
    """An `int` or `uint` of `bits` bits."""

    bits = 32

    def __init__(self, value, is_signed: bool = True) -> None:
        self.raw = _raw(value) & ((1 << self.bits) - 1)
        self.is_signed = is_signed

    @property
    def value(self) -> int:
        return self.raw - (1 << self.bits) if self.is_signed and self.raw >> (self.bits - 1) else self.raw

    def __index__(self) -> int:
        return self.value

    def _like(self, value: int) -> "Word":
        return type(self)(value, self.is_signed)

    def __add__(self, other):
        return self._like(self.raw + _raw(other))

    def __radd__(self, other):
        return type(self)(_raw(other) + self.raw)

    def __sub__(self, other):
        return self._like(self.raw - _raw(other))

    def __mul__(self, other):
        return self._like(self.raw * _raw(other))

    def __rmul__(self, other):
        return type(self)(_raw(other) * self.raw)

    def __and__(self, other):
        return self._like(self.raw & _raw(other))

    def __rand__(self, other):
        return type(self)(_raw(other) & self.raw)

    def __or__(self, other):
        return self._like(self.raw | _raw(other))

    def __xor__(self, other):
        return self._like(self.raw ^ _raw(other))

    def __lshift__(self, other):
        return self._like(self.raw << _raw(other))

    def __rshift__(self, other):
        return self._like(self.value >> _raw(other))

    def __lt__(self, other):
        right = type(self)(other, self.is_signed)
        return self.value < right.value

    def __eq__(self, other):
        return self.raw == type(self)(other).raw

    def __bool__(self) -> bool:
        return bool(self.raw)

    def __rsub__(self, other):
        return type(self)(_raw(other) - self.raw)

    __hash__ = None  # type: ignore[assignment]


def _raw(value) -> int:
    return value.raw if isinstance(value, Word) else int(value)


class Pointer:
    """An address in one buffer, read and written in units of `size` bytes, little-endian."""

    size = 4

    def __init__(self, target, at: int = 0) -> None:
        if isinstance(target, Pointer):
            self.memory, self.at = target.memory, target.at
        else:
            self.memory, self.at = memoryview(target).cast("B"), at
        # Not even the address may lie outside, but for one element behind the end, or in front of the first.
        assert -16 <= self.at <= len(self.memory) + 16, self.at

    def _slice(self, index) -> slice:
        start = self.at + self.size * _raw(index)
        assert 0 <= start and start + self.size <= len(self.memory), (start, len(self.memory))
        return slice(start, start + self.size)

    def __getitem__(self, index) -> Word:
        return WORDS[Word.bits](int.from_bytes(self.memory[self._slice(index)], "little"))

    def __setitem__(self, index, value) -> None:
        self.memory[self._slice(index)] = (_raw(value) & ((1 << 8 * self.size) - 1)).to_bytes(self.size, "little")

    def _moved(self, by: int):
        moved = type(self)(self)
        moved.at += by
        return moved

    def __add__(self, other):
        return self._moved(_raw(other))

    def __sub__(self, other):
        return self._moved(-_raw(other))


class Pointer16(Pointer):
    size = 2


class Pointer8(Pointer):
    size = 1


WORDS = {32: Word, 64: type("Word64", (Word,), {"bits": 64})}


def load(path: Path, bits: int) -> types.ModuleType:
    """Returns the board module at `path` with viper functions that have words of `bits` bits."""
    word = WORDS[bits]

    def as_int(value):
        return value if isinstance(value, Pointer) else word(value)

    def as_uint(value):
        return word(value, False)

    casts = {"ptr32": Pointer, "ptr16": Pointer16, "ptr8": Pointer8, "int": as_int, "uint": as_uint}

    def viper(function):
        kinds = [casts[kind] for kind in function.__annotations__.values()]
        return lambda *given: function(*[cast(value) for cast, value in zip(kinds, given, strict=True)])

    micropython = types.ModuleType("micropython")
    vars(micropython).update(const=lambda value: value, viper=viper)
    module = types.ModuleType(path.stem)
    # Annotations become strings, so that only viper functions look at them.
    source = "from __future__ import annotations\n" + path.read_text()
    vars(module).update(casts)
    was = sys.modules.get("micropython")
    sys.modules["micropython"] = micropython
    try:
        exec(compile(source, str(path), "exec", dont_inherit=True), vars(module))
    finally:
        del sys.modules["micropython"]
        if was:
            sys.modules["micropython"] = was
    return module
