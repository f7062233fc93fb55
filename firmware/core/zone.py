"""A building's local time, and weekly hours held against it. `core.tz_string` reads the rules.

Days are Monday = 0 to Sunday = 6 here. The same rules hold for every year.
"""

from constant import const

_DAY_S = const(86_400)

# Forms of a rule's day. A rule is (form, month, week, day, seconds of local time).
MONTH = 0  # Mm.w.d: day d of week w of month m, week 5 being the last
JULIAN = 1  # Jn: day 1 to 365, 29 February never counted
ZERO = 2  # n: day 0 to 365, 29 February counted


class Zone:
    """Standard time and daylight saving time as seconds ahead of UTC, and the rules that change to and fro, if any."""

    def __init__(self, standard_s: int, daylight_s: int, starts: tuple = (), ends: tuple = ()) -> None:
        self._standard_s = standard_s
        self._daylight_s = daylight_s
        self._starts = starts
        self._ends = ends

    def offset_s(self, time_s: int) -> int:
        """Returns how far local time is ahead of UTC at Unix time `time_s`."""
        if not self._starts:
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
    if form == ZERO:
        return first + day
    if form == JULIAN:
        return first + day - (1 if day < 60 or not is_leap else 0)
    following = first + _before(month + 1, is_leap)
    first += _before(month, is_leap)
    # 1 January 1970 was day 4 of the week.
    day = first + (day - first - 4) % 7 + 7 * (week - 1)
    return day if day < following else day - 7


def _before(month: int, is_leap: bool) -> int:
    """Returns the days before `month` (1 to 13) in its year."""
    return (367 * month - 362) // 12 - (0 if month < 3 else 1 if is_leap else 2)
