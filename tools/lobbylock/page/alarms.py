"""What somebody should look at: at the top of every page while nobody has, and all of it at `/alarms`."""

from collections.abc import Callable

from sqlalchemy import select
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from firmware.core import event
from lobbylock import tables
from lobbylock.alarms import ALARM_KINDS, FORCED, Alarm, alarms, mark_seen
from lobbylock.eventline import kind_name
from lobbylock.page import actions, live
from lobbylock.page.access import Viewer, for_managers, form_of
from lobbylock.page.context import Context, Notice, context_of
from lobbylock.page.render import local, render

# An alarm that nobody has looked at for so long, since it happened or came, is not at the top any more.
_TOP_S = 7 * 86_400
_TOP_SHOWN = 3
# It is on every page, so no more of a kind are looked at.
_TOP_EACH = 5
_USUAL_DAYS = 30
_DAYS = ((1, "1 day"), (7, "7 days"), (30, "30 days"), (365, "a year"), (36_500, "all"))
_MOST_SHOWN = 300
_MOST_MARKED = 2_000
_FORCED_DOOR = kind_name(event.DOOR_FORCED)
NAMES = {
    "forced": "forced open",
    "held": "held open",
    "locked_out": "keypad locked",
    "gap": "events missing",
    "chain": "record changed",
    "tamper": "tampering",
    "fault": "fault",
}


def open_alarms(context: Context, viewer: Viewer) -> list[Alarm]:
    """Returns the alarms of the last days that nobody has put aside, the newest first. Residents learn of forced doors
    only; what the watchman found stands at the top of its own accord."""
    kinds = [kind for kind in ALARM_KINDS if kind != "chain"] if viewer.is_manager else [FORCED]
    now_s = int(context.now_s())
    with context.database.connect() as connection:
        found = alarms(connection, viewer.doors(context), now_s - _TOP_S, kinds=kinds, each=_TOP_EACH, now_s=now_s)
    return [alarm for alarm in found if not alarm.is_seen]


def notices_of(context: Context) -> Callable[[Viewer], list[Notice]]:
    """Returns what puts open alarms at the top of a viewer's pages."""

    def give(viewer: Viewer) -> list[Notice]:
        found = open_alarms(context, viewer)
        doors = context.doors()
        link = "/alarms" if viewer.is_manager else None
        shown = []
        for alarm in found[:_TOP_SHOWN]:
            when = local(alarm.time_s, doors.get(alarm.door))
            shown.append(Notice("alarm", f"{alarm.door}, {when}: {alarm.sentence}", link))
        if len(found) > _TOP_SHOWN:
            shown.append(Notice("alarm", "There are more alarms.", link, "Show them"))
        return shown

    return give


@for_managers
def show_alarms(request: Request, viewer: Viewer) -> Response:
    """Shows the alarms at the viewer's doors."""
    context = context_of(request)
    doors = viewer.doors(context)
    query = request.query_params
    kind = query.get("kind", "")
    wanted = query.get("door", "")
    days = next((each for each, _ in _DAYS if str(each) == query.get("days")), _USUAL_DAYS)
    chosen = {name: door for name, door in doors.items() if wanted in ("", name)}
    kinds = [each for each in ALARM_KINDS if kind in ("", each)]
    now_s = int(context.now_s())
    since_s = max(0, now_s - days * 86_400)
    findings = context.watch.findings if context.watch is not None else []
    with context.database.connect() as connection:
        found = alarms(connection, chosen, since_s, findings, kinds=kinds, now_s=now_s)
    return render(
        request,
        "alarms.html",
        alarms=found[:_MOST_SHOWN],
        left_out=max(0, len(found) - _MOST_SHOWN),
        doors=doors,
        door=wanted,
        kind=kind,
        days=days,
        kinds=[("", "all"), *NAMES.items()],
        door_choices=[("", "all"), *((name, name) for name in doors)],
        day_choices=_DAYS,
        names=NAMES,
        query=request.url.query,
        is_watched=context.watch is not None,
    )


@for_managers
def put_aside(request: Request, viewer: Viewer) -> Response:
    """Notes that a manager has seen an alarm, which takes it from the top of the pages."""
    context, form = context_of(request), form_of(request)
    chain, what = form.get("chain"), form.get("what")
    seqs = [_number(text) for text in str(form.get("seqs", "")).split(",")[:_MOST_MARKED]]
    if not isinstance(what, str) or not 0 < len(what) <= 64:
        raise HTTPException(404)
    with context.database.begin() as connection:
        row = connection.execute(select(tables.chain.c.door).where(tables.chain.c.id == _number(chain))).first()
        if row is None or not viewer.may_see(row.door):
            raise HTTPException(404)
        now_s = int(context.now_s())
        mark_seen(connection, _number(chain), seqs, what, viewer.account.name, now_s)
        about = f"{what} at {row.door}, event {seqs[0]}" + (f" and {len(seqs) - 1} more" if len(seqs) > 1 else "")
        actions.note(connection, now_s, viewer.account.name, actions.SEEN, about)
    context.hub.signal(live.FORCED if what == _FORCED_DOOR else live.ALARM, row.door)
    back = str(form.get("query", ""))
    is_query = len(back) < 200 and all("!" <= letter <= "~" for letter in back)
    return RedirectResponse(f"/alarms?{back}" if back and is_query else "/alarms", 303)


def _number(text: object) -> int:
    if not isinstance(text, str) or not text.isascii() or not text.isdigit() or len(text) > 18:
        raise HTTPException(404)
    return int(text)


routes: list[BaseRoute] = [
    Route("/alarms", show_alarms, methods=["GET"]),
    Route("/alarms/seen", put_aside, methods=["POST"]),
]
