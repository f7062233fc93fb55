"""The reference phone over Bluetooth against a scripted lock: the visit as it should be, and locks that are strange.

The lock's end is made of `cryptography` here; tests/scenario plays the same visits with the real one.
"""

import asyncio
import secrets
from hashlib import sha256
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st
from scripted_door import EDDSA, ScriptedDoor, encode
from test_phone import verify

from firmware.core import proof
from lobbylock import ble_phone
from lobbylock.ble_chunks import MAX_MESSAGE_BYTES, ChunkError, Joiner, Splitter
from lobbylock.ble_phone import (
    ECHO,
    FETCH,
    NO,
    NO_ACT,
    PROVE,
    RECEIPT,
    RESULT,
    SHOW,
    BleVisit,
    CarrierLost,
    StrangeLock,
    is_beacon,
)
from lobbylock.channel import Channel
from lobbylock.phone import LIST, TOKEN, Phone, holder

KEY = ec.derive_private_key(12345, ec.SECP256R1())
CREDENTIAL = bytes(range(250))
LOCK = ScriptedDoor()
CHALLENGE = proof.challenge(LOCK.name, bytes(16))
TITLE = b"lobbylock channel 1"


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """Nobody gives up here: both ends share one thread, and a machine that stands still is not a silent lock."""
    for name in ("_HELLO_S", "_COMMAND_S", "_QUIET_S"):
        monkeypatch.setattr(ble_phone, name, 1_000.0)


def receipt() -> bytes:
    payload = encode(["lobbylock receipt 1", LOCK.name, 7, bytes(32), None, b"kid", bytes(8)])
    return encode([EDDSA, {}, payload, LOCK.sign(payload)])


class Line:
    """Both directions of one connection, in memory."""

    def __init__(self, mtu: int) -> None:
        self.mtu = mtu
        self.to_lock: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.to_phone: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def write(self, chunk: bytes) -> None:
        assert 1 < len(chunk) <= self.mtu - 3
        self.to_lock.put_nowait(chunk)

    async def receive(self) -> bytes:
        chunk = await self.to_phone.get()
        if chunk is None:
            self.to_phone.put_nowait(None)
            raise CarrierLost("hung up")
        return chunk

    async def close(self) -> None:
        self.to_lock.put_nowait(None)


class Lock:
    """The lock's end of a connection; `answers` are (type, body) of what the phone said."""

    def __init__(self, line: Line, key=LOCK) -> None:
        self.line = line
        self._key = key
        self._splitter, self._joiner = Splitter(), Joiner()
        self.channel: Any = None

    async def message(self) -> bytes:
        while True:
            chunk = await self.line.to_lock.get()
            if chunk is None:
                raise CarrierLost("the phone hung up")
            found = self._joiner.take(chunk)
            if found is not None:
                return found

    def send(self, message: bytes) -> None:
        for chunk in self._splitter.split(message, self.line.mtu):
            self.line.to_phone.put_nowait(chunk)

    async def greet(self) -> bytes:
        """Shakes hands; returns what the phone shows."""
        hello = await self.message()
        secret = X25519PrivateKey.generate()
        point = secret.public_key().public_bytes_raw()
        nonce = secrets.token_bytes(16)
        self.send(b"\x01" + point + self._key.key.sign(TITLE + self._key.public_key + point) + nonce)
        name = sha256(TITLE + self._key.public_key + hello[1:] + point + nonce).digest()
        shared = secret.exchange(X25519PublicKey.from_public_bytes(hello[1:]))
        keys = HKDF(SHA256(), 96, salt=name, info=b"lobbylock channel keys 1").derive(shared)
        self.channel = Channel(name, keys[:48], keys[48:])
        kind, body = await self.hear()
        assert kind == SHOW
        return body

    async def hear(self) -> tuple[int, bytes]:
        data = self.channel.open(await self.message())
        return data[0], data[1:]

    async def ask(self, kind: int, body: bytes = b"") -> tuple[int, bytes]:
        self.send(self.channel.seal(bytes([kind]) + body))
        return await self.hear()

    def hang_up(self) -> None:
        self.line.to_phone.put_nowait(None)


def play(lock_plays, phone: Phone | None = None, mtu: int = 247, key=LOCK, press_s: float | None = 0.0, **options):
    """Plays a visit; returns (what the phone was told, the lock's part's result)."""

    async def run():
        line = Line(mtu)
        lock = Lock(line, key)
        visit = BleVisit(phone or Phone(CREDENTIAL, KEY, version=2), line, LOCK.public_key, **options)
        if press_s is not None:
            visit.press()
            await asyncio.sleep(press_s)
        task = asyncio.ensure_future(visit.run())
        try:
            played = await lock_plays(lock)
        finally:
            lock.hang_up()
            told = (await asyncio.gather(task, return_exceptions=True))[0]
        if isinstance(told, BaseException):
            raise told
        return told, played

    return asyncio.run(run())


