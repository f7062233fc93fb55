"""The reference phone against the lock's side, and phones that cheat."""

import asyncio

import cbor
import isodep
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st
from ndef import TagError

from firmware.core import event, proof
from firmware.core.errors import PhoneGone, PhoneStrange
from firmware.reader.phone import PhoneSession
from lobbylock import phone
from lobbylock.errors import UserError
from lobbylock.phone import Phone

CREDENTIAL = bytes(range(256)) + b"and more than one piece"
DOOR = "maple-12/front"
NONCE = bytes(range(16))
CHALLENGE = proof.challenge(DOOR, NONCE)
KEY = ec.derive_private_key(12345, ec.SECP256R1())
OTHER_KEY = ec.derive_private_key(54321, ec.SECP256R1())
SELECT = b"\x00\xa4\x04\x00\x0a" + proof.AID + b"\x00"


def verify(holder: bytes, message: bytes, signature: bytes) -> bool:
    """ES256 by the host's library, which knows nothing of ours."""
    point = ec.EllipticCurvePublicNumbers(
        int.from_bytes(holder[:32], "big"), int.from_bytes(holder[32:], "big"), ec.SECP256R1()
    )
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    try:
        point.public_key().verify(der, message, ec.ECDSA(SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def session_with(card) -> PhoneSession:
    async def exchange(command: bytes) -> bytes:
        return card.handle(command)

    return PhoneSession(exchange)


def tap(card, challenge: bytes = CHALLENGE) -> bool:
    """Plays a lock that challenges `card`; returns whether the proof holds for KEY and what the card sent."""

    async def play() -> bool:
        session = session_with(card)
        credential = await session.credential()
        said = await session.prove(challenge)
        is_holder = proof.holds(phone.holder(KEY), credential, challenge, said, verify)
        await session.tell(proof.result(event.GRANTED if is_holder else event.WRONG_HOLDER))
        return is_holder

    return asyncio.run(play())


class Replaying(Phone):
    """Answers with a proof that was given before."""

    def __init__(self, old_proof: bytes) -> None:
        super().__init__(CREDENTIAL, OTHER_KEY)
        self._old_proof = old_proof

    def _prove(self, challenge: bytes | None) -> bytes:
        return self._old_proof + phone.DONE


class Relayed(Phone):
    """Lets a real phone sign another challenge than the lock's."""

    def __init__(self, victim: Phone, challenge: bytes) -> None:
        super().__init__(CREDENTIAL, OTHER_KEY)
        self._victim = victim
        self._challenge = challenge

    def _prove(self, challenge: bytes | None) -> bytes:
        self._victim.handle(SELECT)
        return self._victim.handle(prove(self._challenge))


class Piecemeal(Phone):
    """Gives at most 100 bytes at once."""

    def _get(self, apdu: bytes) -> bytes:
        return super()._get(apdu[:4] + bytes([min(apdu[4], 100)]))


def prove(challenge: bytes) -> bytes:
    return b"\x80\x88\x00\x00" + bytes([len(challenge)]) + challenge + b"\x00"


def test_phone_is_believed_and_told():
    card = Phone(CREDENTIAL, KEY)
    for number in range(3):
        assert tap(card, proof.challenge(DOOR, bytes([number]) * 16))
        assert card.reason == event.GRANTED


def test_pieces_are_put_together():
    assert tap(Piecemeal(CREDENTIAL, KEY))


def test_right_credential_and_wrong_key():
    card = Phone(CREDENTIAL, OTHER_KEY)
    assert not tap(card)
    assert card.reason == event.WRONG_HOLDER


def test_old_proof():
    card = Phone(CREDENTIAL, KEY)
    card.handle(SELECT)
    old = card.handle(prove(proof.challenge(DOOR, bytes(16))))[:-2]
    assert not tap(Replaying(old))
    assert tap(Replaying(old), proof.challenge(DOOR, bytes(16))), "the test would pass with any proof"


@pytest.mark.parametrize(
    "asked",
    [
        proof.challenge("maple-12/back", NONCE),
        proof.challenge("maple-13/front", NONCE),
        proof.challenge(DOOR, NONCE[::-1]),
    ],
)
def test_proof_for_another_door_or_nonce(asked):
    assert not tap(Relayed(Phone(CREDENTIAL, KEY), asked))
    assert tap(Relayed(Phone(CREDENTIAL, KEY), CHALLENGE))


def test_another_transcript():
    assert not tap(Relayed(Phone(CREDENTIAL[:-1], KEY), CHALLENGE))


def test_one_proof_for_each_tap():
    card = Phone(CREDENTIAL, KEY)
    assert card.handle(prove(CHALLENGE)) == phone.NOT_NOW
    assert card.handle(SELECT).endswith(phone.DONE)
    assert card.handle(prove(CHALLENGE)).endswith(phone.DONE)
    assert card.handle(prove(CHALLENGE)) == phone.NOT_NOW


def test_other_applications_are_not_found():
    card = Phone(CREDENTIAL, KEY)
    assert card.handle(SELECT.replace(b"LOBBY", b"HOBBY")) == phone.NOT_FOUND
    with pytest.raises(isodep.StatusError):
        asyncio.run(isodep.read_message(_as_exchange(card)))


def _as_exchange(card: Phone):
    async def exchange(command: bytes) -> bytes:
        return card.handle(command)

    return exchange


@pytest.mark.parametrize(
    "challenge",
    [
        b"",
        b"\x80",
        CHALLENGE + b"\x00",
        cbor.encode([2, DOOR, NONCE]),
        cbor.encode([True, DOOR, NONCE]),
        cbor.encode([1, DOOR, NONCE[1:]]),
        cbor.encode([1, DOOR.encode(), NONCE]),
        cbor.encode([1, DOOR, NONCE, 0]),
        cbor.encode({1: 1, 2: 2, 3: 3}),
    ],
)
def test_what_is_no_challenge_is_not_signed(challenge):
    card = Phone(CREDENTIAL, KEY)
    card.handle(SELECT)
    assert card.handle(prove(challenge)) == phone.WRONG_DATA


APDUS = st.one_of(
    st.binary(max_size=80),
    st.binary(max_size=20).map(lambda data: SELECT[:5] + data),
    st.binary(max_size=8).map(lambda data: b"\x80\xca" + data),
    st.binary(max_size=40).map(lambda data: prove(CHALLENGE)[:5] + data),
    st.binary(max_size=8).map(lambda data: b"\x80\xc4\x00\x00" + data),
    st.just(SELECT),
    st.just(prove(CHALLENGE)),
)


@given(st.lists(APDUS, max_size=6))
def test_phone_answers_whatever_it_is_asked(apdus):
    card = Phone(CREDENTIAL, KEY)
    for apdu in apdus:
        answer = card.handle(apdu)
        assert 2 <= len(answer) <= 258


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=8))
def test_lock_survives_whatever_a_phone_answers(answers):
    left = list(answers)

    async def exchange(command: bytes) -> bytes:
        return left.pop(0) if left else b""

    async def play() -> None:
        session = PhoneSession(exchange)
        await session.credential()
        await session.prove(CHALLENGE)

    try:
        asyncio.run(play())
    except (TagError, PhoneGone, PhoneStrange):
        pass


def test_key_file(run, tmp_path):
    path = tmp_path / "phone.pem"
    code, out, _ = run("phone", "new", str(path))
    assert code == 0 and len(bytes.fromhex(out)) == 64
    assert path.stat().st_mode & 0o777 == 0o600
    assert run("phone", "show", str(path))[1] == out
    assert run("phone", "show", "--json", str(path))[1] == '{"holder": "' + out.strip() + '"}\n'
    assert phone.holder(phone.load_key(path)).hex() == out.strip()
    code, out, error = run("phone", "new", str(path))
    assert code == 2 and "never overwritten" in error


def test_files_that_are_no_keys(run, tmp_path):
    path = tmp_path / "phone.pem"
    assert run("phone", "show", str(path))[0] == 2
    for data in (b"", b"-----BEGIN PRIVATE KEY-----\n", b"\xff" * 10_000):
        path.write_bytes(data)
        with pytest.raises(UserError):
            phone.load_key(path)
