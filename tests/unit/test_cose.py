# runs on: micropython cpython
import cbor
import cose
from cose import CoseError

SIGNATURE = bytes(range(64))


def refused(call, *arguments):
    try:
        call(*arguments)
    except CoseError:
        return True
    return False


def message(protected, unprotected=None, payload=b"p", signature=SIGNATURE):
    return cbor.encode([protected, unprotected or {}, payload, signature])


def test_what_is_signed():
    # RFC 9052 section 4.4.
    assert cose.to_be_signed(b"p") == b"\x84\x6aSignature1\x43\xa1\x01\x27\x40\x41p"
    assert cose.to_be_signed(b"p", cose.ES256) == b"\x84\x6aSignature1\x43\xa1\x01\x26\x40\x41p"
    header = cbor.encode({1: -8, 4: b"k"})
    assert cose.to_be_signed(b"p", header) == b"\x84\x6aSignature1\x46\xa2\x01\x27\x04\x41k\x40\x41p"


def test_round_trips():
    assert cose.unpack(cose.pack(b"p", SIGNATURE)) == (b"p", SIGNATURE)
    assert cose.parse(cose.pack(b"p", SIGNATURE)) == (cose.EDDSA, -8, None, b"p", SIGNATURE)
    detached = cose.pack(None, SIGNATURE, cose.ES256)
    assert detached == b"\x84\x43\xa1\x01\x26\xa0\xf6\x58\x40" + SIGNATURE
    assert cose.parse(detached) == (cose.ES256, -7, None, None, SIGNATURE)


def test_kid_from_either_header():
    protected = cbor.encode({1: -7, 4: b"kid"})
    assert cose.parse(message(protected)) == (protected, -7, b"kid", b"p", SIGNATURE)
    assert cose.parse(message(cose.EDDSA, {4: b"kid"})) == (cose.EDDSA, -8, b"kid", b"p", SIGNATURE)
    assert refused(cose.parse, message(protected, {4: b"kid"}))


def test_unpack_takes_the_plain_form_only():
    for data in (
        message(cose.ES256),
        message(cose.EDDSA, {4: b"kid"}),
        message(cbor.encode({1: -8, 4: b"kid"})),
        message(cose.EDDSA, None, None),
        b"\xd2" + message(cose.EDDSA),
    ):
        assert refused(cose.unpack, data)


def test_headers_that_nobody_here_understands():
    for header in ({}, {1: -9}, {1: True}, {1: -8, 2: [4], 4: b"k"}, {1: -8, 3: 0}, {1: -8, 4: "kid"}, {1: -8, "1": 1}):
        assert refused(cose.parse, message(cbor.encode(header))), header
    for header in ({1: -8}, {3: 0}, {4: 1}, {4: None, 5: b""}):
        assert refused(cose.parse, message(cose.EDDSA, header)), header
    for protected in (b"", b"\xf6", b"\x80", b"\xa1\x01\x38\x07", b"\xa1\x01\x27\x00", {1: -8}, None, "a"):
        assert refused(cose.parse, message(protected)), protected


def test_other_forms():
    good = message(cose.EDDSA)
    for data in (
        b"",
        b"\x80",
        b"\x01",
        b"\xa0",
        good[:-1],
        good + b"\0",
        b"\x85" + good[1:] + b"\0",
        b"\x83" + good[1:-66],
    ):
        assert refused(cose.parse, data), data
    for payload in ("p", 1, [b"p"], {}):
        assert refused(cose.parse, message(cose.EDDSA, None, payload))
    for signature in (b"", SIGNATURE[:63], SIGNATURE + b"\0", "x" * 64, None):
        assert refused(cose.parse, message(cose.EDDSA, None, b"p", signature))
    assert refused(cose.parse, cbor.encode([cose.EDDSA, [], b"p", SIGNATURE]))
    assert refused(cose.parse, good, len(good) - 1) and not refused(cose.parse, good, len(good))
