import fake_flash

from firmware.store import ledger, starts


class Kept:
    """Like the ledger, in memory."""

    def __init__(self):
        self.values = {}

    def get(self, number):
        return self.values.get(number)

    def put(self, number, value):
        self.values[number] = value


def modes(kept, count, is_power_on=False, name="uplink"):
    """Returns what that many starts that fail are told: (is held, is safe, failed before)."""
    told = []
    for _ in range(count):
        told.append(starts.begin(kept, is_power_on)[:3])
        starts.fail(kept, name)
    return told


def test_three_failed_starts_make_it_safe_and_three_more_hold_it():
    told = modes(Kept(), 9)
    assert told == [
        (False, False, 0),
        (False, False, 1),
        (False, False, 2),
        (False, True, 3),
        (False, True, 4),
        (False, True, 5),
        (True, True, 6),
        (True, True, 6),
        (True, True, 6),
    ]


def test_a_good_start_forgets_all_of_them():
    kept = Kept()
    modes(kept, 2)
    starts.begin(kept, False)
    starts.settle(kept)
    assert starts.begin(kept, False) == (False, False, 0, "")
    # One that fails long after it was good is no failed start.
    starts.settle(kept)
    starts.fail(kept, "camera")
    assert starts.begin(kept, False) == (False, False, 0, "")


def test_the_name_is_that_of_the_last_failure():
    kept = Kept()
    modes(kept, 2, name="reader")
    modes(kept, 1, name="camera")
    assert starts.begin(kept, False) == (False, True, 3, "camera")


def test_a_good_start_in_the_safe_mode_stays_there_until_it_is_over():
    kept = Kept()
    modes(kept, 4)
    for _ in range(3):
        assert starts.begin(kept, False)[:2] == (False, True)
        starts.settle(kept)
    starts.relent(kept)
    assert starts.begin(kept, False) == (False, False, 2, "uplink")
    assert starts.begin(kept, False)[:3] == (False, True, 3)


def test_a_lock_that_was_held_is_tried_in_the_safe_mode_again():
    kept = Kept()
    modes(kept, 7)
    starts.relent(kept)
    assert modes(kept, 2) == [(False, True, 5), (True, True, 6)]


def test_power_cuts_say_little_but_very_many_say_something():
    kept = Kept()
    told = [starts.begin(kept, True)[1] for _ in range(260)]
    assert told == [False] * 250 + [True] * 10
    starts.settle(kept)
    assert starts.begin(kept, True)[1]
    starts.relent(kept)
    assert not starts.begin(kept, True)[1]


def test_it_is_in_flash_before_anything_else_happens():
    flash = fake_flash.FakeFlash(4)
    for failed in (0, 1, 2, 3):
        assert starts.begin(ledger.Ledger(flash), False)[2] == failed
