"""POSIX time zone rules from their text.

The rules are a TZ string as in the footer of a TZif file, RFC 9636 section 3.3.1 (POSIX.1-2024, XBD 8.3):

    EST5EDT,M3.2.0,M11.1.0
    |  ||  |       '------- when daylight saving ends, in daylight saving time: first Sunday of November, 02:00
    |  ||  '--------------- when it starts, in standard time: second Sunday of March, 02:00
    |  |'------------------ daylight saving is one hour ahead, if no offset follows
    |  '------------------- hours WEST of UTC
    '---------------------- a name, of no further use

In the string Sunday is day 0. Needed once, at the start, so apart from what goes by the rules.
"""

from constant import const

from firmware.core.zone import JULIAN, MONTH, ZERO, Zone

_MAX_CHARACTERS = const(64)


def parse(text: str) -> Zone:
    """Returns the rules in `text`, up to 64 characters. Raises ValueError if it is no TZ string with its own rules."""
    if len(text) > _MAX_CHARACTERS:
        raise ValueError("zone")
    west_s, at = _time(text, _name(text, 0), 24)
    standard_s = daylight_s = -west_s
    if at == len(text):
        return Zone(standard_s, daylight_s)
    at = _name(text, at)
    daylight_s += 3_600
    if text[at : at + 1] != ",":
        west_s, at = _time(text, at, 24)
        daylight_s = -west_s
    starts, at = _rule(text, at)
    ends, at = _rule(text, at)
    if at != len(text):
        raise ValueError("zone")
    return Zone(standard_s, daylight_s, starts, ends)


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
    form = ZERO
    if text[at : at + 1] == "M":
        form = MONTH
        month, at = _number(text, at + 1, 1, 12)
        week, at = _number(text, _dot(text, at), 1, 5)
        day, at = _number(text, _dot(text, at), 0, 6)
    elif text[at : at + 1] == "J":
        form = JULIAN
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
