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


def test_result_for_a_phone_that_carries_news():
    assert cbor.decode(proof.result(0, 7, NONCE)) == [2, 0, 7, NONCE]
    assert cbor.decode(proof.result(3, 0)) == [2, 3, 0, None]


def test_offer():
    assert proof.offer(300, True, False, 7) == b"\x02\x01\x2c\x01\x00\x00\x00\x07"
    for wants in (False, True):
        for has in (False, True):
            for version in (0, 1, 0xFFFFFFFF):
                for size in (1, 512, 1024):
                    assert proof.read_offer(proof.offer(size, wants, has, version)) == (size, wants, has, version)


def test_what_is_no_offer():
    good = proof.offer(1024, True, True, 1)
    for size in range(len(good)):
        assert proof.read_offer(good[:size]) is None
    assert proof.read_offer(good + b"\0") is None
    for version in (0, 1, 3, 255):
        assert proof.read_offer(bytes((version,)) + good[1:]) is None
    assert proof.read_offer(proof.offer(0)) is None and proof.read_offer(proof.offer(1025)) is None
    for flags in range(4, 256):
        assert proof.read_offer(good[:3] + bytes((flags,)) + good[4:]) is None


def test_what_is_signed_at_a_distance():
    channel = bytes(range(32))
    _, _, _, payload = cbor.decode(proof.to_be_signed(CREDENTIAL, CHALLENGE, channel, 420))
    digest = sha256(CREDENTIAL + CHALLENGE + channel).digest()
    assert cbor.decode(payload) == ["lobbylock proof 2", DOOR, NONCE, digest, 420]


def test_another_channel_or_act_is_another_proof():
    channel = bytes(range(32))
    said = proof.pack(sign(proof.to_be_signed(CREDENTIAL, CHALLENGE, channel, 420)))
    for other, act_ms, is_held in ((channel, 420, True), (channel, 421, False), (bytes(32), 420, False)):
        assert proof.holds(HOLDER, CREDENTIAL, CHALLENGE, said, verify, other, act_ms) == is_held
    # One that is held to the reader is none at a distance, and the other way round.
    assert not holds(said)
    assert not proof.holds(HOLDER, CREDENTIAL, CHALLENGE, answer(), verify, channel, 0)
    assert not proof.holds(HOLDER, CREDENTIAL, CHALLENGE, answer(), verify, b"", 0)


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
