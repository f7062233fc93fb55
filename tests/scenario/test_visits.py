"""Whole visits by phones that want a receipt and bring news: the real lock, over NFC."""

from hashlib import sha256

import cardcase
import pytest
from cardcase import PHONE_KEY, SIGNER, STRANGER, phone_credential
from cryptography.hazmat.primitives.asymmetric import ec
from lockroom import NOON_S

from firmware.core import event
from lobbylock.bulletin import make_list, make_token
from lobbylock.grant import key_id
from lobbylock.phone import Phone
from lobbylock.visit_receipt import read_visit_receipt
from virtualboard.chip.isodep_card import IsoDepCard

BUILDING = "maple-12"
DOOR = "maple-12/front"
KID = key_id(SIGNER.public_key)
# SELECT, GET, PROVE, RESULT, RECEIPT.
RESULT, RECEIPT = 4, 5
SECOND_KEY = ec.derive_private_key(0x2345678, ec.SECP256R1())


@pytest.fixture
def make_door(make_room):
    """Returns a function that starts a lock with a card reader."""

    def make(*, knows_time: bool = True, **changed):
        room = make_room(**{**cardcase.SETTINGS, **changed})
        room.power_on(knows_time=knows_time)
        return room

    return make


@pytest.fixture
def door(make_door):
    return make_door()


def carry(data: bytes, key=PHONE_KEY, **brings) -> tuple[IsoDepCard, Phone]:
    """Returns the card that a reader sees, and a phone that wants a receipt and brings something."""
    made = Phone(data, key, **{"wants_receipt": True, **brings})
    return IsoDepCard(made.handle), made


def visit(room, card, held_ms: int = 2_500) -> int | None:
    """Holds `card` to the reader for so long; returns the reason of the access event, None if there was none."""
    before = room.count(event.ACCESS)
    room.board.nfc.place(card)
    room.board.run_for(held_ms)
    room.board.nfc.remove(card)
    room.board.run_for(3_000)
    assert room.count(event.ACCESS) <= before + 1
    return room.last(event.ACCESS).reason if room.count(event.ACCESS) > before else None


def listed(*ids: bytes, version: int = 1, signer=SIGNER, building: str = BUILDING) -> bytes:
    """Returns a list that revokes credentials of our issuer by their ids."""
    return make_list(signer, building, version, [sha256(KID + name).digest()[:8] for name in ids])


def record_of(room, seq: int) -> bytes:
    found = next(one for one in room.events if one.seq == seq)
    return event.Event(seq, found.kind, 1, found.uptime_ms, found.time_s, found.details).encode()


def test_a_phone_walks_off_with_a_receipt(door):
    card, driver = carry(phone_credential())
    assert visit(door, card) == event.GRANTED and driver.reason == event.GRANTED
    assert (driver.list_version, driver.nonce) == (0, None)
    access, handed = door.last(event.ACCESS), door.last(event.RECEIPT)
    assert handed.details == {
        event.ACCESS_SEQ: access.seq,
        event.SHA256: sha256(driver.receipts[0]).digest(),
    }
    said = read_visit_receipt(driver.receipts[0], door.public_key)
    assert said is not None
    assert (said.door, said.seq, said.time_s) == (DOOR, access.seq, access.time_s)
    assert (said.kid, said.credential_id) == (KID, b"delivery")
    assert said.record_sha256 == sha256(record_of(door, access.seq)).digest()
    # The strike first.
    assert door.last(event.UNLOCKED).seq < handed.seq


def test_who_is_refused_gets_none(door):
    card, driver = carry(phone_credential(areas=["garage"]))
    assert visit(door, card) == event.WRONG_AREA
    assert not driver.receipts and not door.count(event.RECEIPT) and driver.reason == event.WRONG_AREA


def test_phones_of_version_1_are_served_as_before(door):
    card, driver = carry(phone_credential(), wants_receipt=False)
    assert visit(door, card) == event.GRANTED and driver.reason == event.GRANTED
    assert [command[:2].hex() for command in card.commands[:4]] == ["00a4", "80ca", "8088", "80c4"]
    assert card.commands[3] == bytes.fromhex("80c4000003820100") and not door.count(event.RECEIPT)


def test_a_phone_that_leaves_before_its_receipt_has_been_let_in(door):
    card, driver = carry(phone_credential())
    card.lose_after(RECEIPT - 1)
    assert visit(door, card) == event.GRANTED and len(door.board.strike.pulses) == 1
    # The trail says more than the phone has, never less.
    assert not driver.receipts and door.count(event.RECEIPT) == 1


def test_a_phone_that_leaves_before_the_result_gets_no_receipt(door):
    card, driver = carry(phone_credential())
    card.lose_after(RESULT - 1)
    assert visit(door, card) == event.GRANTED
    assert not driver.receipts and not door.count(event.RECEIPT)
    assert visit(door, carry(phone_credential())[0]) == event.GRANTED and door.count(event.RECEIPT) == 1


def test_the_power_goes_right_before_the_receipt_is_handed_out(door):
    card, driver = carry(phone_credential())
    card.before(RECEIPT, door.board.power_off)
    # Without a field it has no power to answer either.
    card.before(RECEIPT, card.deselect)
    door.board.nfc.place(card)
    door.board.run_for(3_000)
    assert not driver.receipts
    door.board.nfc.remove(card)
    door.power_on()
    assert door.last(event.RECEIPT).details[event.ACCESS_SEQ] == door.last(event.ACCESS).seq
    assert visit(door, carry(phone_credential())[0]) == event.GRANTED


