# runs on: micropython cpython
from firmware.core.tz_string import parse

NEW_YORK = "EST5EDT,M3.2.0,M11.1.0"
BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"
SYDNEY = "AEST-10AEDT,M10.1.0,M4.1.0/3"

# Monday 21 September 2026, 00:00:00 UTC.
MONDAY_S = 1_789_948_800
WORKDAYS = 0b0011111


def refused(text):
    try:
        parse(text)
    except ValueError:
        return True
    return False


def hops(text, start_s, end_s, step_s=900):
    """Returns [(first Unix time, offset behind it)] of the changes between two times."""
    zone = parse(text)
    last = zone.offset_s(start_s)
    found = []
    for time_s in range(start_s, end_s, step_s):
        offset_s = zone.offset_s(time_s)
        if offset_s != last:
            found.append((time_s, offset_s))
            last = offset_s
    return found


def test_fixed_offsets():
    for text, offset_s in (
        ("UTC0", 0),
        ("JST-9", 32_400),
        ("EST+5", -18_000),
        ("<+0330>-3:30", 12_600),
        ("<-03>3", -10_800),
        ("ABC-00:00:01", 1),
        ("ABC24:59:59", -89_999),
        ("<-12>+12", -43_200),
        ("Long-1:5", 3_900),
    ):
        assert parse(text).offset_s(MONDAY_S) == offset_s, text


def test_northern_summer_2026():
    # 8 March 07:00 UTC and 1 November 06:00 UTC; 29 March and 25 October 01:00 UTC.
    year = (1_767_225_600, 1_798_761_600)
    assert hops(NEW_YORK, *year) == [(1_772_953_200, -14_400), (1_793_512_800, -18_000)]
    assert hops(BERLIN, *year) == [(1_774_746_000, 7_200), (1_792_890_000, 3_600)]


def test_southern_summer_goes_over_new_year():
    # 5 April 2026 and 4 October 2026, 16:00 UTC of the day before.
    assert hops(SYDNEY, 1_767_225_600, 1_798_761_600) == [(1_775_318_400, 36_000), (1_791_043_200, 39_600)]
    assert parse(SYDNEY).offset_s(1_798_761_600) == 39_600


def test_the_very_second():
    zone = parse(NEW_YORK)
    assert [zone.offset_s(1_772_953_200 + at) for at in (-1, 0)] == [-18_000, -14_400]
    assert [zone.offset_s(1_793_512_800 + at) for at in (-1, 0)] == [-14_400, -18_000]


def test_days_of_the_year():
    # J60 is 1 March in every year, 59 (from 0) is 29 February in a leap year: 2028 is one, 2027 is not.
    for year_s, julian_s, zero_s in (
        (1_798_761_600, 1_803_859_200, 1_803_859_200),
        (1_830_297_600, 1_835_481_600, 1_835_395_200),
    ):
        assert hops("AAA0BBB,J60/0,J300/0", year_s, year_s + 100 * 86_400) == [(julian_s, 3_600)]
        assert hops("AAA0BBB,59/0,300/0", year_s, year_s + 100 * 86_400) == [(zero_s, 3_600)]
    # J59 stays 28 February in a leap year.
    assert hops("AAA0BBB,J59/0,J300/0", 1_830_297_600, 1_838_000_000) == [(1_835_308_800, 3_600)]


def test_times_outside_the_day():
    # Greenland before 2023 and Israel: the day before, and 26:00 of a Thursday, which is a Friday.
    assert hops("<-03>3<-02>,M3.5.0/-2,M10.5.0/-1", 1_767_225_600, 1_780_000_000) == [(1_774_746_000, -7_200)]
    assert hops("IST-2IDT,M3.4.4/26,M10.5.0", 1_767_225_600, 1_780_000_000) == [(1_774_569_600, 10_800)]
    # 167 hours before New Year of 2027, and 167 hours behind the end of 2026.
    assert hops("AAA0BBB,J1/-167,J100/0", MONDAY_S, 1_800_000_000) == [(1_798_160_400, 3_600)]
    assert hops("AAA0BBB,J100/0,J365/167", MONDAY_S, 1_800_000_000) == [(1_799_272_800, 0)]


def test_daylight_saving_all_year():
    # RFC 9636 section 3.3.1 and its section on permanent daylight saving, also with a negative saving.
    for text, offset_s in (("EST5EDT,0/0,J365/25", -14_400), ("XXX3EDT4,0/0,J365/23", -14_400)):
        assert hops(text, 1_767_225_600, 1_767_225_600 + 2 * 31_536_000, 3_600) == []
        assert parse(text).offset_s(MONDAY_S) == offset_s