# Chunks.


@given(st.lists(st.binary(min_size=1, max_size=MAX_MESSAGE_BYTES), min_size=1, max_size=4), st.integers(23, 517))
def test_messages_come_through_any_mtu(messages, mtu):
    splitter, joiner = Splitter(), Joiner()
    for message in messages:
        chunks = splitter.split(message, mtu)
        assert all(2 <= len(chunk) <= mtu - 3 for chunk in chunks)
        assert [joiner.take(chunk) for chunk in chunks] == [None] * (len(chunks) - 1) + [message]


@given(st.lists(st.binary(min_size=1, max_size=90), min_size=2, max_size=3), st.data())
def test_a_chunk_that_is_lost_repeated_or_exchanged_ends_it(messages, data):
    splitter, joiner = Splitter(), Joiner()
    chunks = [chunk for message in messages for chunk in splitter.split(message, 23)]
    at = data.draw(st.integers(0, len(chunks) - 2))
    how = data.draw(st.sampled_from(["lose", "repeat", "exchange"]))
    if how == "lose":
        del chunks[at]
    elif how == "repeat":
        chunks.insert(at, chunks[at])
    else:
        chunks[at], chunks[at + 1] = chunks[at + 1], chunks[at]
    with pytest.raises(ChunkError):
        for chunk in chunks:
            joiner.take(chunk)


@pytest.mark.parametrize("chunk", [b"", b"\xc0", b"\x00a", b"\xc1a", b"\x41a"])
def test_what_does_not_begin_a_message(chunk):
    with pytest.raises(ChunkError):
        Joiner().take(chunk)


def test_endless_message():
    joiner = Joiner()
    with pytest.raises(ChunkError, match="too long"):
        for number in range(6):
            joiner.take(bytes([0x80 * (number == 0) | number]) + bytes(240))
    with pytest.raises(ChunkError):
        Splitter().split(bytes(MAX_MESSAGE_BYTES + 1), 247)
    with pytest.raises(ChunkError):
        Splitter().split(b"", 247)


# The beacon.


def test_beacon_of_a_door():
    # Made with another implementation of HMAC.
    from cryptography.hazmat.primitives import hmac as peer

    mac = peer.HMAC(LOCK.public_key, SHA256())
    mac.update(b"lobbylock beacon 1" + b"salt")
    data = b"salt" + mac.finalize()[:4]
    assert is_beacon(data, LOCK.public_key)
    assert not is_beacon(data, bytes(32))
    assert not is_beacon(data[:7], LOCK.public_key) and not is_beacon(data + b"\0", LOCK.public_key)
    assert not is_beacon(b"", LOCK.public_key) and not is_beacon(data[:4], LOCK.public_key)


# The visit.


@pytest.mark.parametrize("mtu", [23, 185, 247, 517])
def test_visit_as_it_should_be(mtu):
    phone = Phone(CREDENTIAL, KEY, wants_receipt=True, token=b"t" * 150, door_key=LOCK.public_key)

    async def lock_plays(lock: Lock):
        assert await lock.greet() == bytes.fromhex("0200fa0300000000") + CREDENTIAL
        assert await lock.ask(FETCH, b"\x02" + bytes(4) + b"\x00\xc8") == (FETCH, b"t" * 150)
        assert await lock.ask(ECHO, b"12345678") == (ECHO, b"12345678")
        kind, body = await lock.ask(PROVE, CHALLENGE)
        act_ms = int.from_bytes(body[:2], "big")
        assert kind == PROVE and act_ms != NO_ACT
        said = (body[2:], verify, lock.channel.hash, act_ms)
        assert proof.holds(holder(KEY), CREDENTIAL, CHALLENGE, *said)
        assert not proof.holds(holder(KEY), CREDENTIAL, CHALLENGE, body[2:], verify, bytes(32), act_ms)
        assert await lock.ask(RESULT, proof.result(0, 4, bytes(16))) == (RESULT, b"")
        assert await lock.ask(RECEIPT, receipt()) == (RECEIPT, b"")

    assert play(lock_plays, phone, mtu=mtu) == (0, None)
    assert (phone.reason, phone.list_version, phone.nonce, phone.receipts) == (0, 4, bytes(16), [receipt()])


