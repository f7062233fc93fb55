"""Badges and phones at the real firmware's reader: who gets in, who does not, and what the trail says."""

import cardcase
import pytest
from cardcase import HOUR_S, badge, badge_credential, phone, phone_credential
from lockroom import NOON_S

from firmware.core import event
from virtualboard.chip.card import Ntag213
from virtualboard.chip.isodep_card import IsoDepCard


@pytest.fixture
def door(make_room):
    """A lock with a card reader that is up and knows the time."""
    made = make_room(**cardcase.SETTINGS)
    made.power_on()
    return made


def tap(room, card, held_ms: int = 700) -> int | None:
    """Holds `card` to the reader; returns the reason of the access event that follows, None if none does."""
    before = room.count(event.ACCESS)
    room.board.nfc.place(card)
    came = room.until_event(event.ACCESS, held_ms, before + 1)
    room.board.run_for(300)
    room.board.nfc.remove(card)
    # Long enough for the same card to be another presentation.
    room.board.run_for(2_500)
    assert room.count(event.ACCESS) <= before + 1
    return room.last(event.ACCESS).reason if came else None


def test_a_badge_opens_once_and_its_copy_does_not(door):
    data = badge_credential()
    assert tap(door, badge(data)) == event.GRANTED
    details = door.last(event.ACCESS).details
    assert details[event.VIA] == event.BADGE
    assert details[event.SUBJECT] == "UPS 4711"
    assert details[event.CREDENTIAL_ID] == b"delivery"
    assert details[event.ROLE] == 1
    assert details[event.PICTURE_NUMBER] == 1
    door.board.run_for(6_000)
    assert len(door.pulses) == 1
    assert tap(door, badge(data, 2)) == event.ALREADY_USED
    assert len(door.pulses) == 1


def test_a_phone_proves_that_it_holds_the_key(door):
    card, driver = phone(phone_credential())
    assert tap(door, card) == event.GRANTED
    assert driver.reason == event.GRANTED
    assert door.last(event.ACCESS).details[event.VIA] == event.PHONE
    card, driver = phone(phone_credential(), cardcase.OTHER_KEY)
    assert tap(door, card) == event.WRONG_HOLDER
    assert driver.reason == event.WRONG_HOLDER
    door.board.run_for(6_000)
    assert len(door.pulses) == 1


@pytest.mark.parametrize(
    ("reason", "data"),
    [
        (event.UNKNOWN_ISSUER, badge_credential(cardcase.STRANGER)),
        (event.FORGED, badge_credential()[:-1] + b"\x00"),
        (event.FORGED, badge_credential().replace(b"UPS 4711", b"UPS 4712")),
        (event.EXPIRED, badge_credential(from_s=NOON_S - 9 * HOUR_S, until_s=NOON_S - HOUR_S)),
        (event.NOT_YET_VALID, badge_credential(from_s=NOON_S + HOUR_S)),
        (event.OTHER_BUILDING, badge_credential(building="oak-3")),
        (event.WRONG_AREA, badge_credential(areas=["garage"])),
        (event.OUTSIDE_HOURS, badge_credential(hours=[[1, 0, 600]])),
        (event.NO_BEARER, badge_credential(uses=None)),
        (event.NO_BEARER, phone_credential()),
        (event.MALFORMED, b"\x84" + bytes(50)),
    ],
)
def test_what_does_not_open_is_refused_with_its_reason(door, reason, data):
    assert tap(door, badge(data)) == reason
    assert not door.board.strike.pulses


def test_a_revoked_credential(make_room):
    room = make_room(**cardcase.SETTINGS, revoked=[b"delivery".hex()])
    room.power_on()
    assert tap(room, badge(badge_credential())) == event.REVOKED


def test_a_card_that_is_held_is_one_presentation(door):
    card = badge(badge_credential())
    door.board.nfc.place(card)
    door.board.run_for(20_000)
    assert door.count(event.ACCESS) == 1
    driver, _ = phone(phone_credential())
    door.board.nfc.remove(card)
    door.board.run_for(2_500)
    door.board.nfc.place(driver)
    door.board.run_for(20_000)
    assert door.count(event.ACCESS) == 2


def test_two_cards_at_once_are_refused(door):
    one, two = badge(badge_credential(), 1), badge(badge_credential(id=b"another one"), 2)
    door.board.nfc.place(one)
    door.board.nfc.place(two)
    door.board.run_for(1_000)
    assert door.last(event.ACCESS).reason in (event.TWO_CARDS, event.GRANTED)
    door.board.run_for(3_000)
    assert [found.reason for found in door.events if found.kind == event.ACCESS][-1] == event.TWO_CARDS


