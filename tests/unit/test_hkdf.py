# runs on: micropython cpython
"""HMAC-SHA256 by RFC 4231, HKDF-SHA256 by RFC 5869, appendix A, and the compare that takes the same time."""

from binascii import unhexlify

from hkdf import Hmac, equal, hkdf_sha256, hmac_sha256


def test_hmac_of_rfc_4231():
    for key, data, code in (
        (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (
            b"Jefe",
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        # A key that is longer than a block.
        (
            b"\xaa" * 131,
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
    ):
        assert hmac_sha256(key, data) == unhexlify(code)
        mac = Hmac(key)
        assert mac.digest(data) == mac.digest(data) == unhexlify(code)


def test_hkdf_of_rfc_5869():
    for secret, salt, info, made in (
        (
            b"\x0b" * 22,
            bytes(range(13)),
            bytes(range(0xF0, 0xFA)),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            bytes(range(0x50)),
            bytes(range(0x60, 0xB0)),
            bytes(range(0xB0, 0x100)),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
            "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
        ),
        (
            b"\x0b" * 22,
            b"",
            b"",
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
    ):
        assert hkdf_sha256(secret, salt, info, len(made) // 2) == unhexlify(made)


def test_hkdf_gives_what_it_can():
    assert len(hkdf_sha256(b"secret", b"", b"", 8160)) == 8160
    for size in (0, -1, 8161):
        try:
            hkdf_sha256(b"secret", b"", b"", size)
        except ValueError:
            continue
        raise AssertionError(size)


def test_equal():
    assert equal(b"", b"") and equal(b"same", b"same")
    for other in (b"", b"sam", b"same ", b"Same", b"samf"):
        assert not equal(b"same", other)
