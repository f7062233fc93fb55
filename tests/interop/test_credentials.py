"""Credentials between our own code and a library that knows nothing of us, and between the two interpreters."""

import random
import textwrap
from pathlib import Path
from typing import Any

import cwt
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from lobbylock import house

house.open_path()

import cbor  # noqa: E402
import cose  # noqa: E402

from firmware.core import credential, event  # noqa: E402
from lobbylock import grant  # noqa: E402
from lobbylock.signature import Signer  # noqa: E402
from lobbylock.trial import KnownIssuer  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PEER = Path(__file__).with_name("credential_peer.py")
SEED = bytes(range(32))
SIGNER = Signer(SEED)
KID = grant.key_id(SIGNER.public_key)
NAME = "maple-office"
ISSUERS = {KID: KnownIssuer(NAME, SIGNER.public_key)}
# `cwt` looks at the clock: far from now on both sides.
FROM_S, UNTIL_S = 1_600_000_000, 4_000_000_000
HOLDER = bytes.fromhex(
    # RFC 8392 appendix A.2.3.
    "143329cce7868e416927599cf65a34f3ce2ffda55a7eca69ed8919a394d42f0f"
    "60f7f1a780d8a783bfb7a2dd6b2796e8128dbbcef9d3d168db9529971a36e7b9"
)


def make_grant(**changed) -> grant.Grant:
    fields = {
        "subject": "Anna",
        "building": "maple-12",
        "role": credential.DRIVER,
        "areas": ["lobby", "mail-room"],
        "from_s": FROM_S,
        "until_s": UNTIL_S,
        "issued_s": FROM_S,
        "id": bytes(range(8)),
        "uses": 3,
        "hours": [[31, 480, 1080], [96, 600, 120]],
        "holder": HOLDER,
    }
    return grant.Grant(**{**fields, **changed})


def cwt_key() -> Any:
    pem = Ed25519PrivateKey.from_private_bytes(SEED).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return cwt.COSEKey.from_pem(pem, kid=KID)


def cwt_public_key() -> Any:
    key = Ed25519PrivateKey.from_private_bytes(SEED).public_key()
    return cwt.COSEKey.from_pem(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), kid=KID)


def sign(payload: bytes, protected: bytes = cose.EDDSA, kid: bytes | None = KID) -> bytes:
    signature = SIGNER.sign(cose.to_be_signed(payload, protected))
    return cbor.encode([protected, {} if kid is None else {4: kid}, payload, signature])


# Our credentials there.


@pytest.mark.parametrize("tag", [b"\xd2", b"\xd8\x3d\xd2"], ids=["COSE_Sign1", "CWT"])
@pytest.mark.parametrize("changed", [{}, {"holder": None, "uses": None, "hours": []}, {"subject": "Zo\u00eb"}])
def test_cwt_reads_what_we_mint(tag, changed):
    granted = make_grant(**changed)
    claims = cwt.decode(tag + grant.mint(granted, NAME, SIGNER), cwt_public_key())
    assert claims == granted.claims(NAME)
    assert claims[2] == granted.subject and claims[-70002] == granted.areas


def test_cwt_refuses_ours_under_another_key():
    other = Ed25519PrivateKey.generate().public_key()
    key: Any = cwt.COSEKey.from_pem(other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), kid=KID)
    with pytest.raises(cwt.VerifyError):
        cwt.decode(b"\xd2" + grant.mint(make_grant(), NAME, SIGNER), key)


# Theirs here.


def ordered(claims: dict) -> dict:
    """Deterministic CBOR sorts keys; `cwt` keeps the order that it is given."""
    return dict(sorted(claims.items(), key=lambda pair: cbor.encode(pair[0])))


@pytest.mark.parametrize("tagged", [False, True])
def test_we_read_what_cwt_mints(tagged):
    claims = ordered(make_grant().claims(NAME))
    data = cwt.encode(claims, cwt_key(), tagged=tagged)
    assert data[:1] == (b"\xd8" if tagged else b"\xd2")
    found = credential.read(data, ISSUERS)
    assert (found.subject, found.areas, found.holder, found.uses) == ("Anna", ["lobby", "mail-room"], HOLDER, 3)
    assert found.hours == [(31, 480, 1080), (96, 600, 120)]
    assert (found.not_before_s, found.expires_s, found.kid) == (FROM_S, UNTIL_S, KID)


@pytest.mark.parametrize("is_protected", [False, True])
def test_kid_where_cwt_may_put_it(is_protected):
    payload = cbor.encode(make_grant().claims(NAME))
    sender = cwt.COSE.new(alg_auto_inclusion=True, kid_auto_inclusion=not is_protected)
    header = {1: -8, 4: KID} if is_protected else {1: -8}
    data: Any = sender.encode_and_sign(payload, cwt_key(), protected=header)
    assert credential.read(data, ISSUERS).kid == KID


