# runs on: micropython cpython
from firmware.core.name import is_name


def test_names():
    for text in ("a", "-", "0", "maple-12", "x" * 32, "abcdefghijklmnopqrstuvwxyz", "0123456789-"):
        assert is_name(text), text


def test_what_is_no_name():
    for value in ("", "x" * 33, None, 7, True, b"maple", ["a"], {"a": 1}):
        assert not is_name(value), value


def test_one_other_character_anywhere():
    for other in "A Z_./+\n\t\0\u00e4\u0130\u212a\uff10":
        for text in (other, other + "aa", "a" + other + "a", "aa" + other):
            assert not is_name(text), text
