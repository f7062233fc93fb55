"""Days, months and times as people at a building write them, in the zone that its locks go by."""

import re
from datetime import datetime, timedelta, timezone

from firmware.core import tz_string
from lobbylock.errors import UserError

_DAY_S = 86_400
_MONTH = re.compile(r"([0-9]{4})-([0-9]{2})")
_DAY = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_MINUTE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2})(?::([0-9]{2}))?")


def parse_local(zone: str, text: str) -> int:
    """Returns the Unix time of "2026-11-22T14:30" in a zone (TZ string). Raises UserError.

    Of a time that a change of clocks repeats it is the earlier one; one that it leaves out counts as it would have
    without the change.
    """
    match = _MINUTE.fullmatch(text)
    if match is None:
        raise UserError(f"{text[:40]!r} is not a time: write 2026-11-22T14:30.")
    return _unix(zone, *(int(part or 0) for part in match.groups()))


def day_bounds(zone: str, text: str) -> tuple[int, int]:
    """Returns (first second, first second behind) of the day "2026-11-22". Raises UserError."""
    match = _DAY.fullmatch(text)
    if match is None:
        raise UserError(f"{text[:40]!r} is not a day: write 2026-11-22.")
    start_s = _unix(zone, *map(int, match.groups()))
    following = _day_after(*map(int, match.groups()))
    # A day may have 23 or 25 hours.
    return start_s, _unix(zone, following.year, following.month, following.day)


def month_bounds(zone: str, text: str) -> tuple[int, int]:
    """Returns (first second, first second behind) of the month "2026-11". Raises UserError."""
    match = _MONTH.fullmatch(text)
    if match is None:
        raise UserError(f"{text[:40]!r} is not a month: write 2026-11.")
    year, month = map(int, match.groups())
    start_s = _unix(zone, year, month, 1)
    return start_s, _unix(zone, year + month // 12, month % 12 + 1, 1)


def month_of(zone: str, time_s: int) -> str:
    """Returns the month that Unix time `time_s` falls into, as "2026-11". Raises UserError beyond any calendar."""
    try:
        shown = datetime.fromtimestamp(time_s + _offset_s(zone, time_s), timezone.utc)
    except (ValueError, OverflowError, OSError):
        raise UserError("No calendar reaches that time.") from None
    return shown.strftime("%Y-%m")


def format_in_zone(time_s: int, zone: str) -> str:
    """Returns "2026-11-22 14:30:00 UTC-05:00", or the bare number if no calendar reaches it."""
    offset_s = _offset_s(zone, time_s)
    try:
        text = datetime.fromtimestamp(time_s + offset_s, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return str(time_s)
    minutes = abs(offset_s) // 60
    return f"{text} UTC{'-' if offset_s < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"


def _unix(zone: str, year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> int:
    try:
        naive_s = int(datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc).timestamp())
    except (ValueError, OverflowError):
        raise UserError("There is no such day in the calendar.") from None
    # The offset is that of the moment looked for: one on either side of a change is right.
    candidates = {naive_s - _offset_s(zone, naive_s - _DAY_S), naive_s - _offset_s(zone, naive_s + _DAY_S)}
    right = [found for found in candidates if found + _offset_s(zone, found) == naive_s]
    return min(right) if right else naive_s - _offset_s(zone, naive_s - _DAY_S)


def _day_after(year: int, month: int, day: int) -> datetime:
    try:
        return datetime(year, month, day) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise UserError("There is no such day in the calendar.") from None


def _offset_s(zone: str, time_s: int) -> int:
    try:
        return tz_string.parse(zone).offset_s(time_s)
    except ValueError:
        return 0
