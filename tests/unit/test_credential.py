# runs on: micropython cpython
from hashlib import sha256

import cbor
import cose
from fake_issuer import KID, FakeIssuer, mint, mint_payload, usual_claims, with_claim, without

from firmware.core import credential, event
from firmware.core.credential import CredentialError

ISSUER = FakeIssuer()
ISSUERS = {KID: ISSUER, b"other": FakeIssuer(secret=b"t")}


def read(data):
    return credential.read(data, ISSUERS)


def reason(data):
    """Returns what `data` is refused for, None if it is taken."""
    try:
        read(data)
    except CredentialError as error:
        return error.args[0]
    return None


def refused(claims):
    return reason(mint(claims, ISSUER))


def test_everything_in_it():
    found = read(mint(usual_claims(), ISSUER))
    assert (found.issuer, found.subject, found.building) == ("maple-office", "Anna", "maple-12")
    assert (found.kid, found.id, found.role, found.uses) == (KID, b"\1\2\3\4\5\6\7\x08", credential.DRIVER, 3)
    assert (found.issued_s, found.not_before_s, found.expires_s) == (1_789_940_000, 1_789_948_800, 1_790_553_600)
    assert found.areas == ["lobby", "mail-room"] and found.hours == [(31, 480, 1080)]
    assert found.holder == b"x" * 32 + b"y" * 32 and not found.is_resident
    assert found.key == sha256(KID + found.id).digest()[:8]
    assert found.details() == {18: "Anna", 19: found.id, 20: 1, 21: KID}


def test_the_least_that_is_a_credential():
    found = read(mint(without(5, 6, 8, -70003, -70004), ISSUER))
    assert (found.not_before_s, found.issued_s, found.uses, found.hours, found.holder) == (None,) * 5


def test_tags_that_a_cwt_may_wear():
    data = mint(usual_claims(), ISSUER)
    assert read(b"\xd2" + data).subject == read(b"\xd8\x3d\xd2" + data).subject == "Anna"
    for tags in (b"\xd8\x3d", b"\xd2\xd2", b"\xd8\x3d\xd8\x3d\xd2", b"\xd1", b"\xd8\x12", b"\xd9\x00\x3d\xd2"):
        assert reason(tags + data) == event.MALFORMED, tags


def test_kid_in_either_header_but_once():
    protected = cbor.encode({1: -8, 4: KID})
    assert read(mint(usual_claims(), ISSUER, protected, {})).kid == KID
    assert reason(mint(usual_claims(), ISSUER, protected)) == event.MALFORMED
    assert reason(mint(usual_claims(), ISSUER, cose.EDDSA, {})) == event.MALFORMED
    for kid in (b"", b"k" * 9, "kid", 1, None):
        assert reason(mint(usual_claims(), ISSUER, cose.EDDSA, {4: kid})) == event.MALFORMED, kid
    for kid in (KID[:3], KID + b"\0", b"stranger"):
        assert reason(mint(usual_claims(), ISSUER, cose.EDDSA, {4: kid})) == event.UNKNOWN_ISSUER, kid


def test_other_headers():
    for header in ({}, {1: -7}, {1: 8}, {1: "EdDSA"}, {1: None}, {1: -8, 2: [1]}, {1: -8, 3: 0}, [1, -8], -8):
        assert reason(mint(usual_claims(), ISSUER, cbor.encode(header))) == event.MALFORMED, header
    # Not the shortest integer, map keys in another order, and nothing.
    for header in (b"\xa1\x01\x38\x07", b"\xa2\x04\x41\x61\x01\x27", b""):
        assert reason(mint(usual_claims(), ISSUER, header)) == event.MALFORMED, header
    for header in ({1: -8, 4: KID}, {4: KID, 5: b"iv"}, {"kid": KID}):
        assert reason(mint(usual_claims(), ISSUER, cose.EDDSA, header)) == event.MALFORMED, header


def test_forged():
    data = mint(usual_claims(), FakeIssuer(secret=b"u"))
    assert reason(data) == event.FORGED
    # One issuer's credential under another one's kid.
    assert reason(mint(usual_claims(), ISSUER, cose.EDDSA, {4: b"other"})) == event.FORGED
    # The claims are not looked at before the signature holds.
    assert reason(mint({}, FakeIssuer(secret=b"u"))) == event.FORGED