def test_without_the_time_a_credential_waits(make_room):
    room = make_room(**cardcase.SETTINGS)
    room.power_on(knows_time=False)
    assert tap(room, badge(badge_credential())) == event.TIME_UNKNOWN


def test_a_use_survives_a_power_cut(door):
    data = badge_credential()
    door.board.nfc.place(badge(data))
    assert door.board.run_until(lambda: door.is_released, 3_000)
    door.board.power_off()
    door.board.nfc.remove(door.board.nfc.cards[0])
    door.power_on()
    assert tap(door, badge(data, 2)) == event.ALREADY_USED


def test_a_card_of_another_kind_is_unreadable(door):
    assert tap(door, Ntag213()) == event.UNREADABLE


def test_a_reader_that_hangs_is_reset_and_reported(door):
    door.board.nfc.hang()
    assert door.until_event(event.READER_FAULT, 60_000)
    assert door.until_event(event.READER_RECOVERED, 60_000)
    assert tap(door, badge(badge_credential())) == event.GRANTED


def test_residents_are_not_photographed(door):
    card, _ = phone(phone_credential(role=2))
    assert tap(door, card) == event.GRANTED
    assert event.PICTURE_NUMBER not in door.last(event.ACCESS).details


def test_a_wiegand_keypad_types_codes_and_its_card_numbers_are_nothing(make_room):
    room = make_room(keypad="wiegand")
    room.power_on()
    room.board.wiegand.card(12, 3456)
    assert room.until_event(event.ACCESS, 2_000)
    refused = room.last(event.ACCESS)
    assert (refused.reason, refused.details[event.VIA]) == (event.UNREADABLE, event.CARD_NUMBER)
    assert not any(b"3456" in repr(value).encode() for value in refused.details.values())
    room.board.wiegand.type(room.code() + "#")
    assert room.until_event(event.ACCESS, 5_000, 2)
    assert room.last(event.ACCESS).reason == event.GRANTED


def test_the_reader_by_spi(make_room):
    room = make_room(**{**cardcase.SETTINGS, "nfc": "spi"})
    room.power_on()
    assert tap(room, badge(badge_credential())) == event.GRANTED
    card, _ = phone(phone_credential())
    assert tap(room, card) == event.GRANTED


def test_a_phone_taken_away_after_it_was_served_is_no_other_presentation(door):
    card, _ = phone(phone_credential())
    for turn in range(12):
        door.board.nfc.place(card)
        assert door.until_event(event.ACCESS, 1_000, turn + 1)
        # At any moment of the looks that follow.
        door.board.run_for(250 + 23 * turn)
        door.board.nfc.remove(card)
        door.board.run_for(3_000)
        assert door.count(event.ACCESS) == turn + 1, [found.details for found in door.events]


class Listener:
    """A phone between the lock and another one: it may change what goes to and fro."""

    def __init__(self, handler) -> None:
        self.handler = handler
        self.proof = b""
        self.replays = False
        self.challenge_door = b""

    def handle(self, apdu: bytes) -> bytes:
        if apdu[:2] != b"\x80\x88":
            return self.handler(apdu)
        if self.replays:
            return self.proof
        if self.challenge_door:
            # What another door would ask: a name of the same length.
            apdu = apdu.replace(b"maple-12/front", self.challenge_door)
        self.proof = self.handler(apdu)
        return self.proof


def test_a_proof_heard_before_is_worth_nothing(door):
    _, driver = phone(phone_credential())
    listener = Listener(driver.handle)
    assert tap(door, IsoDepCard(listener.handle)) == event.GRANTED
    listener.replays = True
    assert tap(door, IsoDepCard(listener.handle)) == event.WRONG_HOLDER


def test_a_proof_for_another_door_is_worth_nothing(door):
    _, driver = phone(phone_credential())
    listener = Listener(driver.handle)
    listener.challenge_door = b"maple-12/gates"
    assert tap(door, IsoDepCard(listener.handle)) == event.WRONG_HOLDER
    assert not door.board.strike.pulses


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", event.WRONG_HOLDER),
        (b"\x90", event.WRONG_HOLDER),
        (b"\x90\x00", event.WRONG_HOLDER),
        (bytes(250) + b"\x90\x00", event.WRONG_HOLDER),
        # Says that it cannot: it may be shown again.
        (b"\x69\x85", event.CARD_LOST),
    ],
)
def test_a_phone_that_answers_nonsense_proves_nothing(door, answer, reason):
    _, driver = phone(phone_credential())
    card = IsoDepCard(lambda apdu: answer if apdu[:2] == b"\x80\x88" else driver.handle(apdu))
    assert tap(door, card) == reason
    assert not door.board.strike.pulses


