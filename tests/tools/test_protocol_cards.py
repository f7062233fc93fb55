"""Recomputes what docs/protocol.md says of badges, phones and Wiegand; the rest of the page: test_protocol.py."""

import re
from hashlib import sha256

import ndef
import pytest
import wiegand
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from scripted_door import encode
from test_protocol import DOOR, DOOR_SEED, EXAMPLES, PAGE, table

from firmware.core import credential, event, proof, receipt
from lobbylock import badge
from lobbylock.phone import Phone, holder
from lobbylock.visit_receipt import read_visit_receipt

NONCE = bytes(range(16))
CREDENTIAL = EXAMPLES["credential"]
# RFC 8392 appendix A.2.3, the private half.
KEY = derive_private_key(0x6C1382765AEC5358F117733D281C1C7BDC39884D04A45A1E6C67C858BC206C19, SECP256R1())
CHALLENGE = EXAMPLES["challenge"]
MEDIA_TYPE = b"application/vnd.lobbylock.credential+cwt"


def test_badge():
    assert f"    {MEDIA_TYPE.decode()}\n" in PAGE and MEDIA_TYPE == proof.MEDIA_TYPE
    head = b"\xc2" + bytes([len(MEDIA_TYPE)]) + len(CREDENTIAL).to_bytes(4, "big") + MEDIA_TYPE
    assert head == EXAMPLES["badge"]
    message = head + CREDENTIAL
    assert message == badge.compose(CREDENTIAL)
    assert ndef.find(message, MEDIA_TYPE) == CREDENTIAL
    data = b"\x03\xff" + len(message).to_bytes(2, "big")
    assert data == EXAMPLES["tag data"]
    assert (data + message + b"\xfe").ljust(496, b"\0") == badge.type2_data(message, 496)


def test_badge_bounds():
    records = re.search(r"at most ([\d,]+) bytes\s+and\s+(\d+)\s+records", PAGE)
    assert records
    assert int(records[1].replace(",", "")) == ndef.MAX_BYTES
    most = int(records[2])
    assert ndef.find(badge.encode([badge.Record(4, b"a:b", b"")] * most), MEDIA_TYPE) is None
    with pytest.raises(ndef.NdefError):
        ndef.find(badge.encode([badge.Record(4, b"a:b", b"")] * (most + 1)), MEDIA_TYPE)
    assert f"a credential (section 8) of at most {credential.MAX_BYTES} bytes" in PAGE


def test_messages():
    assert f"nonce: {proof.NONCE_BYTES} bytes" in PAGE
    assert encode([1, DOOR, NONCE]) == CHALLENGE == proof.challenge(DOOR, NONCE)
    assert EXAMPLES["result"] == b"\x80\xc4\0\0\3" + encode([1, event.GRANTED])
    assert EXAMPLES["select"] == b"\0\xa4\4\0\x0a" + b"\xf0LOBBYLOCK" + b"\0"
    assert EXAMPLES["prove"] == b"\x80\x88\0\0" + bytes([len(CHALLENGE)])


def test_proof():
    assert holder(KEY) in _joined_key(CREDENTIAL)
    payload = encode(["lobbylock proof 1", DOOR, NONCE, sha256(CREDENTIAL + CHALLENGE).digest()])
    assert encode(["Signature1", b"\xa1\x01\x26", b"", payload]) == EXAMPLES["to sign"]
    assert proof.to_be_signed(CREDENTIAL, CHALLENGE) == EXAMPLES["to sign"]
    r, s = decode_dss_signature(KEY.sign(EXAMPLES["to sign"], ECDSA(SHA256(), deterministic_signing=True)))
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    assert encode([b"\xa1\x01\x26", {}, None, signature]) == EXAMPLES["proof"]
    assert proof.read(EXAMPLES["proof"]) == signature
    assert f"detached payload, {len(EXAMPLES['proof'])} bytes" in PAGE


