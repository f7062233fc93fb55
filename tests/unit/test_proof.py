# runs on: micropython cpython
from hashlib import sha256

import cbor

from firmware.core import proof

DOOR = "maple-12/front"
NONCE = bytes(range(16))
CREDENTIAL = b"what the phone sent"
HOLDER = bytes(range(64))
CHALLENGE = proof.challenge(DOOR, NONCE)
SIGNATURE = bytes([255 - at for at in range(64)])


def verify(holder, message, signature):
    """A signature that anybody can make, but no other bytes have."""
    return signature == sha256(holder + message).digest() * 2


def sign(message):
    return sha256(HOLDER + message).digest() * 2


def answer(credential=CREDENTIAL, challenge=CHALLENGE):
    return proof.pack(sign(proof.to_be_signed(credential, challenge)))


def holds(said, holder=HOLDER, credential=CREDENTIAL, challenge=CHALLENGE):
    return proof.holds(holder, credential, challenge, said, verify)


def test_challenge_and_result():
    assert cbor.decode(CHALLENGE) == [1, DOOR, NONCE]
    assert cbor.decode(proof.result(24)) == [1, 24]


def test_what_is_signed():
    kind, protected, external, payload = cbor.decode(proof.to_be_signed(CREDENTIAL, CHALLENGE))
    assert (kind, protected, external) == ("Signature1", b"\xa1\x01\x26", b"")
    assert cbor.decode(payload) == ["lobbylock proof 1", DOOR, NONCE, sha256(CREDENTIAL + CHALLENGE).digest()]


def test_longest_names():
    challenge = proof.challenge("b" * 32 + "/" + "d" * 32, NONCE)
    assert holds(answer(challenge=challenge), challenge=challenge)


def test_proof_is_a_cose_sign1():
    assert cbor.decode(proof.pack(SIGNATURE)) == [b"\xa1\x01\x26", {}, None, SIGNATURE]
    assert proof.read(proof.pack(SIGNATURE)) == SIGNATURE


def test_other_bytes_are_no_proof():
    good = proof.pack(SIGNATURE)
    for size in range(len(good)):
        assert proof.read(good[:size]) is None
    for at in range(9):
        for bit in range(8):
            assert proof.read(good[:at] + bytes((good[at] ^ 1 << bit,)) + good[at + 1 :]) is None
    assert proof.read(good + b"\0") is None and proof.read(b"\xd2" + good) is None


def test_the_holder_answers_the_challenge():
    assert holds(answer())


def test_another_key_does_not():
    assert not holds(answer(), holder=bytes(64))


def test_another_door_nonce_or_transcript_does_not():
    for challenge in (proof.challenge("maple-12/back", NONCE), proof.challenge(DOOR, bytes(16))):
        assert not holds(answer(challenge=challenge))
    assert not holds(answer(credential=CREDENTIAL + b"\0"))
    # The same bytes, cut at another place.
    assert not holds(answer(credential=CREDENTIAL + CHALLENGE[:1], challenge=CHALLENGE))


def test_every_flipped_bit_is_refused():
    said = answer()
    for at in range(len(said)):
        assert not holds(said[:at] + bytes((said[at] ^ 1 << at % 8,)) + said[at + 1 :]), at


def test_nonsense_is_refused():
    for said in (b"", b"\x84", bytes(73), b"\x84" * 300):
        assert not holds(said)