def test_issuer_has_the_name_that_the_door_knows():
    assert refused(with_claim(1, "maple-offices")) == event.UNKNOWN_ISSUER


def test_every_byte_counts():
    data = mint(usual_claims(), ISSUER)
    allowed = (event.FORGED, event.MALFORMED, event.UNKNOWN_ISSUER)
    for at in range(len(data)):
        for change in (1, 0x80, 0xFF):
            wrong = bytearray(data)
            wrong[at] ^= change
            assert reason(bytes(wrong)) in allowed, (at, change)
    body = len(data) - 66
    # Inside payload and signature there is no other reason than this one.
    for at in list(range(len(data) - 64, len(data))) + list(range(20, body)):
        wrong = bytearray(data)
        wrong[at] ^= 1
        assert reason(bytes(wrong)) == event.FORGED, at


def test_cut_anywhere_and_with_more_behind():
    data = mint(usual_claims(), ISSUER)
    for size in range(len(data)):
        assert reason(data[:size]) == event.MALFORMED, size
    for more in (b"\0", b"\xf6", data):
        assert reason(data + more) == event.MALFORMED


def test_size():
    # An array that is far too long, and text that is.
    for size in (513, 4_000, 20_000):
        assert reason(bytes(size)) == event.MALFORMED
    assert len(mint(usual_claims(), ISSUER)) <= 300


WRONG = {
    1: ("", "x" * 33, b"maple-office", 1, None, ["maple-office"]),
    2: ("", "x" * 33, "\u00e4" * 17, b"Anna", 7, None, {}),
    3: ("", "x" * 33, "Maple", "maple 12", "maple/12", b"maple-12", ["maple-12"], None),
    4: (0, -1, 1 << 32, "1790553600", None, True, b"\1", [1_790_553_600]),
    5: (-1, 1_790_553_600, 1_790_553_601, "0", None, False, 1 << 64 - 1),
    6: (-1, 1_790_553_601, None, True, "0"),
    7: (b"", b"1234567", b"x" * 17, "12345678", 12345678, None, []),
    8: (
        None,
        {},
        [],
        b"x" * 64,
        {1: {}},
        {2: b"x"},
        {1: {1: 2, -1: 1, -2: b"x" * 32}},
        {1: {1: 2, -1: 1, -2: b"x" * 32, -3: True}},
        {1: {1: 2, -1: 1, -2: b"x" * 32, -3: b"y" * 31}},
        {1: {1: 2, -1: 1, -2: b"x" * 33, -3: b"y" * 32}},
        {1: {1: 2, -1: 1, -2: "x" * 32, -3: b"y" * 32}},
        {1: {1: 1, -1: 1, -2: b"x" * 32, -3: b"y" * 32}},
        {1: {1: 2, -1: 2, -2: b"x" * 32, -3: b"y" * 32}},
        {1: {1: 2, -1: True, -2: b"x" * 32, -3: b"y" * 32}},
        {1: {1: 2, 2: b"kid", -1: 1, -2: b"x" * 32, -3: b"y" * 32}},
        {1: {1: 2, -1: 1, -2: b"x" * 32, -3: b"y" * 32, -4: b"d" * 32}},
        {1: {1: 2, -1: 1, -2: b"x" * 32, -3: b"y" * 32}, 3: b"kid"},
    ),
    -70001: (0, 4, -1, "1", None, True, [1]),
    -70002: ([], ["lobby"] * 9, "lobby", ["Lobby"], [""], ["x" * 33], [7], [["lobby"]], None, {}, {0: "lobby"}),
    -70003: (0, 256, -1, "1", None, True, b"\1"),
    -70004: (
        [],
        [[1, 0, 1]] * 8,
        None,
        {},
        [1, 0, 1],
        [[1, 0]],
        [[1, 0, 1, 1]],
        [[0, 0, 1]],
        [[128, 0, 1]],
        [[1, -1, 1]],
        [[1, 1440, 1]],
        [[1, 0, 0]],
        [[1, 0, 1441]],
        [[True, 0, 1]],
        [["1", 0, 1]],
        [b"\1\0\1"],
    ),
}


def test_every_claim_wrong_but_signed():
    for key in WRONG:
        for value in WRONG[key]:
            assert refused(with_claim(key, value)) == event.MALFORMED, (key, value)


