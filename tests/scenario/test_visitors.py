"""A resident's visitors at a whole lock: on a badge, two phones at once on the last use, none that reach further."""

import asyncio
from dataclasses import replace

import blecase
import cardcase
import cbor
import cose
import pytest
from cardcase import GRANT, HOUR_S, OTHER_KEY, PHONE_KEY, badge, holder, phone_credential
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from lockroom import NOON_S

from firmware.core import credential, event
from lobbylock.ble_phone import BleVisit
from lobbylock.delegation import delegate
from lobbylock.phone import Phone
from virtualboard.chip.isodep_card import IsoDepCard

THIRD_KEY = ec.derive_private_key(0x2468, ec.SECP256R1())


def resident(**changed) -> bytes:
    return phone_credential(**{"role": credential.RESIDENT, "id": b"resident", "subject": "Anna", **changed})


def visitor(number: bytes = b"visitor1", key=None, parent: bytes = b"", **changed) -> bytes:
    """Returns the chain by which Anna lets Vera in: once, on a badge unless with a key."""
    grant = replace(GRANT, **{"subject": "Vera", "role": credential.VISITOR, "id": number, **changed})
    return delegate(parent or resident(), replace(grant, holder=holder(key) if key else None), PHONE_KEY)


def forge(claims: dict, parent: bytes = b"") -> bytes:
    """Returns what Anna's own key signs by other means than our tool."""
    payload = cbor.encode(claims)
    r, s = decode_dss_signature(PHONE_KEY.sign(cose.to_be_signed(payload, cose.ES256), ec.ECDSA(SHA256())))
    child = cose.pack(payload, r.to_bytes(32, "big") + s.to_bytes(32, "big"), cose.ES256)
    return cbor.encode([parent or resident(), child])


def tap(room, card) -> int | None:
    before = room.count(event.ACCESS)
    room.board.nfc.place(card)
    came = room.until_event(event.ACCESS, 3_000, before + 1)
    room.board.run_for(300)
    room.board.nfc.remove(card)
    room.board.run_for(2_500)
    return room.last(event.ACCESS).reason if came else None


@pytest.fixture
def door(make_room):
    made = make_room(**cardcase.SETTINGS)
    made.power_on()
    return made


def test_a_visitors_badge_opens_once_and_says_who_let_them_in(door):
    data = visitor()
    assert tap(door, badge(data)) == event.GRANTED
    found = door.last(event.ACCESS)
    assert found.details == {
        event.REASON: 0, event.VIA: event.BADGE, event.SUBJECT: "Vera", event.CREDENTIAL_ID: b"visitor1",
        event.ROLE: 4, event.KID: cardcase.key_id(cardcase.SIGNER.public_key), event.PARENT_ID: b"resident",
        event.PICTURE_NUMBER: 1,
    }  # fmt: skip
    assert tap(door, badge(data, 2)) == event.ALREADY_USED
    # Also after a power cut.
    door.board.power_off()
    door.power_on()
    assert tap(door, badge(data, 3)) == event.ALREADY_USED
    # The resident comes home as always, and nobody takes a picture.
    assert tap(door, IsoDepCard(Phone(resident(), PHONE_KEY).handle)) == event.GRANTED
    assert event.PICTURE_NUMBER not in door.last(event.ACCESS).details


def test_uses_of_the_resident_spent_by_visitors(door):
    parent = resident(uses=2)
    for number, expected in ((b"visitor1", 0), (b"visitor2", 0), (b"visitor3", event.ALREADY_USED)):
        assert tap(door, badge(visitor(number, parent=parent), number[-1])) == expected
    assert tap(door, IsoDepCard(Phone(parent, PHONE_KEY).handle)) == event.ALREADY_USED


def test_what_reaches_further_is_refused(door):
    granted = replace(GRANT, subject="Vera", role=credential.VISITOR, id=b"visitor1")
    usual = granted.claims("Anna")
    parent = resident(uses=3, hours=[[127, 0, 1440]])
    for number, changed in enumerate(
        (
            {4: granted.until_s + 1},
            {5: granted.from_s - 1},
            {3: "oak-3"},
            {-70002: ["lobby", "garage"]},
            {-70003: 4},
        )
    ):
        assert tap(door, badge(forge({**usual, **changed}, parent), number)) == event.WIDER
        assert door.last(event.ACCESS).details[event.PARENT_ID] == b"resident"
        # So many refusals, and the reader rests.
        door.board.run_for(6_000)
    assert not door.board.strike.pulses
    late = forge({**usual, 4: NOON_S + HOUR_S, -70004: [[127, 0, 60]]}, parent)
    assert tap(door, badge(late, 9)) == event.OUTSIDE_HOURS
    assert tap(door, badge(forge(usual, parent), 10)) == event.GRANTED


def test_revoked_by_either_id(make_room):
    room = make_room(**cardcase.SETTINGS, revoked=[b"resident".hex(), b"visitor7".hex()])
    room.power_on()
    assert tap(room, badge(visitor())) == event.REVOKED
    parent = resident(id=b"neighbor")
    assert tap(room, badge(visitor(b"visitor7", parent=parent), 7)) == event.REVOKED
    assert tap(room, badge(visitor(b"visitor8", parent=parent), 8)) == event.GRANTED


class Slow(blecase.AirCarrier):
    """Of a phone that thinks long over the third thing it hears: hello, echo, challenge."""

    heard = 0

    async def receive(self) -> bytes:
        chunk = await super().receive()
        self.heard += chunk[0] >> 7
        return chunk

    async def write(self, chunk: bytes) -> None:
        if self.heard == 3:
            # Two chunks.
            await asyncio.sleep(0.7)
        await super().write(chunk)


async def visit_slowly(who: blecase.Visitor) -> int | None:
    made = BleVisit(who.phone, await Slow(who.radio).open(), who.room.public_key)
    made.press()
    return await made.run()


def test_two_at_once_on_the_last_use(make_room):
    """Both are told to prove themselves while there is one use left. The slow one began first, and finds it gone."""
    room = make_room(**blecase.SETTINGS)
    room.power_on()
    parent = resident(uses=1)
    slow, quick = (
        blecase.Visitor(room, Phone(visitor(number, key, parent), key), number.decode())
        for number, key in ((b"visitor1", OTHER_KEY), (b"visitor2", THIRD_KEY))
    )
    tasks = [room.board.ble.start(visit_slowly(slow)), room.board.ble.start(quick.visit(wait_s=0.3))]
    assert room.board.run_until(lambda: all(task.done() for task in tasks), 60_000)
    assert [task.result() for task in tasks] == [event.ALREADY_USED, event.GRANTED]
    room.board.run_for(7_000)
    assert len(room.pulses) == 1 and room.count(event.NOT_OPENED) == 1
    assert [found.reason for found in room.events if found.kind == event.ACCESS] == [0, event.ALREADY_USED]
