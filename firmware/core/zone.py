"""A building's local time: POSIX time zone rules, and weekly hours held against them.

The rules are a TZ string as in the footer of a TZif file, RFC 9636 section 3.3.1 (POSIX.1-2024, XBD 8.3):

    EST5EDT,M3.2.0,M11.1.0
    |  ||  |       '------- when daylight saving ends, in daylight saving time: first Sunday of November, 02:00
    |  ||  '--------------- when it starts, in standard time: second Sunday of March, 02:00
    |  |'------------------ daylight saving is one hour ahead, if no offset follows
    |  '------------------- hours WEST of UTC
    '---------------------- a name, of no further use

Days are Monday = 0 to Sunday = 6 here; in the string Sunday is 0. The same rules hold for every year.
"""

from constant import const

_MAX_CHARACTERS = const(64)
_DAY_S = const(86_400)

# Forms of a rule's day.
_MONTH = const(0)  # Mm.w.d: day d of week w of month m, week 5 being the last
_JULIAN = const(1)  # Jn: day 1 to 365, 29 February never counted
_ZERO = const(2)  # n: day 0 to 365, 29 February counted


class Zone:
    """The rules in `text`. Raises ValueError if it is not a TZ string of at most 64 characters with its own rules."""

    def __init__(self, text: str) -> None:
        if len(text) > _MAX_CHARACTERS:
            raise ValueError("zone")
        west_s, at = _time(text, _name(text, 0), 24)
        self._standard_s = self._daylight_s = -west_s
        self._starts = None
        if at < len(text):
            at = _name(text, at)
            self._daylight_s += 3_600
            if text[at : at + 1] != ",":
                west_s, at = _time(text, at, 24)
                self._daylight_s = -west_s
            self._starts, at = _rule(text, at)
            self._ends, at = _rule(text, at)
            if at != len(text):
                raise ValueError("zone")

    def offset_s(self, time_s: int) -> int:
        """Returns how far local time is ahead of UTC at Unix time `time_s`."""
        if self._starts is None:
            return self._standard_s
        # The last change before `time_s` tells. A rule's time may lie days outside its year (-167 to 167 hours), and
        # `year` may be off by one around New Year, so the years around count as well.
        year = 1970 + time_s // _DAY_S * 400 // 146_097
        last_s, offset_s = None, 0
        for each in (year - 1, year, year + 1):
            # The end first: where an end and the next start are one moment, daylight saving goes on all year.
            for rule, before_s, after_s in (
                (self._ends, self._daylight_s, self._standard_s),
                (self._starts, self._standard_s, self._daylight_s),
            ):
                change_s = _day(rule, each) * _DAY_S + rule[4] - before_s
                if change_s <= time_s and (last_s is None or change_s >= last_s):
                    last_s, offset_s = change_s, after_s
        return offset_s

    def is_within(self, hours, time_s: int) -> bool:
        """Whether local time at `time_s` falls into one of `hours`, triples as `core.credential` reads them."""
        local_s = time_s + self.offset_s(time_s)
        minute = local_s % _DAY_S // 60
        # 1 January 1970 was a Thursday.
        today = 1 << (local_s // _DAY_S + 3) % 7
        yesterday = 1 << (local_s // _DAY_S + 2) % 7
        for days, start, end in hours:
            if end > start:
                if days & today and start <= minute < end:
                    return True
            elif days & today and minute >= start or days & yesterday and minute < end:
                return True
        return False


def _new_year(year: int) -> int:
    """Returns the days from 1 January 1970 to 1 January of `year`."""
    year -= 1
    return 365 * year + year // 4 - year // 100 + year // 400 - 719_162


def _day(rule: tuple, year: int) -> int:
    """Returns the day of `rule` in `year`, in days since 1 January 1970."""
    form, month, week, day = rule[:4]
    first = _new_year(year)
    is_leap = _new_year(year + 1) - first == 366
    if form == _ZERO:
        return first + day
    if form == _JULIAN:
        return first + day - (1 if day < 60 or not is_leap else 0)
    following = first + _before(month + 1, is_leap)
    first += _before(month, is_leap)
    # 1 January 1970 was day 4 of the week.
    day = first + (day - first - 4) % 7 + 7 * (week - 1)
    return day if day < following else day - 7


def _before(month: int, is_leap: bool) -> int:
    """Returns the days before `month` (1 to 13) in its year."""
    return (367 * month - 362) // 12 - (0 if month < 3 else 1 if is_leap else 2)


def _name(text: str, at: int) -> int:
    """Returns the offset behind a name: three letters or more, or <> around letters, digits and signs."""
    start = at
    is_quoted = text[at : at + 1] == "<"
    if is_quoted:
        at += 1
    while True:
        one = text[at : at + 1]
        if not ("A" <= one <= "Z" or "a" <= one <= "z" or is_quoted and ("0" <= one <= "9" or one in ("+", "-"))):
            break
        at += 1
    if is_quoted:
        if one != ">":
            raise ValueError("zone")
        at += 1
    if at - start < (5 if is_quoted else 3):
        raise ValueError("zone")
    return at


def _number(text: str, at: int, low: int, high: int) -> tuple:
    """Returns (number of one to three digits, offset behind it)."""
    start = at
    while "0" <= text[at : at + 1] <= "9":
        at += 1
    if not 1 <= at - start <= 3 or not low <= int(text[start:at]) <= high:
        raise ValueError("zone")
    return int(text[start:at]), at


def _time(text: str, at: int, hours: int) -> tuple:
    """Returns (seconds of [+-]hh[:mm[:ss]], offset behind it)."""
    is_negative = text[at : at + 1] == "-"
    if is_negative or text[at : at + 1] == "+":
        at += 1
    seconds, at = _number(text, at, 0, hours)
    seconds *= 3_600
    unit_s = 60
    while unit_s and text[at : at + 1] == ":":
        part, at = _number(text, at + 1, 0, 59)
        seconds += part * unit_s
        unit_s //= 60
    return (-seconds if is_negative else seconds), at


def _rule(text: str, at: int) -> tuple:
    """Returns ((form, month, week, day, seconds), offset behind it) of a comma, a day and an optional /time."""
    if text[at : at + 1] != ",":
        raise ValueError("zone")
    at += 1
    month = week = 0
    form = _ZERO
    if text[at : at + 1] == "M":
        form = _MONTH
        month, at = _number(text, at + 1, 1, 12)
        week, at = _number(text, _dot(text, at), 1, 5)
        day, at = _number(text, _dot(text, at), 0, 6)
    elif text[at : at + 1] == "J":
        form = _JULIAN
        day, at = _number(text, at + 1, 1, 365)
    else:
        day, at = _number(text, at, 0, 365)
    seconds = 7_200
    if text[at : at + 1] == "/":
        seconds, at = _time(text, at + 1, 167)
    return (form, month, week, day, seconds), at


def _dot(text: str, at: int) -> int:
    if text[at : at + 1] != ".":
        raise ValueError("zone")
    return at + 1
