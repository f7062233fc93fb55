"""Pages out of templates: every value is escaped, wherever it comes from, and times are those of the building."""

import functools
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from firmware.core import tz_string
from lobbylock.door import Door
from lobbylock.eventline import printable
from lobbylock.page.access import Viewer
from lobbylock.page.context import Context, Notice, context_of

_TEMPLATES = Path(__file__).with_name("templates")
_UNIT_S = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
# Who is led to a page.
_ALL, _MANAGERS, _OF_ALL_BUILDINGS = range(3)
# (text, address, for whom)
NAVIGATION = (
    ("Deliveries", "/", _ALL),
    ("Pictures", "/pictures", _ALL),
    ("Doors", "/doors", _MANAGERS),
    ("Alarms", "/alarms", _MANAGERS),
    ("Grants", "/grants", _MANAGERS),
    ("Exports", "/exports", _MANAGERS),
    ("Accounts", "/accounts", _OF_ALL_BUILDINGS),
)


def render(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Returns the page that `template` makes of `values`, beside what is in all of them."""
    context = context_of(request)
    viewer: Viewer | None = getattr(request.state, "viewer", None)
    values.setdefault("viewer", viewer)
    given = {
        "csrf_token": viewer.csrf if viewer else "",
        "context": context,
        "path": request.url.path,
        "navigation": _navigation(context, viewer),
        "notices": functools.partial(notices, context, viewer),
        "now_s": int(context.now_s()),
    }
    return HTMLResponse(environment().get_template(template).render(**{**given, **values}), status)


def notices(context: Context, viewer: Viewer | None) -> list[Notice]:
    """Returns what stands at the top of every page, the worst first."""
    if viewer is None:
        return []
    found = [notice for give in context.notices for notice in give(viewer)]
    return sorted(found, key=lambda notice: ("broken", "alarm", "warning").index(notice.level))


@functools.cache
def environment() -> jinja2.Environment:
    """Returns the templates' environment."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        local=local, local_time=local_time, ago=ago, duration=duration, printable=_printable, moment=moment, pair=_pair
    )
    return made


def local(time_s: int | None, door: Door | None = None) -> str:
    """Returns "2026-09-21 14:00:07" in the zone of a door's building, with the zone's name behind it."""
    return _format(time_s, door, "%Y-%m-%d %H:%M:%S", has_zone=True)


def local_time(time_s: int | None, door: Door | None = None) -> str:
    """Returns "14:00" in the zone of a door's building."""
    return _format(time_s, door, "%H:%M", has_zone=False)


def moment(time_s: int | None, door: Door | None = None, received_s: int | None = None) -> Markup:
    """Returns a <time> element with the local time; of what has no time, when it was received."""
    if time_s is None and isinstance(received_s, int):
        return Markup('<span class="quiet">received {}, not proved</span>').format(moment(received_s, door))
    if time_s is None:
        return Markup('<span class="quiet">time not known</span>')
    text = local(time_s, door)
    try:
        machine = datetime.fromtimestamp(time_s, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return escape(text)
    return Markup('<time datetime="{}">{}</time>').format(machine, text)


def ago(time_s: float | None, now_s: float) -> str:
    """Returns "5 minutes ago" for a time, "never" for None."""
    if time_s is None:
        return "never"
    return "just now" if now_s - time_s < 1 else f"{duration(now_s - time_s)} ago"


def duration(seconds: float) -> str:
    """Returns "2 hours" for a number of seconds, in its largest unit."""
    for unit_s, name in _UNIT_S:
        if seconds >= unit_s:
            count = int(seconds // unit_s)
            return f"{count} {name}" if count == 1 else f"{count} {name}s"
    return "0 seconds"


def zone_of(door: Door) -> tz_string.Zone | None:
    """Returns the zone that a door's lock goes by, or None if its record has none that can be read."""
    try:
        return tz_string.parse(door.options.zone)
    except ValueError:
        return None


def _format(time_s: int | None, door: Door | None, form: str, *, has_zone: bool) -> str:
    if time_s is None:
        return "time not known"
    zone = zone_of(door) if door is not None else None
    try:
        offset_s = zone.offset_s(time_s) if zone is not None else 0
        shown = datetime.fromtimestamp(time_s, timezone.utc) + timedelta(seconds=offset_s)
    except (ValueError, OverflowError, OSError):
        return str(time_s)
    text = shown.strftime(form)
    sign, minutes = ("-" if offset_s < 0 else "+"), abs(offset_s) // 60
    return f"{text} UTC{f'{sign}{minutes // 60:02d}:{minutes % 60:02d}' if minutes else ''}" if has_zone else text


def _printable(value: object, limit: int = 80) -> str:
    return printable(str(value), limit)


def _pair(text: str) -> tuple[str, str]:
    """Returns a choice that reads as what it sends."""
    return text, text


def _navigation(context: Context, viewer: Viewer | None) -> list[tuple[str, str]]:
    pages = [*NAVIGATION, *((text, path, _MANAGERS) for text, path in context.more_pages)]
    return [(text, path) for text, path, whom in pages if _is_for(viewer, whom)]


def _is_for(viewer: Viewer | None, whom: int) -> bool:
    if viewer is None or whom == _ALL:
        return viewer is not None
    return viewer.is_manager if whom == _MANAGERS else viewer.account.sees_everything
