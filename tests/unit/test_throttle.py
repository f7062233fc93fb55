# runs on: micropython cpython
from firmware.core.throttle import Throttle


class Kept:
    def __init__(self):
        self.state = (0, 0, False)
        self.writes = 0

    def save(self, state):
        self.state = state
        self.writes += 1

    def throttle(self, now_ms=0):
        return Throttle(self.state, self.save, now_ms)


def guess(throttle, now_ms):
    throttle.charge()
    return throttle.settle(now_ms)


def test_fifth_wrong_entry_locks_for_a_minute():
    throttle = Kept().throttle()
    assert [guess(throttle, 1000) for _ in range(5)] == [False, False, False, False, True]
    assert throttle.is_locked and throttle.remaining_ms(1000) == 60_000
    assert not throttle.tick(60_999)
    assert throttle.tick(61_000) and not throttle.is_locked


def test_lockouts_double_up_to_an_hour():
    throttle = Kept().throttle()
    now_ms = 0
    seen = []
    for _ in range(9):
        for _ in range(5):
            guess(throttle, now_ms)
        seen.append(throttle.remaining_ms(now_ms) // 1000)
        now_ms += throttle.remaining_ms(now_ms)
        assert throttle.tick(now_ms)
    assert seen == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


def test_grant_sets_everything_back():
    throttle = Kept().throttle()
    for _ in range(5):
        guess(throttle, 0)
    throttle.tick(60_000)
    throttle.charge()
    throttle.clear()
    for _ in range(5):
        guess(throttle, 70_000)
    assert throttle.remaining_ms(70_000) == 60_000


def test_refund_leaves_the_count_as_it_was():
    throttle = Kept().throttle()
    for _ in range(4):
        guess(throttle, 0)
    for _ in range(20):
        throttle.charge()
        throttle.refund()
    assert not throttle.is_locked
    assert guess(throttle, 0) and throttle.is_locked


def test_guess_is_kept_before_the_verdict():
    kept = Kept()
    throttle = kept.throttle()
    throttle.charge()
    assert kept.state == (1, 0, False)


def test_power_cuts_gain_nothing():
    kept = Kept()
    tries = 0
    now_ms = 0
    # The power goes after every charge, before the verdict.
    while not kept.throttle(now_ms).is_locked:
        kept.throttle(now_ms).charge()
        tries += 1
        assert tries <= 5
    assert tries == 5
    throttle = kept.throttle(now_ms)
    assert throttle.remaining_ms(now_ms) == 60_000
    # And again in the middle of the lock-out: it starts over.
    again = kept.throttle(0)
    assert again.is_locked and again.remaining_ms(0) == 60_000
    assert again.tick(60_000) and kept.state == (0, 1, False)


def test_failing_save_keeps_the_old_state():
    class Broken(Exception):
        pass

    def save(state):
        raise Broken()

    throttle = Throttle((4, 0, False), save, 0)
    try:
        throttle.charge()
        raise AssertionError("saved")
    except Broken:
        pass
    assert not throttle.settle(0)
