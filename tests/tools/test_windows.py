"""Times as people write them, and the window that covers them."""

import os
import time
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.core import keycode
from lobbylock.errors import UserError
from lobbylock.moment import format_local, format_utc, local_day, parse_duration, parse_time
from lobbylock.window import choose_window

NOON_S = 1_789_992_000
HOUR_S = 3_600
DAY_S = 86_400


@pytest.fixture(autouse=True)
def berlin(monkeypatch):
    """A zone with summer time, two hours ahead of UTC on the day of the examples."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()
    assert os.environ.get("TZ") != "CET-1CEST,M3.5.0,M10.5.0/3"


@pytest.mark.parametrize(
    ("text", "expected_s"),
    [
        ("now", NOON_S),
        ("+2h", NOON_S + 2 * HOUR_S),
        ("-1d", NOON_S - DAY_S),
        ("+1d12h", NOON_S + DAY_S + 12 * HOUR_S),
        ("-90m", NOON_S - 5400),
        ("+1w", NOON_S + 7 * DAY_S),
        ("14:00", NOON_S),
        ("00:00", NOON_S - 14 * HOUR_S),
        ("2026-09-21T12:00:00Z", NOON_S),
        ("2026-09-21T12:00z", NOON_S),
        ("2026-09-21T14:00+02:00", NOON_S),
        ("2026-09-21T14:00", NOON_S),
        ("2026-09-21 14:00:30", NOON_S + 30),
        ("2026-09-21", NOON_S - 14 * HOUR_S),
        ("2026-12-24T12:00", int(datetime(2026, 12, 24, 11, tzinfo=timezone.utc).timestamp())),
        (" now ", NOON_S),
    ],
)
def test_times(text, expected_s):
    assert parse_time(text, NOON_S) == expected_s


@pytest.mark.parametrize(
    "text", ["", "+", "-", "+2", "2h", "+2y", "24:00", "12:60", "1:2", "2026-13-01", "0000", "١٢:٠٠"]
)
def test_times_that_are_none(text):
    with pytest.raises(UserError):
        parse_time(text, NOON_S)


@given(st.text(max_size=30))
def test_any_text_is_a_time_or_refused(text):
    try:
        assert 0 <= parse_time(text, NOON_S) < 1 << 36
    except UserError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1), ("90m", 5400), ("4h", 4 * HOUR_S), ("1d12h", 36 * HOUR_S), ("28d", 28 * DAY_S)]
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0h", "4", "h", "-1h", "4 h", "1.5h", "9999999w", "999999w999999w"])
def test_durations_that_are_none(text):
    with pytest.raises(UserError):
        parse_duration(text)


def test_formats():
    assert format_utc(NOON_S) == "2026-09-21T12:00:00Z"
    assert format_local(NOON_S) == "2026-09-21 14:00:00 CEST"
    assert format_utc(1 << 62) == format_local(1 << 62) == str(1 << 62)


def test_days_of_another_length():
    assert [end - start for start, end in map(local_day, ("2026-03-29", "2026-10-25", "2026-09-21"))] == [
        23 * HOUR_S,
        25 * HOUR_S,
        24 * HOUR_S,
    ]
    for text in ("2026-02-30", "today", ""):
        with pytest.raises(UserError):
            local_day(text)


@pytest.mark.parametrize(
    ("from_s", "for_s", "code_class"),
    [
        (NOON_S, HOUR_S, 0),
        (NOON_S + 60, HOUR_S, 1),
        (NOON_S, 2 * HOUR_S, 1),
        (NOON_S + 60, 2 * HOUR_S, 2),
        (NOON_S, 4 * HOUR_S, 2),
        (NOON_S, 4 * HOUR_S + 1, 4),
        (NOON_S + 4 * HOUR_S, 8 * HOUR_S, 3),
        (NOON_S - 12 * HOUR_S, DAY_S, 4),
        (NOON_S, DAY_S, 5),
        (NOON_S - 20 * DAY_S, 7 * DAY_S, 6),
    ],
)
def test_shortest_window_that_covers(from_s, for_s, code_class):
    window = choose_window(from_s, for_s, 0)
    assert window.code_class == code_class
    assert window.from_s <= from_s and from_s + for_s <= window.until_s


def test_day_start_moves_windows():
    assert choose_window(NOON_S, DAY_S, 12 * HOUR_S).code_class == 4


def test_no_window_covers():
    with pytest.raises(UserError) as caught:
        choose_window(NOON_S, 28 * DAY_S, 0)
    for code_class in (0, 1, 2, 3, 4, 5, 6):
        assert f"class {code_class}: " in str(caught.value)


def test_class_that_is_asked_for():
    window = choose_window(NOON_S + 60, None, 0, code_class=0)
    assert (window.from_s, window.until_s) == (NOON_S, NOON_S + HOUR_S)
    assert choose_window(NOON_S, None, 0, is_single_use=True).code_class == keycode.SINGLE_USE
    for arguments in [(NOON_S, 2 * HOUR_S, 0, 0), (NOON_S, None, 0, 8), (NOON_S, None, 0, 4, True)]:
        with pytest.raises(UserError):
            choose_window(*arguments)


@given(st.integers(0, 1 << 34), st.integers(1, 29 * DAY_S), st.integers(0, DAY_S - 1))
def test_window_always_covers(from_s, for_s, day_start_s):
    try:
        window = choose_window(from_s, for_s, day_start_s)
    except UserError:
        return
    assert window.from_s <= from_s and from_s + for_s <= window.until_s
    assert keycode.window_at(window.code_class, from_s, day_start_s) == window.number
    shorter = [each for each, length_s in keycode.WINDOW_S.items() if length_s < window.until_s - window.from_s]
    for code_class in shorter:
        number = keycode.window_at(code_class, from_s, day_start_s)
        assert keycode.window_bounds(code_class, number, day_start_s)[1] < from_s + for_s or number < 0
