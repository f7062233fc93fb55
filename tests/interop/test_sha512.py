"""lib/sha512.py on MicroPython against CPython's hashlib and micropython-lib's."""

import hashlib
import random

import pytest


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