def test_negative_saving():
    # Ireland: standard time is summer time, an hour back in winter.
    dublin = "IST-1GMT0,M10.5.0,M3.5.0/1"
    assert hops(dublin, 1_767_225_600, 1_798_761_600) == [(1_774_746_000, 3_600), (1_792_890_000, 0)]


def test_what_is_not_a_tz_string():
    for text in (
        "",
        "UTC",
        "U0",
        "UT0",
        "<+3>-3",
        "<+03-3",
        "+03>-3",
        "<+03>",
        "<>-3",
        "EST5EDT",
        "EST5EDT4",
        "EST5EDT,",
        "EST5EDT,M3.2.0",
        "EST5EDT,M3.2.0,",
        "EST5EDT,M3.2.0,M11.1.0,",
        "EST5EDT,M3.2.0,M11.1.0 ",
        " UTC0",
        "UTC0\n",
        "UTC25",
        "UTC0:60",
        "UTC0:1:60",
        "UTC0:1:1:1",
        "UTC--1",
        "UTC+-1",
        "UTC0000",
        "UTC1.5",
        "EST5EDT,M0.2.0,M11.1.0",
        "EST5EDT,M13.2.0,M11.1.0",
        "EST5EDT,M3.0.0,M11.1.0",
        "EST5EDT,M3.6.0,M11.1.0",
        "EST5EDT,M3.2.7,M11.1.0",
        "EST5EDT,M3.2,M11.1.0",
        "EST5EDT,M3.2.0/168,M11.1.0",
        "EST5EDT,M3.2.0/-168,M11.1.0",
        "EST5EDT,J0,J9",
        "EST5EDT,J366,J9",
        "EST5EDT,366,9",
        "EST5EDT,m3.2.0,M11.1.0",
        "\u212aST5",
        "UTC\u0660",
        "UTC\uff11",
        ":Europe/Berlin",
        "Europe/Berlin",
        "A" * 63 + "0" + "0",
    ):
        assert refused(text), text
    assert not refused("A" * 63 + "0")


def test_weekly_hours():
    zone = parse("UTC0")
    office = [(WORKDAYS, 8 * 60, 18 * 60)]
    for day in range(7):
        for minute, is_open in ((0, 0), (479, 0), (480, 1), (1079, 1), (1080, 0), (1439, 0)):
            time_s = MONDAY_S + day * 86_400 + minute * 60
            assert zone.is_within(office, time_s) == bool(is_open and day < 5), (day, minute)
            assert zone.is_within(office, time_s + 59) == bool(is_open and day < 5)
    assert not zone.is_within([], MONDAY_S)


def test_hours_past_midnight_belong_to_the_day_they_start():
    zone = parse("UTC0")
    # Sunday from 22:00, to Monday 06:00.
    night = [(0b1000000, 22 * 60, 6 * 60)]
    for day, minute, is_open in (
        (6, 1319, 0),
        (6, 1320, 1),
        (6, 1439, 1),
        (0, 0, 1),
        (0, 359, 1),
        (0, 360, 0),
        (6, 0, 0),
    ):
        assert zone.is_within(night, MONDAY_S + day * 86_400 + minute * 60) == bool(is_open), (day, minute)
    # The same start and end is a day and a night, 0 to 1440 a whole day.
    round_the_clock = [(1, 600, 600)]
    assert zone.is_within(round_the_clock, MONDAY_S + 600 * 60) and zone.is_within(round_the_clock, MONDAY_S + 86_400)
    assert not zone.is_within(round_the_clock, MONDAY_S + 599 * 60)
    assert not zone.is_within(round_the_clock, MONDAY_S + 86_400 + 600 * 60)
    for minute in (0, 1439):
        assert zone.is_within([(1, 0, 1440)], MONDAY_S + minute * 60)
    assert not zone.is_within([(1, 0, 1440)], MONDAY_S + 86_400)


def test_several_hours_and_local_time():
    hours = [(1, 480, 720), (1, 840, 1080)]
    zone = parse(NEW_YORK)
    # 08:00 in New York in September is 12:00 UTC.
    for utc_minute, is_open in ((719, 0), (720, 1), (959, 1), (960, 0), (1080, 1), (1320, 0)):
        assert zone.is_within(hours, MONDAY_S + utc_minute * 60) == bool(is_open), utc_minute
    # Monday 00:30 in Auckland is Sunday 12:30 UTC.
    auckland = parse("NZST-12NZDT,M9.5.0,M4.1.0/3")
    assert auckland.is_within([(1, 0, 60)], MONDAY_S - 86_400 + 12 * 3_600 + 1_800)
    assert not auckland.is_within([(1, 0, 60)], MONDAY_S + 1_800)
