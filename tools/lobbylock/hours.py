"""Weekly hours as people write them: "Mon-Fri 08:00-18:00". Past midnight they count to the day they start."""

import re

from lobbylock.errors import UserError

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_EVERY_DAY = (1 << len(_DAYS)) - 1
_PATTERN = re.compile(r"([A-Za-z,-]{3,40}) ([0-9]{1,2}):([0-9]{2})-([0-9]{1,2}):([0-9]{2})")


def parse_hours(text: str) -> list[int]:
    """Returns [days, start minute, end minute] as docs/protocol.md section 8 has them. Raises UserError.

    >>> parse_hours("Mon-Wed,Sun 22:00-06:00")
    [71, 1320, 360]
    """
    found = _PATTERN.fullmatch(" ".join(text.split()))
    if found:
        days = _parse_days(found[1])
        start, end = (int(found[at]) * 60 + int(found[at + 1]) for at in (2, 4))
        # Midnight is 00:00 where it begins and 24:00 where it ends.
        end = end or 1440
        if days and int(found[3]) < 60 and int(found[5]) < 60 and start < 1440 and end <= 1440:
            return [days, start, end]
    raise UserError(f"{text[:80]!r} are no weekly hours: write Mon-Fri 08:00-18:00, Sat,Sun 22:00-06:00 or daily.")


def _parse_days(text: str) -> int:
    """Returns the bits of "Mon-Fri", "Sat,Sun" or "daily", 0 if it is none of them."""
    if text.lower() == "daily":
        return _EVERY_DAY
    bits = 0
    for part in text.title().split(","):
        first, dash, last = part.partition("-")
        if first not in _DAYS or (dash and last not in _DAYS):
            return 0
        at, end = _DAYS.index(first), _DAYS.index(last or first)
        # Sat-Mon goes over the end of the week.
        while True:
            bits |= 1 << at
            if at == end:
                break
            at = (at + 1) % len(_DAYS)
    return bits


def format_hours(days: int, start: int, end: int) -> str:
    """Returns what `parse_hours` reads.

    >>> format_hours(71, 1320, 360)
    'Mon-Wed,Sun 22:00-06:00'
    """
    return f"{_format_days(days)} {start // 60:02d}:{start % 60:02d}-{end // 60:02d}:{end % 60:02d}"


def _format_days(days: int) -> str:
    if days == _EVERY_DAY:
        return "daily"
    parts = []
    at = 0
    while at < len(_DAYS):
        end = at
        while days >> end & 1:
            end += 1
        if end > at:
            count = end - at
            parts.append(f"{_DAYS[at]}-{_DAYS[end - 1]}" if count > 2 else ",".join(_DAYS[at:end]))
        at = end + 1
    return ",".join(parts)