def test_a_phone_that_goes_half_way_is_served_when_it_is_back(door):
    card, _ = phone(phone_credential())
    # SELECT and GET, and gone before the proof.
    card.lose_after(2)
    assert tap(door, card) == event.CARD_LOST
    assert not door.board.strike.pulses
    assert tap(door, card) == event.GRANTED


def test_a_reader_that_dies_in_the_middle_opens_nothing(door):
    card, _ = phone(phone_credential())
    card.before(3, door.board.nfc.hang)
    assert tap(door, card, 5_000) in (event.READER, event.CARD_LOST)
    assert door.until_event(event.READER_FAULT, 60_000)
    assert door.until_event(event.READER_RECOVERED, 60_000)
    assert not door.board.strike.pulses
    card, _ = phone(phone_credential())
    assert tap(door, card) == event.GRANTED


def test_without_a_reader_the_keypad_works(make_room):
    room = make_room(has_reader=False, **cardcase.SETTINGS)
    room.power_on()
    assert room.until_event(event.READER_FAULT, 10_000)
    assert room.type(room.code()) == event.GRANTED
    room.board.run_for(120_000)
    assert room.count(event.READER_FAULT) == 1


def test_many_presentations_leave_nothing_behind(make_room, set_board, memory_root):
    set_board(root=memory_root)
    room = make_room(**cardcase.SETTINGS)
    room.power_on()
    in_use = []
    for turn in range(24):
        kind = turn % 4
        if kind == 0:
            card, _ = phone(phone_credential())
        elif kind == 1:
            card = badge(badge_credential(id=b"badge%03d" % turn), turn)
        elif kind == 2:
            card = badge(b"\x84" + bytes(turn), turn)
        else:
            card, _ = phone(phone_credential(), cardcase.OTHER_KEY)
        tap(room, card)
        room.board.run_for(12_000)
        in_use.append(int(room.board.console[-1].removeprefix("in use ")))
    # A used badge takes its row in the ledger, which is there from the start.
    # The least of each: what the network has in use at a moment comes and goes.
    assert min(in_use[16:]) - min(in_use[4:12]) < 512, in_use


def test_a_phone_of_somebody_else_is_one_presentation(door):
    card = IsoDepCard(lambda apdu: b"\x6a\x82")
    door.board.nfc.place(card)
    door.board.run_for(30_000)
    assert [found.reason for found in door.events if found.kind == event.ACCESS] == [event.UNREADABLE]


def test_a_card_that_is_held_through_a_rest_is_one_presentation(door):
    for number in range(5):
        assert tap(door, badge(badge_credential(areas=["garage"]), number)) == event.WRONG_AREA
    before = door.count(event.ACCESS)
    door.board.nfc.place(badge(badge_credential(building="oak-3"), 9))
    door.board.run_for(40_000)
    assert door.count(event.ACCESS) == before + 1


def test_a_phone_that_never_answers_fills_neither_pictures_nor_the_journal(door):
    _, driver = phone(phone_credential())
    card = IsoDepCard(lambda apdu: None if apdu[:2] == b"\x80\x88" else driver.handle(apdu))
    door.board.nfc.place(card)
    door.board.run_for(60_000)
    lost = [found for found in door.events if found.kind == event.ACCESS]
    assert [found.reason for found in lost] == [event.CARD_LOST]
    assert door.count(event.PICTURE) == 1


@pytest.mark.parametrize("ats", [b"", b"\x00", b"\xff\x78\x80\x70\x02"])
def test_a_card_that_lies_about_its_ats_does_not_stop_the_reader(door, ats):
    card, _ = phone(phone_credential())
    card.ats = ats
    door.board.nfc.place(card)
    door.board.run_for(20_000)
    door.board.nfc.remove(card)
    assert door.count(event.READER_FAULT) == 0
    door.board.run_for(8_000)
    assert tap(door, badge(badge_credential())) == event.GRANTED


def test_an_acknowledge_that_gets_lost_accuses_nobody(door):
    card, _ = phone(phone_credential())
    door.board.nfc.corrupt(1, 5)
    door.board.nfc.place(card)
    assert door.board.run_until(lambda: door.is_released, 5_000)
    door.board.run_for(300)
    reasons = [found.reason for found in door.events if found.kind == event.ACCESS]
    assert reasons[-1] == event.GRANTED and set(reasons) <= {event.CARD_LOST, event.GRANTED}


def test_wiegand_cards_in_a_row_are_one_event(make_room):
    room = make_room(keypad="wiegand")
    room.power_on()
    for number in range(10):
        room.board.wiegand.card(12, number)
        room.board.run_for(500)
    assert room.count(event.ACCESS) == 1