def test_what_a_phone_of_version_2_says_and_hears():
    assert "list 7" in PAGE and "wants a receipt, has a time token and brings" in PAGE
    offered = b"\2" + len(CREDENTIAL).to_bytes(2, "big") + b"\3" + (7).to_bytes(4, "big")
    assert EXAMPLES["offer"] == offered == proof.offer(len(CREDENTIAL), True, True, 7)
    assert proof.read_offer(offered) == (len(CREDENTIAL), True, True, 7)
    told = encode([2, event.GRANTED, 7, NONCE])
    assert EXAMPLES["result(2)"] == b"\x80\xc4\0\0" + bytes([len(told)]) + told
    assert told == proof.result(event.GRANTED, 7, NONCE)
    assert f"(2 bytes, 1 to {proof.MAX_CREDENTIAL_BYTES})" in PAGE
    assert f"the time token (section 16), 1 to {proof.MAX_TOKEN_BYTES} bytes" in PAGE
    for version, news in ((1, {}), (2, {"wants_receipt": True, "token": b"t"})):
        card = Phone(CREDENTIAL, KEY, **news)
        answer = card.handle(EXAMPLES["select"])
        assert answer[:3] == bytes([version]) + len(CREDENTIAL).to_bytes(2, "big")


def test_proof_at_a_distance():
    channel = bytes(range(32))
    digest = sha256(CREDENTIAL + CHALLENGE + channel).digest()
    payload = encode(["lobbylock proof 2", DOOR, NONCE, digest, 420])
    assert encode(["Signature1", b"\xa1\x01\x26", b"", payload]) == EXAMPLES["far signed"]
    assert proof.to_be_signed(CREDENTIAL, CHALLENGE, channel, 420) == EXAMPLES["far signed"]
    assert f"than {proof.MAX_ACT_MS:,} is no_act" in PAGE


def test_receipt():
    record = EXAMPLES["record(7)"]
    access = event.decode(record)
    assert (access.seq, access.kind, access.uptime_ms) == (7, event.ACCESS, 61_000)
    details = access.details
    assert details[event.REASON] == event.GRANTED and details[event.SUBJECT] == "Anna"
    fields = [7, sha256(record).digest(), access.time_s, EXAMPLES["kid"], bytes(range(1, 9))]
    payload = encode(["lobbylock receipt 1", DOOR, *fields])
    signer = Ed25519PrivateKey.from_private_bytes(DOOR_SEED)
    made = encode([b"\xa1\x01\x27", {}, payload, signer.sign(encode(["Signature1", b"\xa1\x01\x27", b"", payload]))])
    assert made == EXAMPLES["handed out"] == receipt.make(DOOR, record, signer.sign)
    assert EXAMPLES["give"] == b"\x80\xc6\0\0" + bytes([len(made)])
    assert f"the receipt (section 17) has at most {receipt.MAX_BYTES} bytes" in PAGE
    found = read_visit_receipt(made, signer.public_key().public_bytes_raw())
    assert found is not None and (found.seq, found.kid, found.credential_id) == (7, fields[3], fields[4])


def _joined_key(data: bytes) -> bytes:
    """Returns `data` without the three bytes that stand between x and y in a COSE_Key."""
    return data.replace(b"\x22\x58\x20", b"")


def test_phone():
    """The reference phone answers the page's commands; its own signature differs each time, and holds."""
    card = Phone(CREDENTIAL, KEY)
    first, second = re.findall(r"answered by (\w+) ?9000\n.*\n +then (\w+)\n", PAGE)[0]
    assert card.handle(EXAMPLES["select"]).hex() == first.removesuffix("9000") + "9000"
    got = card.handle(EXAMPLES["get"])[:-2] + card.handle(bytes.fromhex(second))[:-2]
    assert got == CREDENTIAL
    said = card.handle(EXAMPLES["prove"] + CHALLENGE + b"\0")
    assert said[:9] == EXAMPLES["proof"][:9] and said[73:] == b"\x90\0"
    r, s = int.from_bytes(said[9:41], "big"), int.from_bytes(said[41:73], "big")
    KEY.public_key().verify(encode_dss_signature(r, s), EXAMPLES["to sign"], ECDSA(SHA256()))
    assert card.handle(EXAMPLES["result"]) == b"\x90\0"
    assert card.reason == event.GRANTED


def test_wiegand_frames():
    rows = table("frame", "is")
    assert len(rows) == 5
    for frame, meaning in ((cells[0].strip("`"), cells[1]) for cells in rows):
        numbers = re.fullmatch(r"facility (\d+), number (\d+)", meaning)
        expected = (int(numbers[1]), int(numbers[2])) if numbers else meaning.strip("`")
        assert wiegand.decode(len(frame), int(frame, 2)) == expected
        if numbers:
            half = len(frame) // 2
            assert frame[:half].count("1") % 2 == 0 and frame[half:].count("1") % 2 == 1
