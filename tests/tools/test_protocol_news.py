"""Recomputes the worked examples of docs/protocol.md section 16 with other libraries, and with our own code."""

from hashlib import sha256

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from test_protocol import DOOR, EXAMPLES, PAGE

from firmware.core import bulletin, event
from lobbylock.bulletin import MAX_PIECES, PIECE_BYTES, make_list, make_token, read_list, split_list
from lobbylock.errors import UserError
from lobbylock.signature import Signer

ISSUER_SEED = b"\x03" * 32
KID = EXAMPLES["kid"]
NONCE = bytes(range(16))
TIME_S = 1789992000
IDS = [bytes.fromhex("0102030405060708"), sha256(KID + bytes(range(1, 9))).digest()[:8]]
KEYS = {KID: Signer(ISSUER_SEED).public_key}


def sign1(payload):
    """Returns a COSE_Sign1 made without any code of ours."""
    header = cbor2.dumps({1: -8, 4: KID}, canonical=True)
    payload = cbor2.dumps(payload, canonical=True)
    to_sign = cbor2.dumps(["Signature1", header, b"", payload], canonical=True)
    signature = Ed25519PrivateKey.from_private_bytes(ISSUER_SEED).sign(to_sign)
    return cbor2.dumps([header, {}, payload, signature], canonical=True)


def test_list():
    assert "list 7 of `maple-12` with the credential of section 8 and the id `0102030405060708`" in PAGE
    ids = b"".join(IDS)
    head = sign1(["lobbylock revoked 1", "maple-12", 7, 2, sha256(ids).digest()])
    assert (head, ids) == (EXAMPLES["revoked head"], EXAMPLES["revoked ids"])
    data = make_list(Signer(ISSUER_SEED), "maple-12", 7, reversed(IDS))
    assert data == head + ids
    assert split_list(data) == (head, [EXAMPLES["list piece"]])
    assert read_list(data, KEYS) == ("maple-12", 7, IDS)
    # The lock's own reader says the same.
    assert bulletin.head_bytes(data) == len(head)
    assert bulletin.read_head(head, "maple-12", lambda *_: 0) == (7, 2, sha256(ids).digest())


def test_token():
    token = sign1(["lobbylock time 1", DOOR, NONCE, TIME_S])
    assert token == EXAMPLES["time token"] == make_token(Signer(ISSUER_SEED), DOOR, NONCE, TIME_S)
    assert bulletin.read_time(token, DOOR, NONCE, lambda *_: 0) == TIME_S


def test_bounds_of_the_page():
    assert "at most 190 bytes" in PAGE and bulletin.MAX_HEAD_BYTES == 190
    assert "at most 200 bytes" in PAGE and bulletin.MAX_TOKEN_BYTES == 200
    assert "8,181 bytes: two blocks" in PAGE and "0 to 1,000" in PAGE and bulletin.MAX_IDS == 1_000
    # Of a file, littlefs takes four bytes of the second block.
    assert 8_181 <= 2 * 4_096 - 4
    assert "then 896 bytes of its ids from byte 896 N on" in PAGE and PIECE_BYTES == 896 and MAX_PIECES == 9


def test_longest_head_and_token():
    signer, name = Signer(ISSUER_SEED), "m" * 32
    data = make_list(signer, name, (1 << 32) - 1, [number.to_bytes(8, "big") for number in range(1_000)])
    # A kid of ours has four bytes, and may have eight.
    assert len(data) == 8_181 - 4
    assert len(make_token(signer, f"{name}/{name}", NONCE, TIME_S)) == 191 - 4
    assert max(len(piece) for piece in split_list(data)[1]) == 900
    with pytest.raises(UserError, match="1000 ids at most"):
        make_list(signer, name, 1, [number.to_bytes(8, "big") for number in range(1_001)])


@pytest.mark.parametrize("at", range(0, 162, 7))
def test_a_changed_byte_is_seen(at):
    data = EXAMPLES["revoked head"] + EXAMPLES["revoked ids"]
    with pytest.raises(UserError):
        read_list(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], KEYS)


def test_reasons_of_the_page():
    start = PAGE.index("| what a lock looks at | else |")
    rows = [line.split("|")[2].strip() for line in PAGE[start:].split("\n\n")[0].split("\n")[2:]]
    assert rows == ["malformed", "other_building", "older", "unknown_issuer", "forged", "torn", "malformed"]
    for name in rows:
        assert isinstance(getattr(event, name.upper()), int)
