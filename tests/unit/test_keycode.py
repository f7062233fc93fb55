# runs on: micropython cpython
from hashlib import sha256

from firmware.core import bulletin, event, keycode
from firmware.core.keycode import (
    EXPIRED,
    MALFORMED,
    NOT_YET_VALID,
    OTHER_BUILDING,
    TIME_UNKNOWN,
    VALID,
    WRONG,
    Checker,
    decide,
)

KEY = keycode.door_key(bytes(range(32)), "maple-12", "front")
NOW_S = 1_789_992_000
DAY_S = 86_400


def mint(code_class=4, slot=7, at_s=NOW_S, tag=3, key=KEY, day_start_s=0):
    return keycode.mint(key, tag, code_class, slot, keycode.window_at(code_class, at_s, day_start_s))


def outcome(digits, now_s=NOW_S, key=KEY, tag=3):
    return Checker(key, tag).check(digits, now_s).outcome


def test_every_class_opens_in_its_window_and_only_there():
    for code_class in keycode.WINDOW_S:
        length = keycode.WINDOW_S[code_class]
        start, end = keycode.window_bounds(code_class, keycode.window_at(code_class, NOW_S))
        assert start <= NOW_S < end and end - start == length
        code = mint(code_class)
        assert [outcome(code, now_s) for now_s in (start - 1, start, end - 1, end)] == [
            NOT_YET_VALID,
            VALID,
            VALID,
            EXPIRED,
        ]


def test_claim_carries_what_the_digits_say():
    claim = Checker(KEY, 3).check(mint(9, 42), NOW_S)
    assert (claim.slot, claim.code_class, claim.window, claim.is_single_use) == (42, 9, 20717, True)
    assert not Checker(KEY, 3).check(mint(4), NOW_S).is_single_use
    assert Checker(KEY, 3).check("3407000000", NOW_S).slot is None


def test_codes_of_residents_and_staff_say_so():
    roles = {keycode.RESIDENT: 2, keycode.STAFF: 3}
    for code_class in keycode.WINDOW_S:
        claim = Checker(KEY, 3).check(mint(code_class), NOW_S)
        decision = decide(claim, lambda slot, window: False)
        assert claim.is_resident == (code_class == 7) and decision.is_granted
        assert decision.details().get(event.ROLE) == roles.get(code_class)
        # Residents come home; everybody else has their picture taken.
        assert decision.is_pictured == (code_class != 7)
    # Another class with the same ending is nobody's, whoever makes one out of the other.
    for code_class in (6, 8):
        assert outcome(mint(7)[0] + str(code_class) + mint(7)[2:]) == WRONG
    late = Checker(KEY, 3).check(mint(7), NOW_S + 28 * DAY_S)
    assert decide(late, None).is_pictured and late.details()[event.ROLE] == 2
    assert not Checker(KEY, 3).check("3707000000", NOW_S).is_resident


def test_single_use_codes_are_spent_once():
    class Ledger:
        used = ()

        def is_code_used(self, slot, window):
            return (slot, window) in self.used

    ledger = Ledger()
    once, often = [Checker(KEY, 3).check(mint(code_class), NOW_S) for code_class in (9, 7)]
    assert not once.is_spent(ledger) and not often.is_spent(ledger)
    ledger.used = ((once.slot, once.window), (often.slot, often.window))
    assert once.is_spent(ledger) and not often.is_spent(ledger)


def test_reach_of_expired_and_not_yet_valid():
    assert outcome(mint(at_s=NOW_S - 64 * DAY_S)) == EXPIRED
    assert outcome(mint(at_s=NOW_S - 65 * DAY_S)) == WRONG
    assert outcome(mint(at_s=NOW_S + 64 * DAY_S)) == NOT_YET_VALID
    assert outcome(mint(at_s=NOW_S + 65 * DAY_S)) == WRONG


def test_other_doors_and_buildings():
    other_key = keycode.door_key(bytes(range(32)), "maple-12", "back")
    assert other_key != KEY
    assert outcome(mint(key=other_key)) == WRONG
    assert outcome(mint(tag=4)) == OTHER_BUILDING
    # Told by its digits alone, so that it does not depend on the time.
    assert outcome(mint(tag=4), None) == OTHER_BUILDING


def test_unknown_time_grants_nothing():
    for code_class in keycode.WINDOW_S:
        assert outcome(mint(code_class), None) == TIME_UNKNOWN


def test_malformed():
    for digits in ("", "1", "340749280", "34074928080", "340749280a", "340749280\u0661", "3407 92808", "+407492808"):
        assert outcome(digits) == MALFORMED, digits
    for digits in ("3707492808", "3807492808"):
        assert outcome(digits) == WRONG


