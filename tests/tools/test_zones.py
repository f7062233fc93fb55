"""core.zone, by the rules that tzdata has for a name, against the standard library's zoneinfo."""

import io
from datetime import datetime, timezone
from importlib import resources
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.core import tz_string
from lobbylock.errors import UserError
from lobbylock.zones import parse_zone

NOW_S = int(datetime(2027, 1, 1, tzinfo=timezone.utc).timestamp())
# All kinds of rules: none, north, south, half hours, quarters, over midnight, negative saving, odd weekdays.
ZONES = (
    "America/New_York",
    "America/Los_Angeles",
    "America/St_Johns",
    "America/Sao_Paulo",
    "America/Santiago",
    "America/Nuuk",
    "America/Phoenix",
    "Europe/Berlin",
    "Europe/London",
    "Europe/Dublin",
    "Europe/Chisinau",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Jerusalem",
    "Asia/Beirut",
    "Asia/Tokyo",
    "Africa/Cairo",
    "Australia/Sydney",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "Pacific/Chatham",
    "Pacific/Easter",
    "UTC",
)


def read_zone(name: str) -> ZoneInfo:
    """Returns the zone of the pinned tzdata, whatever the system has."""
    return ZoneInfo.from_file(io.BytesIO(resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()))


def offset_s(zone: ZoneInfo, time_s: int) -> int:
    offset = datetime.fromtimestamp(time_s, timezone.utc).astimezone(zone).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


@pytest.mark.parametrize("name", ZONES)
def test_hour_by_hour(name):
    ours, theirs = tz_string.parse(parse_zone(name, NOW_S)), read_zone(name)
    # 2027 has 365 days, 2028 one more, and 2040 lies behind every table.
    for first, last in ((2027, 2029), (2040, 2041)):
        start_s, end_s = (int(datetime(year, 1, 1, tzinfo=timezone.utc).timestamp()) for year in (first, last))
        for time_s in range(start_s, end_s, 3_600):
            assert ours.offset_s(time_s) == offset_s(theirs, time_s), datetime.fromtimestamp(time_s, timezone.utc)


@pytest.mark.parametrize("name", ["America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Nuuk"])
def test_weekly_hours_are_those_of_a_calendar(name):
    ours, theirs = tz_string.parse(parse_zone(name, NOW_S)), read_zone(name)
    office = [(0b0011111, 8 * 60, 18 * 60)]
    start_s = int(datetime(2027, 3, 1, tzinfo=timezone.utc).timestamp())
    for time_s in range(start_s, start_s + 250 * 86_400, 1_800):
        local = datetime.fromtimestamp(time_s, timezone.utc).astimezone(theirs)
        assert ours.is_within(office, time_s) == (local.weekday() < 5 and 8 <= local.hour < 18), local


@given(
    st.sampled_from(ZONES), st.integers(int(datetime(2027, 1, 1).timestamp()), int(datetime(2100, 1, 1).timestamp()))
)
def test_any_second(name, time_s):
    assert tz_string.parse(parse_zone(name, NOW_S)).offset_s(time_s) == offset_s(read_zone(name), time_s)


def test_tz_strings_stay_as_they_are():
    for text in ("EST5EDT,M3.2.0,M11.1.0", "<+0330>-3:30", "UTC0"):
        assert parse_zone(text, NOW_S) == text
    assert parse_zone("America/New_York", NOW_S) == "EST5EDT,M3.2.0,M11.1.0"
    assert parse_zone("Asia/Tehran", NOW_S) == "<+0330>-3:30"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Nowhere/City",
        "America",
        "../../../etc/passwd",
        "/etc/passwd",
        "America/../UTC",
        "tzdata.zi",
        "a" * 300,
        "\0",
    ],
)
def test_what_is_no_zone(text):
    with pytest.raises(UserError):
        parse_zone(text, NOW_S)


def test_clocks_that_follow_the_moon_are_refused():
    with pytest.raises(UserError, match="no fixed rule"):
        parse_zone("Asia/Gaza", NOW_S)
