"""The reference phone in version 2 of the messages, APDU by APDU: what it wants, what it brings, what it is told."""

import asyncio

import cbor
import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from scripted_door import EDDSA, ScriptedDoor, encode
from test_phone import verify

from firmware.core import proof
from firmware.core.errors import PhoneGone
from firmware.reader.phone import PhoneSession
from lobbylock import phone
from lobbylock.phone import DONE, NOT_FOUND, NOT_NOW, WRONG_DATA, WRONG_INSTRUCTION, WRONG_LENGTH, WRONG_OFFSET, Phone

KEY = ec.derive_private_key(12345, ec.SECP256R1())
CREDENTIAL = bytes(range(200))
SELECT = b"\x00\xa4\x04\x00\x0a" + proof.AID + b"\x00"
LOCK = ScriptedDoor()
TOKEN = b"t" * 180


def list_file(version: int, ids: int = 3) -> bytes:
    """A list as `lobbylock news` writes it; the phone does not look at its signature."""
    payload = encode(["lobbylock revoked 1", "maple-12", version, ids, bytes(32)])
    return encode([b"\xa2\x01\x27\x04\x44abcd", {}, payload, bytes(64)]) + bytes(8 * ids)


def receipt(seq: int = 7) -> bytes:
    payload = encode(["lobbylock receipt 1", LOCK.name, seq, bytes(32), None, b"kid", bytes(8)])
    return encode([EDDSA, {}, payload, LOCK.sign(payload)])


def selected(**options) -> Phone:
    card = Phone(CREDENTIAL, KEY, **options)
    assert card.handle(SELECT).endswith(DONE)
    return card


def give(data: bytes) -> bytes:
    return b"\x80\xc6\x00\x00" + bytes([len(data)]) + data


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "0100c8"),
        ({"version": 2}, "0200c80000000000"),
        ({"wants_receipt": True}, "0200c80100000000"),
        ({"token": TOKEN}, "0200c80200000000"),
        ({"list_file": list_file(5)}, "0200c80000000005"),
        ({"wants_receipt": True, "token": TOKEN, "list_file": list_file((1 << 32) - 1)}, "0200c803ffffffff"),
    ],
)
def test_what_the_phone_says_first(options, said):
    answer = Phone(CREDENTIAL, KEY, **options).handle(SELECT)
    assert answer == bytes.fromhex(said) + DONE
    if said.startswith("02"):
        wanted = (200, "wants_receipt" in options, "token" in options, int(said[-8:], 16))
        assert proof.read_offer(answer[:-2]) == wanted, "the lock reads it otherwise"


@pytest.mark.parametrize(
    "data", [b"", b"\x84", list_file(1)[:40], list_file(1)[1:], cbor.encode([1, 2, 3, 4]), b"\xff" * 99]
)
def test_what_is_no_list_has_no_version(data):
    assert phone.carried_version(data) == 0


@given(st.integers(0, (1 << 32) - 1), st.binary(max_size=64))
def test_version_of_a_carried_list(version, behind):
    assert phone.carried_version(list_file(version) + behind) == version


@pytest.mark.parametrize("version", [-1, 1 << 32, None, "5", True])
def test_version_out_of_range(version):
    assert phone.carried_version(list_file(version)) == 0


def test_pieces_of_a_list_and_a_token():
    carried = list_file(9, ids=900)
    card = selected(list_file=carried, token=TOKEN)
    taken = b""
    while len(taken) < len(carried):
        answer = card.handle(b"\x80\xcc" + len(taken).to_bytes(2, "big") + b"\xf0")
        assert answer.endswith(DONE) and 0 < len(answer) - 2 <= 240
        taken += answer[:-2]
    assert taken == carried
    assert card.handle(b"\x80\xcc" + len(carried).to_bytes(2, "big") + b"\xf0") == WRONG_OFFSET
    assert card.handle(b"\x80\xce\x00\x00\xf0") == TOKEN + DONE
    assert card.handle(b"\x80\xce\x00\x00") == WRONG_LENGTH


def test_phone_that_brings_nothing():
    card = selected(wants_receipt=True)
    assert card.handle(b"\x80\xcc\x00\x00\xf0") == NOT_FOUND
    assert card.handle(b"\x80\xce\x00\x00\xf0") == NOT_FOUND


def test_version_1_knows_none_of_it():
    card = selected()
    for apdu in (b"\x80\xcc\x00\x00\xf0", b"\x80\xce\x00\x00\xf0", give(receipt())):
        assert card.handle(apdu) == WRONG_INSTRUCTION
    assert Phone(CREDENTIAL, KEY, version=2).handle(give(receipt())) == NOT_NOW


