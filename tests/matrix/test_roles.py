"""Every role at every way in, to one whole lock; what the page says of it."""

from hashlib import sha256
from pathlib import Path

import blecase
import cardcase
import pytest
from cardcase import OTHER_KEY, SIGNER, badge
from lockfixtures import make_room
from lockroom import NOON_S, Lockroom
from rolecase import (
    BADGE,
    BLE,
    CLASSES,
    GETS,
    KEYPAD,
    NO_DELEGATION,
    NOBODY,
    OPENS,
    PHONE,
    PHONES,
    ROLES,
    WAYS,
    credential_of,
    delegation_of,
)

from firmware.core import event, keycode
from lobbylock.bulletin import make_list, make_token
from lobbylock.grant import key_id
from lobbylock.phone import Phone
from virtualboard.chip.isodep_card import IsoDepCard

__all__ = ("make_room",)

DOOR = "maple-12/front"
KID = key_id(SIGNER.public_key)
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text("utf-8")
# What a lock says to a phone that shows itself: select, get, prove, result, receipt, list, token.
COMMANDS = {b"\x00\xa4", b"\x80\xca", b"\x80\x88", b"\x80\xc4", b"\x80\xc6", b"\x80\xcc", b"\x80\xce"}


def number_of(role: str, way: str, what: str = "") -> bytes:
    return sha256(f"{role} {way} {what}".encode()).digest()[:8]


def listed(version: int) -> bytes:
    return make_list(SIGNER, "maple-12", version, [sha256(KID + b"stolen01").digest()[:8]])


def come(room, card, limit_ms: int = 6_000):
    """Holds `card` to the reader; returns the access event that follows."""
    before = room.count(event.ACCESS)
    room.board.nfc.place(card)
    assert room.until_event(event.ACCESS, limit_ms, before + 1)
    room.board.run_for(1_500)
    room.board.nfc.remove(card)
    room.board.run_for(2_500)
    return room.last(event.ACCESS)


def judged(found, cell) -> None:
    assert found.reason == cell.reason
    assert (event.PICTURE_NUMBER in found.details) == cell.is_pictured


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    """A lock that is up, for all who come: nobody here is in another one's way."""
    made = Lockroom(tmp_path_factory.mktemp("matrix") / "board", **cardcase.SETTINGS)
    made.power_on()
    yield made
    made.close()


@pytest.mark.parametrize("role", ROLES)
def test_keypad(door, role):
    cell = OPENS[role][KEYPAD]
    if cell is None:
        # No class says visitor: whatever digit stands there, a code is a driver's, a resident's or staff's.
        roles = {
            keycode.Checker(keycode.door_key(b"s" * 32, "maple-12", "front"), 3)
            .check(made_code(code_class), NOON_S)
            .details()
            .get(event.ROLE)
            for code_class in keycode.WINDOW_S
        }
        assert roles == {None, 2, 3}
        return
    code = door.code(CLASSES[role]) if role in CLASSES else "3407000000"
    assert door.type(code) == cell.reason
    found = door.last(event.ACCESS)
    judged(found, cell)
    assert found.details.get(event.ROLE) == {"resident": 2, "staff": 3}.get(role)
    door.board.run_for(6_000)


def made_code(code_class: int) -> str:
    key = keycode.door_key(b"s" * 32, "maple-12", "front")
    return keycode.mint(key, 3, code_class, 7, keycode.window_at(code_class, NOON_S))


@pytest.mark.parametrize("role", ROLES)
def test_badge(door, role):
    data, _ = credential_of(role, BADGE, number_of(role, BADGE))
    judged(come(door, badge(data, ROLES.index(role))), OPENS[role][BADGE])


@pytest.mark.parametrize("role", ROLES)
def test_phone(door, role):
    """Opens or not, receipt or not, list or not; and what the lock has said to it in all."""
    data, key = credential_of(role, PHONE, number_of(role, PHONE))
    version = (door.last(event.LIST_TAKEN).details[event.LIST_VERSION] if door.count(event.LIST_TAKEN) else 0) + 1
    phone = Phone(data, key, wants_receipt=True, list_file=listed(version))
    card = IsoDepCard(phone.handle)
    taken = door.count(event.LIST_TAKEN)
    found = come(door, card)
    judged(found, OPENS[role][PHONE])
    gets = PHONES[role]
    assert bool(phone.receipts) == gets["receipt"] == (found.seq in handed(door))
    assert door.count(event.LIST_TAKEN) - taken == gets["list taken"]
    # It is asked, and told a reason, the number of a list, a nonce and a receipt: that is no status.
    assert {command[:2] for command in card.commands} <= COMMANDS and not gets["reads status"]


