"""Times and durations as people write them."""

import re
from datetime import datetime, timezone

from lobbylock.errors import UserError

_UNIT_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(?:[0-9]{1,6}[smhdw]){1,5}")
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})")
# The lock's window numbers have 32 bits, and calendars end in 9999.
_MAX_S = 1 << 36


def parse_duration(text: str) -> int:
    """Returns the seconds that "90m", "4h", "1d" or "1d12h" mean; more than none. Raises UserError."""
    if not _DURATION.fullmatch(text):
        raise UserError(f"{text[:40]!r} is not a duration: write 90m, 4h, 1d or 1d12h.")
    total_s = sum(int(count) * _UNIT_S[unit] for count, unit in re.findall(r"([0-9]+)([smhdw])", text))
    if not 0 < total_s < _MAX_S:
        raise UserError(f"{text[:40]!r} is not a duration between one second and a lifetime.")
    return total_s


def parse_time(text: str, now_s: int) -> int:
    """Returns the Unix time that `text` means at `now_s`.

    Takes "now", "+2h", "-1d", "14:30" (today), and ISO 8601 dates and times; those without a zone are local.
    Raises UserError, also for times before 1970.
    """
    text = text.strip()
    if text == "now":
        return now_s
    if text[:1] in ("+", "-"):
        distance_s = parse_duration(text[1:])
        time_s = now_s + distance_s if text[0] == "+" else now_s - distance_s
    else:
        time_s = _parse_calendar(text, now_s)
    if not 0 <= time_s < _MAX_S:
        raise UserError(f"{text[:40]!r} is not between 1970 and a lifetime from now.")
    return time_s


def parse_until(from_s: int, until: str | None, duration: str | None, now_s: int, usual_s: int) -> int:
    """Returns the end of a time that begins at `from_s`: a time, a duration, or `usual_s` later without either.

    Raises UserError, also if both are given.
    """
    if until and duration:
        raise UserError("Give --until or --for, not both.")
    return parse_time(until, now_s) if until else from_s + (parse_duration(duration) if duration else usual_s)


def _parse_calendar(text: str, now_s: int) -> int:
    clock = _CLOCK.fullmatch(text)
    try:
        if clock:
            today = datetime.fromtimestamp(now_s)
            moment = today.replace(hour=int(clock.group(1)), minute=int(clock.group(2)), second=0, microsecond=0)
        else:
            # Python 3.10 does not read the Z.
            moment = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text))
        return int(moment.timestamp())
    except (ValueError, OverflowError, OSError):
        raise UserError(
            f"{text[:40]!r} is not a time: write now, +2h, -1d, 14:30 or 2026-09-21T14:30, with or without a zone."
        ) from None


def format_utc(time_s: int) -> str:
    """Returns "2026-09-21T12:00:00Z", or the bare number if no calendar reaches it."""
    try:
        return datetime.fromtimestamp(time_s, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return str(time_s)


def format_local(time_s: int) -> str:
    """Returns "2026-09-21 14:00:00 CEST" in the machine's zone, or the bare number if no calendar reaches it."""
    try:
        return datetime.fromtimestamp(time_s, timezone.utc).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
    except (ValueError, OverflowError, OSError):
        return str(time_s)


def local_day(text: str) -> tuple[int, int]:
    """Returns (first second, first second behind) of the local day "2026-09-21". Raises UserError."""
    try:
        day = datetime.strptime(text, "%Y-%m-%d")
        # A day may have 23 or 25 hours, so its end is the next midnight and not 86,400 s later.
        following = datetime.fromordinal(day.toordinal() + 1)
        return int(day.timestamp()), int(following.timestamp())
    except (ValueError, OverflowError, OSError):
        raise UserError(f"{text[:40]!r} is not a day: write 2026-09-21.") from None


def parse_day_start(text: str) -> int:
    """Returns the seconds from midnight that "HH:MM" or a number of seconds means. Raises UserError."""
    clock = _CLOCK.fullmatch(text)
    if clock and int(clock.group(1)) < 24 and int(clock.group(2)) < 60:
        return int(clock.group(1)) * 3_600 + int(clock.group(2)) * 60
    if re.fullmatch(r"[0-9]{1,5}", text):
        return int(text)
    raise UserError(f"{text[:40]!r} is not a time of day: write HH:MM or seconds from 0 to 86399.")