def test_receipt_is_kept_and_confirmed():
    card = selected(wants_receipt=True, door_key=LOCK.public_key)
    assert card.handle(give(receipt())) == DONE
    assert card.receipts == [receipt()]


def test_receipt_of_another_door_is_not_confirmed():
    card = selected(wants_receipt=True, door_key=ScriptedDoor(seed=b"\2" * 32).public_key)
    assert card.handle(give(receipt())) == WRONG_DATA
    assert card.handle(give(receipt()[:-1])) == WRONG_DATA
    assert card.receipts == []


def tell(*fields) -> bytes:
    result = cbor2.dumps(list(fields), canonical=True)
    return b"\x80\xc4\x00\x00" + bytes([len(result)]) + result


def test_results_of_both_versions():
    card = selected(wants_receipt=True)
    assert card.handle(tell(2, 7, 12, bytes(16))) == DONE
    assert (card.reason, card.list_version, card.nonce) == (7, 12, bytes(16))
    assert card.handle(tell(2, 0, 13, None)) == DONE
    assert (card.reason, card.list_version, card.nonce) == (0, 13, None)
    assert card.handle(tell(1, 3)) == DONE and card.reason == 3
    assert card.hear(proof.result(27, 14, None)) and (card.reason, card.list_version) == (27, 14)


@pytest.mark.parametrize(
    "fields",
    [
        (2, 0),
        (2, 0, 1),
        (2, 0, 1, b""),
        (2, 0, -1, None),
        (2, 0, True, None),
        (1, 0, 1, None),
        (3, 0, 1, None),
        (2, None, 1, None),
        (),
    ],
)
def test_what_is_no_result(fields):
    card = selected(wants_receipt=True)
    assert card.handle(tell(*fields)) == WRONG_DATA
    assert card.reason is None


def test_the_lock_takes_and_gives_all_of_it():
    carried = list_file(9, ids=900)
    card = Phone(CREDENTIAL, KEY, wants_receipt=True, list_file=carried, token=TOKEN, door_key=LOCK.public_key)

    async def exchange(command: bytes) -> bytes:
        return card.handle(command)

    async def play() -> bytes:
        session = PhoneSession(exchange)
        assert await session.credential() == CREDENTIAL
        assert (session.version, session.wants_receipt, session.has_token, session.list_version) == (2, True, True, 9)
        assert await session.fetch(proof.TOKEN, 0, 200) == TOKEN
        challenge = proof.challenge(LOCK.name, bytes(16))
        said = await session.prove(challenge)
        assert proof.read(said) is not None
        await session.tell(proof.result(0, 8, bytes(16)))
        await session.give(receipt())
        taken = b""
        while len(taken) < len(carried):
            taken += await session.fetch(proof.LIST, len(taken), 240)
        with pytest.raises(PhoneGone):
            await session.fetch(proof.LIST, len(taken), 240)
        return taken

    assert asyncio.run(play()) == carried
    assert (card.reason, card.list_version, card.nonce, card.receipts) == (0, 8, bytes(16), [receipt()])


def test_proof_covers_channel_and_act():
    card = Phone(CREDENTIAL, KEY)
    challenge = proof.challenge(LOCK.name, bytes(16))
    said = {
        (channel, act_ms): card.prove(challenge, channel, act_ms)
        for channel in (b"1" * 32, b"2" * 32)
        for act_ms in (0, 9)
    }
    for shown, proved in said.items():
        assert proved is not None
        for other in said:
            holds = proof.holds(phone.holder(KEY), CREDENTIAL, challenge, proved, verify, *other)
            assert holds == (other == shown)
        assert not proof.holds(phone.holder(KEY), CREDENTIAL, challenge, proved, verify)
    assert card.prove(b"no challenge", bytes(32), 5) is None


APDUS = st.one_of(
    st.binary(max_size=40),
    st.just(SELECT),
    st.binary(max_size=60).map(give),
    st.binary(max_size=4).map(lambda data: b"\x80\xcc" + data),
    st.binary(max_size=4).map(lambda data: b"\x80\xce" + data),
    st.binary(max_size=30).map(lambda data: b"\x80\xc4\x00\x00" + bytes([len(data)]) + data),
)


@given(st.lists(APDUS, max_size=6))
def test_phone_answers_whatever_it_is_asked(apdus):
    card = Phone(CREDENTIAL, KEY, wants_receipt=True, list_file=list_file(3), token=TOKEN, door_key=LOCK.public_key)
    for apdu in apdus:
        assert 2 <= len(card.handle(apdu)) <= 258
    assert card.receipts == []
