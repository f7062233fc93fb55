"""Keypad codes on the list of what is revoked, at a whole lock: phones bring the list, or it is in the board's files.

The serial line and the broker bring it in `tests/console/test_console_news.py` and `tests/uplink/test_news_broker.py`.
"""

import cardcase
from cardcase import PHONE_KEY, SIGNER, phone_credential
from lockroom import Happened, Lockroom

from firmware.core import event, keycode
from lobbylock.bulletin import make_list
from lobbylock.phone import Phone
from virtualboard.chip.isodep_card import IsoDepCard

DOOR = "maple-12/front"
KEYPAD_ONLY = {"issuers": cardcase.SETTINGS["issuers"], "camera": "off"}


def id_of(room: Lockroom, code_class: int = 4, slot: int = 7, door: str = DOOR) -> bytes:
    return keycode.code_id(door, code_class, slot, keycode.window_at(code_class, room.now_s))


def last(room: Lockroom, kind: int = event.ACCESS) -> Happened:
    found = room.last(kind)
    assert found is not None
    return found


def listed(version: int, *ids: bytes, building: str = "maple-12") -> bytes:
    return make_list(SIGNER, building, version, ids)


def bring(room: Lockroom, data: bytes) -> int | None:
    """Has a driver with a phone come, who brings the list `data`; returns what the lock made of him."""
    before = room.count(event.ACCESS)
    card = IsoDepCard(Phone(phone_credential(), PHONE_KEY, list_file=data).handle)
    room.board.nfc.place(card)
    room.board.run_for(4_000)
    room.board.nfc.remove(card)
    room.board.run_for(3_000)
    assert room.count(event.ACCESS) == before + 1
    return last(room).reason


def start_with(make_room, *ids_of, **changed) -> Lockroom:
    """Returns a lock that has a list: `ids_of(room)` makes one of its ids."""
    room = make_room(**{**KEYPAD_ONLY, **changed})
    (room.board.vfs / "revoked").write_bytes(listed(1, *(each(room) for each in ids_of)))
    room.power_on()
    return room


def test_a_code_works_is_revoked_and_works_again(make_room):
    room = make_room(**cardcase.SETTINGS)
    room.power_on()
    assert room.type(room.code()) == event.GRANTED
    room.board.run_for(8_000)
    assert bring(room, listed(1, id_of(room))) == event.GRANTED
    assert last(room, event.LIST_TAKEN).details[event.COUNT] == 1
    pulses, pictures = len(room.pulses), room.count(event.PICTURE)
    assert room.type(room.code()) == event.REVOKED
    details = last(room).details
    assert (details[event.VIA], details[event.SLOT], details[event.CODE_CLASS]) == (event.KEYPAD, 7, 4)
    assert details[event.WINDOW] == keycode.window_at(4, room.now_s)
    room.board.run_for(8_000)
    # Who comes with a revoked code is seen, and stays outside.
    assert room.count(event.PICTURE) == pictures + 1
    # Of the same person in another class, of another person, and of the same at this door by a list of another one.
    assert room.type(room.code(5)) == event.GRANTED
    room.board.run_for(8_000)
    assert room.type(room.code(4, 8)) == event.GRANTED
    room.board.run_for(8_000)
    assert len(room.pulses) == pulses + 2
    # Taken back, and nothing but that.
    assert bring(room, listed(2)) == event.GRANTED
    assert room.type(room.code()) == event.GRANTED
    room.board.run_for(8_000)
    assert len(room.pulses) == pulses + 4


def test_what_is_revoked_is_not_spent_and_no_guess_also_across_a_power_cut(make_room):
    single = keycode.SINGLE_USE
    room = start_with(make_room, id_of, lambda room: id_of(room, single), lambda room: id_of(room, keycode.RESIDENT))
    for _ in range(4):
        assert room.type("3407000000") == event.WRONG_CODE
    for code_class in (4, single, keycode.RESIDENT):
        assert room.type(room.code(code_class)) == event.REVOKED
    assert last(room).details[event.ROLE] == 2
    room.board.power_off()
    room.power_on()
    for _ in range(3):
        assert room.type(room.code(single)) == event.REVOKED
    assert room.count(event.LOCKOUT_STARTED) == 0 and room.pulses == []
    # Before its window, and after it, a code says so.
    assert room.type(room.code(ahead_s=86_400)) == event.NOT_YET_VALID
    assert room.type(room.code(ahead_s=-86_400)) == event.EXPIRED
    # The next list names none of them.
    room.board.power_off()
    (room.board.vfs / "revoked").write_bytes(listed(2))
    room.power_on()
    assert room.type(room.code(single)) == event.GRANTED
    room.board.run_for(7_000)
    assert room.type(room.code(single)) == event.ALREADY_USED
    # That one that opened set the guesses back.
    assert room.type("3407000000") == event.WRONG_CODE and room.count(event.LOCKOUT_STARTED) == 0


def test_without_its_list_a_lock_goes_on_taking_codes(make_room):
    room = start_with(make_room, id_of, lambda room: id_of(room, 4, 8))
    assert room.type(room.code()) == event.REVOKED
    # Its file goes bad while the lock runs: that is seen at the next look.
    (room.board.vfs / "revoked").write_bytes(b"\x84")
    assert room.type(room.code()) == event.GRANTED
    assert last(room, event.LIST_LOST).details == {event.LIST_VERSION: 1}
    room.board.run_for(7_000)
    assert room.type(room.code(4, 9)) == event.GRANTED
    room.board.run_for(7_000)
    room.board.power_off()
    (room.board.vfs / "revoked").unlink()
    room.power_on()
    assert room.type(room.code(4, 8)) == event.GRANTED
    assert room.count(event.LIST_LOST) == 1


def test_the_longest_list_and_lists_of_others(make_room):
    ids = [(number << 54).to_bytes(8, "big") for number in range(999)]
    room = start_with(make_room, id_of, *(lambda room, one=one: one for one in ids))
    assert room.type(room.code()) == event.REVOKED
    assert room.type(room.code(4, 8)) == event.GRANTED
    room.board.run_for(7_000)
    # The same code of another door of the building.
    room.board.power_off()
    (room.board.vfs / "revoked").write_bytes(listed(2, id_of(room, door="maple-12/back")))
    room.power_on()
    assert room.type(room.code()) == event.GRANTED
