# runs on: micropython cpython
import cbor
from cbor import CborError

# RFC 8949 appendix A, what lies inside the profile: integers to 64 bits, strings, arrays, maps, true, false and null.
INSIDE = (
    (0, "00"),
    (1, "01"),
    (10, "0a"),
    (23, "17"),
    (24, "1818"),
    (25, "1819"),
    (100, "1864"),
    (1000, "1903e8"),
    (1_000_000, "1a000f4240"),
    (1_000_000_000_000, "1b000000e8d4a51000"),
    (18_446_744_073_709_551_615, "1bffffffffffffffff"),
    (-18_446_744_073_709_551_616, "3bffffffffffffffff"),
    (-1, "20"),
    (-10, "29"),
    (-100, "3863"),
    (-1000, "3903e7"),
    (False, "f4"),
    (True, "f5"),
    (None, "f6"),
    (b"", "40"),
    (b"\x01\x02\x03\x04", "4401020304"),
    ("", "60"),
    ("a", "6161"),
    ("IETF", "6449455446"),
    ('"\\', "62225c"),
    ("\u00fc", "62c3bc"),
    ("\u6c34", "63e6b0b4"),
    ("\U00010151", "64f0908591"),
    ([], "80"),
    ([1, 2, 3], "83010203"),
    ([1, [2, 3], [4, 5]], "8301820203820405"),
    (list(range(1, 26)), "98190102030405060708090a0b0c0d0e0f101112131415161718181819"),
    ({}, "a0"),
    ({1: 2, 3: 4}, "a201020304"),
    ({"a": 1, "b": [2, 3]}, "a26161016162820203"),
    (["a", {"b": "c"}], "826161a161626163"),
    ({"a": "A", "b": "B", "c": "C", "d": "D", "e": "E"}, "a56161614161626142616361436164614461656145"),
)

# The rest of the appendix: big numbers, floats, other simple values, tags and indefinite lengths.
OUTSIDE = (
    "c249010000000000000000 c349010000000000000000 f90000 f98000 f93c00 fb3ff199999999999a f93e00 f97bff fa47c35000"
    " fa7f7fffff fb7e37e43c8800759c f90001 f90400 f9c400 fbc010666666666666 f97c00 f97e00 f9fc00 fa7f800000 fa7fc00000"
    " faff800000 fb7ff0000000000000 fb7ff8000000000000 fbfff0000000000000 f7 f0 f8ff"
    " c074323031332d30332d32315432303a30343a30305a c11a514b67b0 c1fb41d452d9e8200000 d74401020304 d818456449455446"
    " d82076687474703a2f2f7777772e6578616d706c652e636f6d 5f42010243030405ff 7f657374726561646d696e67ff 9fff"
    " 9f018202039f0405ffff 9f01820203820405ff 83018202039f0405ff 83019f0203ff820405"
    " 9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff bf61610161629f0203ffff 826161bf61626163ff"
    " bf6346756ef563416d7421ff"
)


def refused(data):
    try:
        cbor.decode(data)
    except CborError:
        return True
    return False


def test_examples_of_rfc8949_inside_the_profile():
    for value, digits in INSIDE:
        data = bytes.fromhex(digits)
        assert cbor.encode(value) == data, digits
        found = cbor.decode(data)
        # 1 equals True, which is another value here.
        assert found == value and isinstance(found, bool) == isinstance(value, bool), digits


def test_examples_of_rfc8949_outside_the_profile():
    for digits in OUTSIDE.split():
        assert refused(bytes.fromhex(digits)), digits


def test_examples_cut_short_or_followed_by_more():
    for _, digits in INSIDE:
        data = bytes.fromhex(digits)
        for size in range(len(data)):
            assert refused(data[:size]), digits
        assert refused(data + b"\0"), digits


def test_not_the_shortest_form():
    # RFC 8949 section 4.2.1.
    for digits in (
        "1800 1817 190000 1900ff 1a00000000 1a0000ffff 1b0000000000000000 1b00000000ffffffff 3800 3900ff 5800 590001ff"
        " 7800 9800 990000 b800 b90000 a203040102 a202030102 a201020102 a2616201616101".split()
    ):
        assert refused(bytes.fromhex(digits)), digits


def test_depth_and_declared_lengths():
    assert cbor.decode(b"\x81" * 7 + b"\x80") and refused(b"\x81" * 8 + b"\x80") and refused(b"\x81" * 4000 + b"\x80")
    assert refused(b"\xa1\x01" * 8 + b"\xa0") and refused(b"\xa1\x01" * 100 + b"\xa0")
    for head in ("5a", "7a", "9a", "ba"):
        assert refused(bytes.fromhex(head + "ffffffff")) and refused(bytes.fromhex(head + "ffffffff") + bytes(2000))
    for head in ("5b", "7b", "9b", "bb"):
        assert refused(bytes.fromhex(head + "ffffffffffffffff") + bytes(100))
    assert refused(b"\x81\x82\x98\xff" + bytes(200))


def test_keys_of_maps():
    # Bytewise order of the encoded keys: 10, 100, -1, "z", "aa" (section 4.2.1).
    value = {10: 0, 100: 1, -1: 2, "z": 3, "aa": 4}
    assert cbor.encode(value).hex() == "a50a00186401200261" + "7a0362616104"
    for digits in ("a1f500", "a1f600", "a18000", "a1a000", "a1f93c0000", "a20a000a01", "a220000a01"):
        assert refused(bytes.fromhex(digits)), digits


def test_text_is_utf8():
    for digits in (
        "61ff",
        "62c080",
        "63e08080",
        "63eda080",
        "64f0808080",
        "64f4908080",
        "61c3",
        "62c328",
        "64f5808080",
    ):
        assert refused(bytes.fromhex(digits)), digits
    for digits in ("63ed9fbf", "63ee8080", "64f48fbfbf", "62c280"):
        assert cbor.encode(cbor.decode(bytes.fromhex(digits))).hex() == digits
