"""The two ends of the channel, which share no code: the lock's on both interpreters, the phone's over OpenSSL."""

import random
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from hypothesis import assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lobbylock import house

house.open_path()

from firmware.core import channel as lock_channel  # noqa: E402
from lobbylock import channel as phone_channel  # noqa: E402
from lobbylock.channel import ChannelError, PhoneHalf  # noqa: E402

_ROOT = Path(__file__).resolve().parents[2]
_PEER = Path(__file__).with_name("channel_peer.py")
_DOOR_SEED = bytes([1]) * 32
_DOOR = Ed25519PrivateKey.from_private_bytes(_DOOR_SEED).public_key().public_bytes_raw()
_SECRET = bytes(range(32))
_NONCE = bytes(16)


class Aes:
    """cryptolib's AES, by OpenSSL."""

    def __init__(self, key: bytes, mode: int) -> None:
        assert mode == 1
        self._ecb = Cipher(AES(key), ECB()).encryptor()

    def encrypt(self, blocks, out) -> None:
        out[:] = self._ecb.update(bytes(blocks))


@pytest.fixture
def ask_board(run_board):
    """`ask_board([(verb, byte string, ...), ...])` -> the answers of channel_peer.py."""

    def ask(*requests):
        lines = [" ".join([verb, *(field.hex() or "-" for field in fields)]) for verb, *fields in requests]
        return run_board(_PEER, text="\n".join(lines) + "\n", extra_path=str(_ROOT)).split("\n")[:-1]

    return ask


def test_a_conversation(ask_board):
    half = PhoneHalf()
    prepared = ("prepare", _DOOR_SEED, _SECRET)
    hello, name = ask_board(prepared, ("open", half.hello, _NONCE))
    phone = half.open_channel(bytes.fromhex(hello) + _NONCE, _DOOR)
    assert phone.hash.hex() == name
    sent = [random.randbytes(size) for size in (0, 5, 62, 63, 400, 767, 1150)]
    said = [("take", phone.seal(data)) for data in sent] + [("seal", data) for data in sent]
    answers = ask_board(prepared, ("open", half.hello, _NONCE), *said)[2:]
    assert answers[: len(sent)] == [data.hex() or "-" for data in sent]
    assert [phone.open(bytes.fromhex(record)) for record in answers[len(sent) :]] == sent


def test_other_conversations_other_keys(ask_board):
    halves = [PhoneHalf() for _ in range(3)]
    hello, *names = ask_board(("prepare", _DOOR_SEED, _SECRET), *[("open", half.hello, _NONCE) for half in halves])
    assert len(set(names)) == 3
    phones = [half.open_channel(bytes.fromhex(hello) + _NONCE, _DOOR) for half in halves]
    # The lock talks to the last of them.
    last = ("open", halves[2].hello, _NONCE)
    for phone, answer in ((phones[0], "refused"), (phones[1], "refused"), (phones[2], b"who".hex())):
        found = ask_board(("prepare", _DOOR_SEED, _SECRET), last, ("take", phone.seal(b"who")))
        assert found[-1] == answer


def test_a_repeated_greeting_makes_another_conversation(ask_board):
    half = PhoneHalf()
    other = bytes(15) + b"\1"
    prepared = ("prepare", _DOOR_SEED, _SECRET)
    hello, first, second = ask_board(prepared, ("open", half.hello, _NONCE), ("open", half.hello, other))
    assert first != second
    record = half.open_channel(bytes.fromhex(hello) + _NONCE, _DOOR).seal(b"who")
    again = ("open", half.hello, other)
    said = [again, ("take", record), again, ("seal", b"you"), ("open", half.hello, _NONCE), ("seal", b"you")]
    answers = ask_board(prepared, *said)
    assert answers[2] == "refused" and answers[4] != answers[6]


def test_greetings_that_no_phone_sends(ask_board):
    right = PhoneHalf().hello
    wrong = [b"", right[:-1], right + b"\0", b"\x02" + right[1:], right[1:], b"\x01" + bytes(32)]
    answers = ask_board(("prepare", _DOOR_SEED, _SECRET), *[("open", hello, _NONCE) for hello in wrong])
    assert answers[1:] == ["refused"] * len(wrong)


def test_a_phone_knows_its_door(ask_board):
    (answer,) = ask_board(("prepare", _DOOR_SEED, _SECRET))
    hello = bytes.fromhex(answer) + _NONCE
    assert len(hello) == 113
    PhoneHalf().open_channel(hello, _DOOR)
    other = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
    with pytest.raises(ChannelError):
        PhoneHalf().open_channel(hello, other)
    # What the signature is for; another nonce makes other keys.
    for bit in range(0, 8 * 97, 3):
        wrong = bytearray(hello)
        wrong[bit >> 3] ^= 1 << (bit & 7)
        with pytest.raises(ChannelError):
            PhoneHalf().open_channel(bytes(wrong), _DOOR)
    for size in (0, 97, 112, 114):
        with pytest.raises(ChannelError):
            PhoneHalf().open_channel((hello + b"\0")[:size], _DOOR)