def handed(room) -> set[int]:
    return {found.details[event.ACCESS_SEQ] for found in room.events if found.kind == event.RECEIPT}


@pytest.mark.parametrize("role", ROLES)
def test_who_lets_others_in(door, role):
    data = delegation_of(role, number_of(role, PHONE, "delegation"))
    found = come(door, IsoDepCard(Phone(data, OTHER_KEY, wants_receipt=True).handle))
    if PHONES[role]["lets others in"]:
        assert found.reason == event.GRANTED and found.details[event.ROLE] == 4
    else:
        assert found.reason == NO_DELEGATION[role]


@pytest.fixture(scope="module")
def air(tmp_path_factory):
    """A lock that phones reach by Bluetooth, without a card reader."""
    made = Lockroom(tmp_path_factory.mktemp("air") / "board", **blecase.SETTINGS)
    made.power_on()
    yield made
    made.close()


@pytest.mark.parametrize("role", ROLES)
def test_bluetooth(air, role):
    """The same of somebody in front of the door who presses the button."""
    data, key = credential_of(role, BLE, number_of(role, BLE))
    version = (air.last(event.LIST_TAKEN).details[event.LIST_VERSION] if air.count(event.LIST_TAKEN) else 0) + 1
    phone = Phone(data, key, wants_receipt=True, list_file=listed(version))
    before, taken = air.count(event.ACCESS), air.count(event.LIST_TAKEN)
    reason = blecase.Visitor(air, phone, role).come()
    found = air.last(event.ACCESS)
    assert air.count(event.ACCESS) == before + 1 and found.details[event.VIA] == event.BLE
    assert reason == found.reason
    judged(found, OPENS[role][BLE])
    gets = PHONES[role]
    assert bool(phone.receipts) == gets["receipt"] == (found.seq in handed(air))
    assert air.count(event.LIST_TAKEN) - taken == gets["list taken"]
    # Without the button nobody comes in.
    air.board.run_for(6_000)
    data, key = credential_of(role, BLE, number_of(role, BLE, "passing by"))
    blecase.Visitor(air, Phone(data, key), role + " passing by").come(pressed_s=None)
    assert air.last(event.ACCESS).reason in (event.NO_ACT, event.UNKNOWN_ISSUER)
    air.board.run_for(6_000)


@pytest.mark.parametrize("role", ROLES)
def test_who_lets_others_in_by_bluetooth(air, role):
    data = delegation_of(role, number_of(role, BLE, "delegation"))
    reason = blecase.Visitor(air, Phone(data, OTHER_KEY), role + " lets in").come()
    assert reason == (event.GRANTED if PHONES[role]["lets others in"] else NO_DELEGATION[role])
    air.board.run_for(6_000)


@pytest.mark.parametrize("role", [NOBODY])
def test_token(make_room, role):
    bring_token(make_room, role)


@pytest.mark.slow
@pytest.mark.parametrize("role", [role for role in ROLES if role != NOBODY])
def test_token_of_the_others(make_room, role):
    bring_token(make_room, role)


def bring_token(make_room, role):
    room = make_room(**cardcase.SETTINGS)
    room.power_on(knows_time=False)
    # Somebody else has asked for the time.
    first = Phone(*credential_of("driver", PHONE, b"earlier1"), wants_receipt=True)
    assert come(room, IsoDepCard(first.handle)).reason == event.TIME_UNKNOWN
    assert first.nonce is not None
    told_s = int(NOON_S + room.board.now_ms / 1000)
    data, key = credential_of(role, PHONE, number_of(role, PHONE, "token"))
    phone = Phone(data, key, token=make_token(SIGNER, DOOR, first.nonce, told_s))
    found = come(room, IsoDepCard(phone.handle))
    cell = OPENS[role][PHONE]
    assert cell is not None and found.reason == cell.reason
    assert (room.count(event.CLOCK_SET) == 1) == PHONES[role]["time taken"]


def table(header: str) -> list[list[str]]:
    """Returns the rows of the page's table with that header."""
    lines = PAGE.split("\n")
    rows = []
    for line in lines[lines.index(header) + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def test_page_says_the_same():
    rows = [[role, *(cell.words if cell else "no such code" for cell in OPENS[role].values())] for role in ROLES]
    assert table("| who | " + " | ".join(WAYS) + " |") == rows
    rows = [[role, *("yes" if PHONES[role][name] else "no" for name in GETS)] for role in ROLES]
    assert table("| phone of | " + " | ".join(GETS) + " |") == rows