def test_a_receipt_that_the_phone_does_not_take_changes_nothing(door):
    for answer in (b"\x6a\x80", b"", b"\x90", b"more\x90\x00", bytes(260)):
        before = door.count(event.RECEIPT)
        _, driver = carry(phone_credential())
        card = IsoDepCard(lambda apdu: answer if apdu[:2] == b"\x80\xc6" else driver.handle(apdu))  # noqa: B023
        assert visit(door, card) == event.GRANTED
        assert door.count(event.RECEIPT) == before + 1


def test_a_visitor_brings_the_list_and_the_next_one_is_refused(door):
    stolen = phone_credential(SECOND_KEY, id=b"stolen01")
    assert visit(door, carry(stolen, SECOND_KEY)[0]) == event.GRANTED
    card, driver = carry(phone_credential(), list_file=listed(b"stolen01"))
    assert visit(door, card, 4_000) == event.GRANTED
    assert door.last(event.LIST_TAKEN).details == {event.LIST_VERSION: 1, event.COUNT: 1, event.NAME: "phone"}
    card, driver = carry(stolen, SECOND_KEY)
    assert visit(door, card) == event.REVOKED
    assert (driver.reason, driver.list_version) == (event.REVOKED, 1)
    door.board.run_for(6_000)
    assert len(door.board.strike.pulses) == 2
    # Also after a power cut.
    door.board.power_off()
    door.power_on()
    assert visit(door, carry(stolen, SECOND_KEY)[0]) == event.REVOKED


def test_a_long_list_in_two_visits(door):
    many = [b"%08d" % number for number in range(900)]
    card, _ = carry(phone_credential(), list_file=listed(*many, version=5))
    # Gone in the middle of it.
    card.lose_after(RECEIPT + 12)
    assert visit(door, card, 8_000) == event.GRANTED and not door.count(event.LIST_TAKEN)
    card, driver = carry(phone_credential(), list_file=listed(*many, version=5))
    assert visit(door, card, 8_000) == event.GRANTED
    assert door.last(event.LIST_TAKEN).details[event.COUNT] == 900
    offsets = [int.from_bytes(command[2:4], "big") for command in card.commands if command[:2] == b"\x80\xcc"]
    assert offsets and offsets[0] < min(offsets[1:]) and max(offsets) > 7_000
    # It went on, but for the head, where the first one had stopped.
    assert len(offsets) < 7_200 // 240


def test_a_list_that_nobody_signed_for_this_building_changes_nothing(door):
    for wrong in (listed(b"delivery", signer=STRANGER), listed(b"delivery", building="oak-3"), b"\x84" + bytes(300)):
        assert visit(door, carry(phone_credential(), list_file=wrong)[0], 4_000) == event.GRANTED
    assert not door.count(event.LIST_TAKEN)


def test_who_is_no_visitor_brings_no_news(door):
    card, _ = carry(phone_credential(signer=STRANGER), list_file=listed(b"delivery"))
    assert visit(door, card, 4_000) == event.UNKNOWN_ISSUER
    assert not door.count(event.LIST_TAKEN) and not door.count(event.LIST_REFUSED)
    assert b"\x80\xcc" not in [command[:2] for command in card.commands]


def test_a_door_that_lost_its_list_is_healed_by_the_visitor_himself(door):
    assert visit(door, carry(phone_credential(), list_file=listed(b"stolen01"))[0], 4_000) == event.GRANTED
    door.board.power_off()
    (door.board.vfs / "revoked").unlink()
    door.power_on()
    card, driver = carry(phone_credential())
    assert visit(door, card) == event.NO_LIST and driver.list_version == 0
    assert door.count(event.LIST_LOST) == 1
    # Codes go on.
    assert door.type(door.code()) == event.GRANTED
    assert visit(door, carry(phone_credential(), list_file=listed(b"stolen01"))[0], 4_000) == event.GRANTED
    assert visit(door, carry(phone_credential(id=b"stolen01"))[0]) == event.REVOKED


def test_a_visitor_brings_the_time(make_door):
    door = make_door(knows_time=False)
    card, driver = carry(phone_credential())
    assert visit(door, card) == event.TIME_UNKNOWN
    assert driver.nonce is not None and len(driver.nonce) == 16
    # The phone asks its issuer, and is back.
    told_s = int(NOON_S + door.board.now_ms / 1000)
    token = make_token(SIGNER, DOOR, driver.nonce, told_s)
    door.board.run_for(30_000)
    card, again = carry(phone_credential(), token=token)
    assert visit(door, card) == event.GRANTED
    assert door.last(event.CLOCK_SET).details[event.NAME] == "token"
    now_s = NOON_S + door.board.now_ms / 1000
    assert abs(door.last(event.ACCESS).time_s - now_s) < 40
    said = read_visit_receipt(again.receipts[0], door.public_key)
    assert said is not None and said.time_s == door.last(event.ACCESS).time_s
    # Good for one.
    assert again.nonce != driver.nonce


def test_a_token_for_another_nonce_door_or_by_a_stranger_tells_no_time(make_door):
    door = make_door(knows_time=False)
    card, driver = carry(phone_credential())
    assert visit(door, card) == event.TIME_UNKNOWN and driver.nonce is not None
    tokens = (
        make_token(SIGNER, DOOR, bytes(16), NOON_S),
        make_token(SIGNER, "maple-12/back", driver.nonce, NOON_S),
        make_token(STRANGER, DOOR, driver.nonce, NOON_S),
        make_token(SIGNER, DOOR, driver.nonce, NOON_S)[:-1],
        b"",
    )
    for token in tokens:
        # The reader rests when refusals follow each other.
        door.board.run_for(5_000)
        assert visit(door, carry(phone_credential(), token=token or b"\x80")[0]) == event.TIME_UNKNOWN
    assert not door.count(event.CLOCK_SET)