def test_claims_that_cwt_adds_by_itself_must_be_in_order():
    claims = ordered(make_grant().claims(NAME))
    del claims[5]
    # Without "nbf" it appends one behind all others: not deterministic, and said so.
    with pytest.raises(credential.CredentialError) as refused:
        credential.read(cwt.encode(claims, cwt_key()), ISSUERS)
    assert refused.value.args == (event.MALFORMED,)


def test_the_example_of_the_protocol(tmp_path, monkeypatch):
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "issuer.pem").write_bytes(pem)
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    block = page[page.index("    import os, time, cwt\n") :].split("\n\n", 1)[0]
    names: dict[str, Any] = {}
    exec(textwrap.dedent(block), names)
    issuers = {bytes.fromhex("b62e867f"): KnownIssuer(NAME, key.public_key().public_bytes_raw())}
    found = credential.read(names["credential"], issuers)
    assert (found.subject, found.building, found.role, found.areas, found.uses) == (
        "Anna", "maple-12", credential.DRIVER, ["lobby"], 1,
    )  # fmt: skip
    assert (found.not_before_s, found.expires_s) == (names["now_s"], names["now_s"] + 14_400)
    swapped = dict(sorted(names["claims"].items(), reverse=True))
    with pytest.raises(credential.CredentialError) as refused:
        credential.read(cwt.encode(swapped, names["key"]), issuers)
    assert refused.value.args == (event.MALFORMED,)


def test_other_algorithms_of_cwt():
    es256: Any = cwt.COSEKey.from_pem(_p256_pem(), kid=KID)
    key: Any = cwt.COSEKey.generate_symmetric_key(alg="HS256", kid=KID)
    for data in (
        cwt.encode(ordered(make_grant().claims(NAME)), key),
        cwt.encode(ordered(make_grant().claims(NAME)), es256),
    ):
        with pytest.raises(credential.CredentialError) as refused:
            credential.read(data, ISSUERS)
        assert refused.value.args == (event.MALFORMED,)


def _p256_pem() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


# Examples of the standards.


def is_es256(x: bytes, y: bytes, message: bytes, signature: bytes) -> bool:
    numbers = ec.EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), ec.SECP256R1())
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    try:
        numbers.public_key().verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


RFC8392_A3 = bytes.fromhex(
    "d28443a10126a104524173796d6d657472696345434453413235365850a70175636f61703a2f2f61732e6578616d706c652e636f6d0265"
    "6572696b77037818636f61703a2f2f6c696768742e6578616d706c652e636f6d041a5612aeb0051a5610d9f0061a5610d9f007420b71"
    "58405427c1ff28d23fbad1f29c4c7c6a555e601d6fa29f9179bc3d7438bacaca5acd08c8d4d4f96131680c429a01f85951ecee743a52"
    "b9b63632c57209120e1c9e30"
)


def test_rfc8392_a3():
    protected, alg, kid, payload, signature = cose.parse(RFC8392_A3[1:])
    assert (protected, alg, kid) == (cose.ES256, -7, b"AsymmetricECDSA256")
    assert cbor.decode(payload) == {
        1: "coap://as.example.com",
        2: "erikw",
        3: "coap://light.example.com",
        4: 1_444_064_944,
        5: 1_443_944_944,
        6: 1_443_944_944,
        7: b"\x0b\x71",
    }
    message = cose.to_be_signed(payload, protected)
    assert is_es256(HOLDER[:32], HOLDER[32:], message, signature)
    assert not is_es256(HOLDER[:32], HOLDER[32:], message + b"\0", signature)
    # A CWT, but none for a door.
    with pytest.raises(credential.CredentialError) as refused:
        credential.read(RFC8392_A3, ISSUERS)
    assert refused.value.args == (event.MALFORMED,)


RFC9052_C21 = bytes.fromhex(
    "d28443a10126a10442313154546869732069732074686520636f6e74656e742e58408eb33e4ca31d1c465ab05aac34cc6b23d58fef5c083106"
    "c4d25a91aef0b0117e2af9a291aa32e14ab834dc56ed2a223444547e01f11d3b0916e5a4c345cacb36"
)
RFC9052_KEY_11 = (
    bytes.fromhex("bac5b11cad8f99f9c72b05cf4b9e26d244dc189f745228255a219a86d6a09eff"),
    bytes.fromhex("20138bf82dc1b6d562be0fa54ab7804a3a64b6d72ccfed6b6fb6ed28bbfc117e"),
)