def test_every_changed_digit_is_refused():
    code = mint()
    for at in range(10):
        for digit in "0123456789":
            if digit != code[at]:
                assert outcome(code[:at] + digit + code[at + 1 :]) not in (VALID, EXPIRED, NOT_YET_VALID)


def test_one_valid_ending_in_a_million():
    # The space of a (class, slot) has 1,000,000 endings; a sample of it holds no second valid one.
    checker = Checker(KEY, 3)
    code = mint()
    valid = 0
    for ending in range(int(code[4:]) - 300, int(code[4:]) + 300):
        if checker.check("%s%06d" % (code[:4], ending % 1_000_000), NOW_S).outcome == VALID:
            valid += 1
    assert valid == 1


def test_day_start_moves_the_windows():
    code = mint(day_start_s=18_000)
    start, end = keycode.window_bounds(4, keycode.window_at(4, NOW_S, 18_000), 18_000)
    assert start % DAY_S == 18_000
    assert Checker(KEY, 3, 18_000).check(code, end - 1).outcome == VALID
    assert Checker(KEY, 3, 18_000).check(code, end).outcome == EXPIRED


def test_mint_refuses_what_has_no_digits():
    for tag, code_class, slot, window in (
        (10, 4, 0, 1),
        (0, 10, 0, 1),
        (0, 4, 100, 1),
        (0, 4, 0, 1 << 32),
        (0, 4, 0, -1),
    ):
        try:
            keycode.mint(KEY, tag, code_class, slot, window)
            raise AssertionError("minted")
        except ValueError:
            pass


class CountingMac:
    def __init__(self, mac):
        self.calls = 0
        self._mac = mac

    def digest(self, message):
        self.calls += 1
        return self._mac.digest(message)


def test_cost_does_not_depend_on_drivers_or_windows():
    checker = Checker(KEY, 3)
    counting = checker._mac = CountingMac(checker._mac)
    costs = set()
    for slot in (0, 50, 99):
        for code_class in keycode.WINDOW_S:
            counting.calls = 0
            assert checker.check(mint(code_class, slot), NOW_S).outcome == VALID
            costs.add(counting.calls)
    assert costs == {1}
    costs = set()
    for digits in ("3407000000", "3099123456", mint(at_s=NOW_S - DAY_S)):
        counting.calls = 0
        checker.check(digits, NOW_S)
        costs.add(counting.calls)
    assert costs == {129}


def test_only_unauthentic_entries_are_guesses():
    for claim_outcome in (WRONG, OTHER_BUILDING, MALFORMED):
        assert keycode.Claim(claim_outcome).is_guess
    for claim_outcome in (VALID, EXPIRED, NOT_YET_VALID, TIME_UNKNOWN):
        assert not keycode.Claim(claim_outcome).is_guess


def test_decisions_name_their_reason():
    checker = Checker(KEY, 3)

    def reason(digits, now_s=NOW_S, used=()):
        return decide(checker.check(digits, now_s), lambda slot, window: (slot, window) in used).reason

    assert reason(mint()) == event.GRANTED
    assert reason(mint(9), used=((7, 20717),)) == event.ALREADY_USED
    assert reason(mint(9)) == event.GRANTED
    # Only the single-use class asks the ledger.
    assert reason(mint(4), used=((7, 20717),)) == event.GRANTED
    assert reason("3407000000") == event.WRONG_CODE
    assert reason(mint(tag=0)) == event.OTHER_BUILDING
    assert reason(mint(at_s=NOW_S - DAY_S)) == event.EXPIRED
    assert reason(mint(at_s=NOW_S + DAY_S)) == event.NOT_YET_VALID
    assert reason("12") == event.MALFORMED
    assert reason(mint(), None) == event.TIME_UNKNOWN
    granted = decide(checker.check(mint(), NOW_S), None)
    assert granted.is_granted and granted.details()[event.SLOT] == 7
    assert event.SLOT not in decide(checker.check("3407000000", NOW_S), None).details()


def test_an_id_is_of_one_code_of_one_door():
    # As in docs/protocol.md, section 2.
    assert (
        keycode.code_id("maple-12/front", 4, 7, 20717)
        == sha256(b"lobbylock code 1 maple-12/front 4 7 20717").digest()[:8]
    )
    ids = set()
    for door in ("maple-12/front", "maple-12/back", "maple-1/front"):
        for code_class, slot, window in ((4, 7, 20717), (4, 72, 717), (47, 2, 717), (4, 7, 20718), (9, 7, 20717)):
            ids.add(keycode.code_id(door, code_class, slot, window))
    assert len(ids) == 15
    # The list's ids are as long.
    assert {len(one) for one in ids} == {bulletin.ID_BYTES}
