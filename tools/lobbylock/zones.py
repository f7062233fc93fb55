"""Time zones by name, as the TZ strings that locks go by: the footer of a TZif file, RFC 9636 section 3.3."""

import io
import re
from datetime import datetime, timezone
from importlib import resources
from zoneinfo import ZoneInfo

from firmware.core import tz_string
from lobbylock.errors import UserError

_NAME = re.compile(r"[A-Za-z0-9_+-]{1,32}(?:/[A-Za-z0-9_+-]{1,32}){0,2}")
_MAX_FILE_BYTES = 1 << 20
# Rules are held against the tables of so many years to come, every few days.
_LOOKED_AT_S = 10 * 366 * 86_400
_STEP_S = 5 * 86_400


def parse_zone(text: str, now_s: int) -> str:
    """Returns the TZ string of the zone called `text`, "America/New_York", or `text` itself if it is one.

    Raises UserError, also for a zone that will not keep to one rule from Unix time `now_s` on.
    """
    try:
        tz_string.parse(text)
    except ValueError:
        return _footer(text, now_s)
    return text


def _footer(name: str, now_s: int) -> str:
    """Returns what tzdata says about the times behind the last change that it lists."""
    path = resources.files("tzdata").joinpath("zoneinfo", *name.split("/"))
    # The pattern keeps out "..", of which the package's folder would not be the end.
    data = path.read_bytes()[:_MAX_FILE_BYTES] if _NAME.fullmatch(name) and path.is_file() else b""
    if data[:4] != b"TZif":
        raise UserError(f"{name[:80]!r} is neither a time zone, like America/New_York, nor a TZ string with its rules.")
    rule = data.rstrip(b"\n").rpartition(b"\n")[2].decode("ascii", "replace")
    try:
        zone = tz_string.parse(rule)
    except ValueError:
        raise UserError(f"The rules of {name} are none that a lock understands: {rule[:80]!r}.") from None
    table = ZoneInfo.from_file(io.BytesIO(data))
    for time_s in range(now_s, now_s + _LOOKED_AT_S, _STEP_S):
        offset = datetime.fromtimestamp(time_s, timezone.utc).astimezone(table).utcoffset()
        if offset is None or offset.total_seconds() != zone.offset_s(time_s):
            # Where clocks follow the moon there is a table for years ahead, and its footer is not the whole rule.
            raise UserError(f"The clocks of {name} change by no fixed rule; give a TZ string, here at best {rule}.")
    return rule
