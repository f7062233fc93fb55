# runs on: micropython cpython
from hashlib import sha256

import cbor
import cose

from firmware.core import event, receipt

DOOR = "maple-12/front"
DETAILS = {event.REASON: 0, event.VIA: event.PHONE, event.SUBJECT: "Anna", event.CREDENTIAL_ID: bytes(range(8))}
DETAILS[event.KID] = b"\x0a\x0b\x0c\x0d"


def sign(message):
    return sha256(message).digest() * 2


def record(seq=7, time_s=1_789_992_000, details=DETAILS):
    return event.Event(seq, event.ACCESS, 1, 250, time_s, details).encode()


def test_it_says_which_event_when_and_whose_credential():
    made = receipt.make(DOOR, record(), sign)
    payload, signature = cose.unpack(made)
    digest = sha256(record()).digest()
    said = ["lobbylock receipt 1", DOOR, 7, digest, 1_789_992_000, b"\x0a\x0b\x0c\x0d", bytes(range(8))]
    assert cbor.decode(payload) == said
    assert signature == sign(cose.to_be_signed(payload))


def test_without_a_time_it_says_so():
    payload, _ = cose.unpack(receipt.make(DOOR, record(time_s=None), sign))
    assert cbor.decode(payload)[4] is None


def test_the_longest_fits_one_message():
    details = {event.CREDENTIAL_ID: bytes(16), event.KID: bytes(8), event.SUBJECT: "s" * 32}
    longest = receipt.make("b" * 32 + "/" + "d" * 32, record(0xFFFFFFFF, 0xFFFFFFFF, details), sign)
    assert len(longest) == 232 <= receipt.MAX_BYTES
