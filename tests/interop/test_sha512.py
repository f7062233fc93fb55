"""lib/sha512.py on MicroPython against CPython's hashlib and micropython-lib's, and at the word size of the board."""

import hashlib
import random
from pathlib import Path

import pytest

_SHA512 = Path(__file__).resolve().parents[2] / "lib" / "sha512.py"


def _messages(lengths) -> list[bytes]:
    source = random.Random(512)
    return [source.randbytes(length) for length in lengths]


@pytest.mark.parametrize("lengths", [range(0, 301), (1000, 4095, 4096, 10_000)], ids=["0 to 300", "large"])
def test_agrees_with_cpython(ask, lengths):
    messages = _messages(lengths)
    answers = ask([("sha512", message) for message in messages])
    assert answers == [hashlib.sha512(message).hexdigest() for message in messages]


def test_agrees_with_micropython_lib(ask, library_path):
    messages = _messages((0, 1, 63, 64, 111, 112, 127, 128, 129, 240, 300))
    ours = ask([("sha512", message) for message in messages])
    assert ours == ask([("hashlib", message) for message in messages], extra_path=library_path)


@pytest.mark.parametrize("bits", [32, 64])
def test_agrees_at_both_word_sizes(load_viper, bits):
    module = load_viper(_SHA512, bits)
    for message in (*_messages((0, 1, 111, 112, 128, 300)), b"\xff" * 256, bytes(256)):
        assert module.sha512(message).digest() == hashlib.sha512(message).digest()