def test_every_claim_at_its_bounds():
    right = {
        2: ("x", "x" * 32, "\u00e4" * 16),
        4: (1_789_948_801, 0xFFFFFFFF),
        5: (0, 1_790_553_599),
        6: (0, 1_790_553_600),
        7: (b"12345678", b"x" * 16),
        -70001: (1, 2, 3),
        -70002: (["a"], ["x" * 32, "0-9"] * 4),
        -70003: (1, 255),
        -70004: ([[1, 0, 1440]], [[127, 1439, 1]] * 7),
    }
    for key in right:
        for value in right[key]:
            assert refused(with_claim(key, value)) is None, (key, value)


def test_what_has_to_be_there():
    for key in (1, 2, 3, 4, 7, -70001, -70002):
        assert refused(without(key)) == event.MALFORMED, key


def test_unknown_claims_may_be_restrictions():
    for key in (0, 9, 10, 40, -1, -70000, -70005, -(1 << 63), "", "aud", b"", b"\x01"):
        assert refused(with_claim(key, 1)) == event.MALFORMED, key


def test_payloads_that_are_no_map_or_not_deterministic():
    good = cbor.encode(usual_claims())
    for payload in (
        b"",
        b"\xf6",
        b"\x80",
        b"\xa0",
        b"\x01",
        b"\x61a",
        b"\x81" * 100 + b"\x80",
        b"\xa1\x01" * 100 + b"\xa0",
    ):
        assert reason(mint_payload(payload, ISSUER)) == event.MALFORMED, payload
    assert good[:1] == b"\xac" and good[1:2] == b"\x01"
    wrong = (
        # One pair too many or too few, a length of 4 GB, an indefinite one, a length in two bytes.
        b"\xad" + good[1:],
        b"\xab" + good[1:],
        b"\xba\xff\xff\xff\xff" + good[1:],
        b"\xbf" + good[1:] + b"\xff",
        b"\xb8\x0c" + good[1:],
        # The first claim twice, and behind the others.
        b"\xad" + good[1:15] + good[1:],
        b"\xac" + good[15:] + good[1:15],
        # The first key in two bytes, as a float, as a tagged one, and as True.
        b"\xac\x18\x01" + good[2:],
        b"\xac\xf9\x3c\x00" + good[2:],
        b"\xac\xc1\x01" + good[2:],
        b"\xac\xf5" + good[2:],
    )
    assert good[1:15] == b"\x01\x6cmaple-office"
    for payload in wrong:
        assert reason(mint_payload(payload, ISSUER)) == event.MALFORMED, payload


def test_detached_payload_and_short_signature():
    signature = ISSUER.sign(cose.to_be_signed(b""))
    assert reason(cbor.encode([cose.EDDSA, {4: KID}, None, signature])) == event.MALFORMED
    payload = cbor.encode(usual_claims())
    signature = ISSUER.sign(cose.to_be_signed(payload))
    assert reason(cbor.encode([cose.EDDSA, {4: KID}, payload, signature])) is None
    for wrong in (signature[:63], signature + b"\0", "x" * 64, None):
        assert reason(cbor.encode([cose.EDDSA, {4: KID}, payload, wrong])) == event.MALFORMED
    assert reason(cbor.encode([cose.EDDSA, {4: KID}, payload, signature, None])) == event.MALFORMED
    assert reason(cbor.encode([cose.EDDSA, {4: KID}, payload])) == event.MALFORMED


def test_a_stranger_costs_no_signature():
    before = ISSUER.verified
    for data in (b"", bytes(512), mint(usual_claims(), ISSUER, cose.EDDSA, {4: b"nobody"}), b"\x9b" + b"\xff" * 8):
        assert reason(data) is not None
    assert ISSUER.verified == before


def test_spending_is_counted_at_the_time_it_was_judged():
    class Kept:
        def __init__(self):
            self.used = []

        def use(self, key, expires_s, now_s):
            self.used.append((key, expires_s, now_s))

    kept = Kept()
    found = read(mint(usual_claims(), ISSUER))
    found.judged_s = 1_790_000_000
    found.spend(kept)
    assert kept.used == [(found.key, 1_790_553_600, 1_790_000_000)]
    found = read(mint(without(-70003), ISSUER))
    found.spend(kept)
    assert len(kept.used) == 1