def test_rfc9052_single_signature():
    protected, alg, kid, payload, signature = cose.parse(RFC9052_C21[1:])
    assert (alg, kid, payload) == (-7, b"11", b"This is the content.")
    assert is_es256(*RFC9052_KEY_11, cose.to_be_signed(payload, protected), signature)
    assert not is_es256(*RFC9052_KEY_11, cose.to_be_signed(payload, cose.EDDSA), signature)


# The same verdict on both interpreters.


def here(data: bytes) -> str:
    try:
        found = credential.read(data, ISSUERS)
    except credential.CredentialError as error:
        return str(error.args[0])
    return f"{found.subject.encode().hex()} {found.id.hex()}"


@pytest.fixture
def ask_lock(run_board):
    """`ask_lock([credential, ...])` -> the verdicts of the firmware on MicroPython, with its own Ed25519."""

    def ask(credentials: list[bytes]) -> list[str]:
        lines = [f"{KID.hex()} {NAME} {SIGNER.public_key.hex()}", *(data.hex() for data in credentials)]
        return run_board(PEER, text="\n".join(lines) + "\n", extra_path=str(ROOT)).splitlines()

    return ask


def test_damage_is_refused_alike(ask_lock):
    good = grant.mint(make_grant(), NAME, SIGNER)
    cases = [good, b"\xd2" + good, b"\xd8\x3d\xd2" + good]
    cases += [good[:size] for size in range(1, len(good))] + [good + b"\0", good + good]
    draw = random.Random(9052)
    for at in range(len(good)):
        cases.append(good[:at] + bytes([good[at] ^ draw.randrange(1, 256)]) + good[at + 1 :])
    verdicts = ask_lock(cases)
    assert verdicts == [here(data) for data in cases]
    assert verdicts[:3] == [verdicts[0]] * 3 and len(verdicts[0].split()) == 2
    allowed = {str(reason) for reason in (event.MALFORMED, event.FORGED, event.UNKNOWN_ISSUER)}
    assert set(verdicts[3:]) == allowed


def mutations(draw: random.Random) -> list[bytes]:
    """Returns payloads that somebody with the key has signed: other values, lengths, heads and orders."""
    found = []
    claims = make_grant().claims(NAME)
    values = [
        None, True, 0, 1, -1, 255, 256, 1439, 1440, 1441, 1 << 31, 1 << 32, -(1 << 63), "", "a", "\u00e4" * 17,
        "x" * 33, b"", b"x" * 8, b"x" * 17, [], [1], [[1, 2, 3]], ["lobby"], {}, {1: 2}, {1: {1: 2}}, [[127, 0, 1440]],
    ]  # fmt: skip
    for key in [*claims, 0, 9, -70000, -70005, "aud"]:
        found += [cbor.encode({**claims, key: value}) for value in values]
        if key in claims:
            found.append(cbor.encode({other: claims[other] for other in claims if other != key}))
    payload = cbor.encode(claims)
    heads = (0, 0x18, 0x40, 0x5F, 0x80, 0x9F, 0xBF, 0xF5, 0xFF)
    for _ in range(300):
        wrong = bytearray(payload)
        for _ in range(draw.choice((1, 1, 2, 4))):
            wrong[draw.randrange(len(wrong))] = draw.choice((*heads, draw.randrange(256)))
        found.append(bytes(wrong))
    found += [payload[:size] for size in range(0, len(payload), 3)]
    return found


def test_signed_nonsense_is_judged_alike(ask_lock):
    cases = [sign(payload) for payload in mutations(random.Random(8392))]
    cases += [
        sign(cbor.encode(make_grant().claims(NAME)), cbor.encode({1: -8, 4: kid}), None) for kid in (KID, b"k", b"")
    ]
    verdicts = ask_lock(cases)
    assert verdicts == [here(data) for data in cases]
    assert {str(event.MALFORMED), str(event.UNKNOWN_ISSUER)} <= set(verdicts)
    # Some of the values above are right where they were put.
    assert sum(len(verdict.split()) == 2 for verdict in verdicts) > 10


def test_size_with_a_holder_key():
    """The most that still is a card's or a phone's short reading: 12 characters of issuer and building, 16 of subject,
    two areas of 9, a number of uses, two weekly hours, all three times and a holder key.
    """
    data = grant.mint(
        make_grant(subject="x" * 16, building="b" * 12, areas=["mail-room", "bike-room"], uses=255), NAME, SIGNER
    )
    assert len(NAME) == 12 and len(data) <= 300
    assert here(data).split()[0] == (b"x" * 16).hex()
