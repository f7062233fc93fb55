# runs on: micropython cpython
from firmware.core.clock import KEPT, REFUSED, SET, Clock
from firmware.core.uptime import Uptime

NOW_S = 1_789_992_000


def test_unknown_until_told():
    clock = Clock(0)
    assert clock.now_s(5000) is None
    assert clock.tell(NOW_S, 1, 5000) == (SET, 0)
    assert clock.now_s(8500) == NOW_S + 3


def test_first_answer_below_the_floor_is_refused():
    clock = Clock(NOW_S)
    outcome, step_s = clock.tell(NOW_S - 86_400, 1, 0)
    assert (outcome, step_s) == (REFUSED, -86_400)
    assert clock.now_s(0) is None


def test_first_answer_a_little_below_the_floor_starts_at_the_floor():
    clock = Clock(NOW_S)
    assert clock.tell(NOW_S - 3, 1, 0)[0] == SET
    assert clock.now_s(0) == NOW_S


def test_known_time_never_goes_back():
    clock = Clock(0)
    clock.tell(NOW_S, 1, 0)
    assert clock.tell(NOW_S - 3600, 1, 10_000) == (REFUSED, -3610)
    assert clock.now_s(10_000) == NOW_S + 10
    assert clock.tell(NOW_S + 8, 1, 10_000) == (KEPT, -2)
    assert clock.now_s(10_000) == NOW_S + 10
    last = 0
    for uptime_ms in range(10_000, 60_000, 700):
        clock.tell(NOW_S + uptime_ms // 1000 - 4, 1, uptime_ms)
        now_s = clock.now_s(uptime_ms)
        assert now_s >= last
        last = now_s


def test_forward_is_taken_and_raises_the_floor():
    clock = Clock(0)
    clock.tell(NOW_S, 1, 0)
    assert clock.tell(NOW_S + 500, 1, 0) == (SET, 500)
    assert clock.floor_s == NOW_S + 500
    assert clock.now_s(60_000) == NOW_S + 560 and clock.floor_s == NOW_S + 560


def test_drift_makes_it_unknown_again():
    clock = Clock(0)
    clock.tell(NOW_S, 1, 0)
    year_ms = 365 * 86_400_000
    assert clock.uncertainty_s(7 * 86_400_000) == 13
    assert clock.now_s(300 * 86_400_000) is not None
    assert clock.now_s(year_ms) is None
    # What it knew last still bounds what it is told next.
    assert clock.tell(NOW_S, 1, year_ms)[0] == REFUSED
    assert clock.tell(NOW_S + 366 * 86_400, 1, year_ms)[0] == SET


def test_uptime_counts_on_through_wraps():
    period = 1 << 30
    ticks = [period - 500]

    def diff(end, start):
        return ((end - start + period // 2) & (period - 1)) - period // 2

    uptime = Uptime(lambda: ticks[0], diff)
    assert uptime.now_ms() == 0
    total = 0
    for _ in range(10):
        ticks[0] = (ticks[0] + period // 3) & (period - 1)
        total += period // 3
        assert uptime.now_ms() == total


def test_a_credential_tells_that_it_is_at_least_so_late():
    clock = Clock(NOW_S)
    assert clock.witness(NOW_S + 86_400, 0) and clock.floor_s == NOW_S + 86_400
    assert clock.now_s(0) is None
    # An answer from before it was issued is now refused, and an earlier credential says nothing new.
    assert clock.tell(NOW_S + 3_600, 1, 0)[0] == REFUSED
    assert not clock.witness(NOW_S + 86_400, 0) and not clock.witness(NOW_S, 0)
    assert clock.tell(NOW_S + 86_401, 1, 0)[0] == SET


def test_a_known_time_is_not_moved_by_a_credential():
    clock = Clock(NOW_S)
    clock.tell(NOW_S, 1, 0)
    assert not clock.witness(NOW_S + 60, 0)
    assert clock.floor_s == clock.now_s(0) == NOW_S
    # A second later the right answer still is one.
    assert clock.tell(NOW_S + 1, 1, 1_000)[0] == KEPT


def test_a_credential_from_another_calendar_does_not_lock_the_clock():
    clock = Clock(NOW_S)
    assert not clock.witness(NOW_S + 2 * 365 * 86_400 + 1, 0) and clock.floor_s == NOW_S
    assert clock.witness(NOW_S + 2 * 365 * 86_400, 0)
    new = Clock(0)
    assert not new.witness(1, 0) and not new.witness(NOW_S, 0) and new.floor_s == 0


def test_an_answer_from_more_than_five_years_ahead_is_refused():
    five_years_s = 1_827 * 86_400
    clock = Clock(NOW_S)
    assert clock.tell(NOW_S + five_years_s + 1, 1, 0) == (REFUSED, five_years_s + 1)
    assert clock.now_s(0) is None and clock.floor_s == NOW_S
    assert clock.tell(NOW_S + 60, 1, 0)[0] == SET
    # Nor while the time is known, whatever the answer's own uncertainty.
    assert clock.tell(NOW_S + 10 * 365 * 86_400, 1 << 30, 0)[0] == REFUSED
    assert clock.now_s(0) == clock.floor_s == NOW_S + 60
    assert clock.tell(NOW_S + 60 + five_years_s, 1, 0) == (SET, five_years_s)


def test_a_lock_that_never_knew_a_time_takes_any():
    clock = Clock(0)
    assert clock.tell(NOW_S + 20 * 365 * 86_400, 1, 0)[0] == SET