def test_a_key_of_small_order_is_refused_by_the_phone():
    # Signed by the door, and still nobody's.
    key = Ed25519PrivateKey.from_private_bytes(_DOOR_SEED)
    for number in (0, 1):
        point = number.to_bytes(32, "little")
        hello = b"\x01" + point + key.sign(b"lobbylock channel 1" + _DOOR + point) + _NONCE
        with pytest.raises(ChannelError):
            PhoneHalf().open_channel(hello, _DOOR)


@pytest.mark.parametrize("plain", [b"\0\1ab", b"\0\0" + bytes(61) + b"\1", b"\0\x3f", b"\xff\xff"])
def test_lengths_and_padding_that_no_end_writes(plain):
    # By somebody who has the keys: the lock itself.
    keys = bytes(range(48))
    text = phone_channel._keystream(keys, 0, plain.ljust(64, b"\0"))
    phone = phone_channel.Channel(bytes(32), keys, keys)
    with pytest.raises(ChannelError):
        phone.open(text + phone_channel._tag(keys, 0, text))


class TwoEnds(RuleBasedStateMachine):
    """A phone, a lock and whoever sits between them: what is delivered in its turn opens, all else ends an end."""

    @initialize(keys=st.binary(min_size=96, max_size=96), other=st.binary(min_size=96, max_size=96))
    def connect(self, keys, other):
        # The four keys of the codes are different ones, as they are by their making.
        assume(len({some[at : at + 32] for some in (keys, other) for at in (16, 64)}) == 4)
        name = bytes(32)
        lock = lock_channel.Channel(name, keys, Aes)
        phone = phone_channel.Channel(name, keys[48:], keys[:48])
        self.ends = {"lock": lock, "phone": phone}
        self.strangers = {
            "lock": phone_channel.Channel(name, other[48:], other[:48]),
            "phone": lock_channel.Channel(name, other, Aes),
        }
        # What was sealed for each end, and how much of it has been opened.
        self.sealed = {"lock": [], "phone": []}
        self.opened = {"lock": 0, "phone": 0}
        self.broken = set()

    @rule(to=st.sampled_from(("lock", "phone")), data=st.binary(max_size=1150))
    def seal(self, to, data):
        sender = "phone" if to == "lock" else "lock"
        if sender in self.broken:
            with pytest.raises(ChannelError):
                self.ends[sender].seal(data)
            return
        self.sealed[to].append((self.ends[sender].seal(data), data))

    @rule(to=st.sampled_from(("lock", "phone")))
    def deliver(self, to):
        waiting = self.sealed[to][self.opened[to] :]
        if not waiting:
            return
        record, data = waiting[0]
        if to in self.broken:
            self.refuse(to, record)
            return
        assert self.ends[to].open(record) == data
        self.opened[to] += 1

    def refuse(self, to, record):
        with pytest.raises(ChannelError):
            self.ends[to].open(record)
        self.broken.add(to)

    @precondition(lambda self: any(self.sealed.values()))
    @rule(to=st.sampled_from(("lock", "phone")), pick=st.randoms(use_true_random=False))
    def deliver_out_of_turn(self, to, pick):
        others = [entry for at, entry in enumerate(self.sealed[to]) if at != self.opened[to]]
        # Sent back as well: what was meant for the other end.
        others += self.sealed["phone" if to == "lock" else "lock"]
        if others:
            self.refuse(to, pick.choice(others)[0])

    @rule(to=st.sampled_from(("lock", "phone")), pick=st.randoms(use_true_random=False))
    def damage(self, to, pick):
        waiting = self.sealed[to][self.opened[to] :]
        if not waiting:
            return
        record = bytearray(waiting[0][0])
        how = pick.randrange(3)
        if how == 0:
            record[pick.randrange(len(record))] ^= 1 << pick.randrange(8)
        elif how == 1:
            del record[pick.randrange(len(record)) :]
        else:
            record += pick.randbytes(pick.choice((1, 16, 192)))
        self.refuse(to, bytes(record))

    @rule(to=st.sampled_from(("lock", "phone")), data=st.binary(max_size=100))
    def deliver_a_stranger(self, to, data):
        self.refuse(to, self.strangers[to].seal(data))

    @rule(to=st.sampled_from(("lock", "phone")), record=st.binary(max_size=100))
    def deliver_noise(self, to, record):
        self.refuse(to, record)

    @invariant()
    def lengths_are_few(self):
        for records in getattr(self, "sealed", {}).values():
            assert {len(record) for record, _ in records} <= {80, 272, 528, 784, 1168}


TwoEnds.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestTwoEnds = TwoEnds.TestCase