def test_act_is_as_old_as_it_is():
    async def lock_plays(lock: Lock):
        await lock.greet()
        return int.from_bytes((await lock.ask(PROVE, CHALLENGE))[1][:2], "big")

    assert play(lock_plays, press_s=0.3)[1] >= 300
    assert play(lock_plays, press_s=None)[1] == NO_ACT


def test_one_proof_for_each_visit_and_for_this_door_only():
    async def twice(lock: Lock):
        await lock.greet()
        return [(await lock.ask(PROVE, CHALLENGE))[0] for _ in range(2)]

    assert play(twice)[1] == [PROVE, NO]

    async def another(lock: Lock):
        await lock.greet()
        others = [proof.challenge("maple-12/back", bytes(16)), b"no challenge", CHALLENGE]
        return [(await lock.ask(PROVE, challenge))[0] for challenge in others]

    assert play(another, door=LOCK.name)[1] == [NO, NO, PROVE]


@pytest.mark.parametrize(
    "command",
    [
        (SHOW, b""),
        (ECHO, b"1234567"),
        (ECHO, b"123456789"),
        (RESULT, b""),
        (RESULT, cbor2.dumps([3, 0])),
        (RECEIPT, receipt()[:-1]),
        (FETCH, b"\x01" + bytes(4) + b"\x00\xc8"),
        (FETCH, b"\x07" + bytes(4) + b"\x00\xc8"),
        (FETCH, b"\x02" + bytes(5)),
        (6, b""),
        (NO, b""),
        (255, b"x" * 900),
    ],
)
def test_the_phone_says_no_and_stays(command):
    async def lock_plays(lock: Lock):
        await lock.greet()
        answers = [await lock.ask(*command), await lock.ask(ECHO, b"still on")]
        return answers

    assert play(lock_plays)[1] == [(NO, b""), (ECHO, b"still on")]


def test_pieces_of_a_list():
    carried = bytes(range(256)) * 30
    phone = Phone(CREDENTIAL, KEY, list_file=carried)

    async def lock_plays(lock: Lock):
        await lock.greet()
        taken = b""
        while True:
            kind, body = await lock.ask(FETCH, bytes([LIST]) + len(taken).to_bytes(4, "big") + b"\x01\xe0")
            if kind == NO:
                return taken
            assert 0 < len(body) <= 480
            taken += body

    assert play(lock_plays, phone)[1] == carried

    async def greedy(lock: Lock):
        await lock.greet()
        return len((await lock.ask(FETCH, bytes([LIST]) + bytes(4) + b"\xff\xff"))[1])

    assert 0 < play(greedy, phone)[1] <= 1_149
    assert play(greedy, Phone(CREDENTIAL, KEY, token=b"t"))[1] == 0
    assert TOKEN != LIST


def test_receipt_of_another_door_is_not_confirmed():
    phone = Phone(CREDENTIAL, KEY, wants_receipt=True, door_key=bytes(32))

    async def lock_plays(lock: Lock):
        await lock.greet()
        return await lock.ask(RECEIPT, receipt())

    assert play(lock_plays, phone)[1] == (NO, b"") and phone.receipts == []


def test_a_lock_with_another_key_learns_nothing():
    stranger = ScriptedDoor(seed=b"\2" * 32)

    async def lock_plays(lock: Lock):
        with pytest.raises(CarrierLost):
            await lock.greet()

    with pytest.raises(StrangeLock):
        play(lock_plays, key=stranger)
    # One that says it has the right key cannot sign for it.
    stranger.public_key = LOCK.public_key
    with pytest.raises(StrangeLock):
        play(lock_plays, key=stranger)


@given(st.sampled_from(["bit", "repeat", "short", "empty", "reflect"]), st.integers(0, 79))
def test_damaged_records_end_the_visit(how, at):
    async def lock_plays(lock: Lock):
        await lock.greet()
        record = lock.channel.seal(bytes([ECHO]) + b"12345678")
        if how == "repeat":
            lock.send(record)
            assert (await lock.hear())[0] == ECHO
        elif how == "bit":
            record = record[:at] + bytes([record[at] ^ 1]) + record[at + 1 :]
        elif how == "short":
            record = record[: at + 1] if at < 79 else record[1:]
        elif how == "empty":
            record = lock.channel.seal(b"")
        else:
            lock.send(record)
            record = await lock.message()
        lock.send(record)
        with pytest.raises(CarrierLost):
            await lock.message()

    with pytest.raises(StrangeLock):
        play(lock_plays)


def test_a_lock_that_hangs_up_at_once():
    async def silent(lock: Lock):
        await lock.message()

    assert play(silent) == (None, None)

    async def after_the_show(lock: Lock):
        await lock.greet()

    assert play(after_the_show) == (None, None)
