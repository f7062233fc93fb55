"""Making codes and credentials, revoking them, and who holds what. For managers.

What is made is shown once, in the answer to the form: it has no address, and stands in no log and no table.
"""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import segno
from markupsafe import Markup
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from lobbylock import badge, revocation
from lobbylock.bulletin import read_version
from lobbylock.carriers import list_messages
from lobbylock.credential_output import base64url, describe
from lobbylock.door import Door
from lobbylock.errors import StoreFailed, UserError
from lobbylock.grant import ID_BYTES, ROLES, Grant, parse_holder_pem
from lobbylock.health import read_health
from lobbylock.holdings import find_entries, list_holdings
from lobbylock.hours import parse_hours
from lobbylock.localtime import parse_local
from lobbylock.minting import CodeWish, MadeCode, make_code, make_credential
from lobbylock.moment import format_utc, parse_duration
from lobbylock.page import actions
from lobbylock.page.access import Viewer, for_managers, form_of
from lobbylock.page.context import Context, context_of
from lobbylock.page.render import render
from lobbylock.page.tickets import new_ticket, tickets_of
from lobbylock.trial import refusing_doors
from lobbylock.window import ROLES as CODE_ROLES

_logger = logging.getLogger(__name__)
_MOST_SHOWN = 500
_MOST_NAMED = 10
_DURATIONS = (
    ("1h", "1 hour"),
    ("2h", "2 hours"),
    ("4h", "4 hours"),
    ("8h", "8 hours"),
    ("1d", "1 day"),
    ("7d", "7 days"),
    ("28d", "28 days"),
)
_LONGER = (("90d", "90 days"), ("365d", "a year"))
_MADE_BEFORE = "That form was used already. What it made was shown once; begin anew to make another one."


@dataclass(frozen=True)
class Made:
    """What the page about something new shows; `secret` and `qr` are the thing itself."""

    title: str
    person: str
    where: str
    door: Door
    from_s: int
    until_s: int
    lines: list[str]
    secret: str
    qr: Markup
    is_code: bool
    ndef: str | None = None
    warning: str | None = None


@for_managers
def show_grants(request: Request, viewer: Viewer) -> Response:
    """Shows who holds what at the viewer's doors."""
    context = context_of(request)
    doors = viewer.doors(context)
    wanted = request.query_params.get("person", "").strip()[:64]
    held = list_holdings(context.home, doors, int(context.now_s()))
    if wanted:
        held = [each for each in held if wanted.casefold() in each.person.casefold()]
    with context.database.connect() as connection:
        done = actions.latest(connection)
    buildings = sorted({door.building for door in doors.values()})
    return render(
        request,
        "grants.html",
        held=held[:_MOST_SHOWN],
        left_out=max(0, len(held) - _MOST_SHOWN),
        person=wanted,
        doors=_a_door_each(doors),
        buildings=buildings,
        done=done if viewer.account.sees_everything else [each for each in done if each.account == viewer.account.name],
    )


def _a_door_each(doors: dict[str, Door]) -> dict[str, Door]:
    """Returns the doors by name, and one of each building by the building's name, for the zone that times are in."""
    found = {door.building: door for door in doors.values()}
    return {**found, **doors}


# Codes.


@for_managers
def ask_for_code(request: Request, viewer: Viewer) -> Response:
    """Shows the form for a code."""
    chosen = request.query_params.get("door", "")
    return _code_form(request, viewer, {"door": chosen, "person": request.query_params.get("person", "")[:64]})


@for_managers
def mint_code(request: Request, viewer: Viewer) -> Response:
    """Makes a code and shows it."""
    context, form = context_of(request), form_of(request)
    values = _texts(form)
    ticket = values.get("ticket", "")
    tickets = tickets_of(request)
    if not tickets.take(ticket):
        return _code_form(request, viewer, values, _MADE_BEFORE)
    made: MadeCode | None = None
    try:
        door = _door(context, viewer, values.get("door", ""))
        now_s = int(context.now_s())
        role, is_single_use = values.get("role", ""), "once" in values
        is_plain = role == CODE_ROLES[0] and not is_single_use
        wish = CodeWish(
            door.name,
            values.get("person", ""),
            _start(door, values, now_s),
            parse_duration(values.get("for", "")) if is_plain else None,
            role,
            is_single_use,
        )
        # Inside of the transaction: without a store nothing is made that nobody gets to see.
        with context.database.begin() as connection:
            made = make_code(context.home, wish, now_s)
            window, person = made.window, made.person
            about = (
                f"code for {person.name} at {door.name}, class {window.code_class}, until {format_utc(window.until_s)}"
            )
            actions.note(connection, now_s, viewer.account.name, actions.MADE, about)
    except UserError as error:
        tickets.give_back(ticket)
        return _code_form(request, viewer, values, str(error))
    except StoreFailed as error:
        if made is None:
            tickets.give_back(ticket)
            raise
        # It is made and opens the door: whoever asked for it has to get it.
        _log_not_noted(error)
    door, window, person = made.door, made.window, made.person
    lines = ["Works once." if window.is_single_use else "Works any number of times in that time."]
    if made.is_again:
        lines.append("This is the single-use code of that window again: it works once in all.")
    shown = Made(
        "A new code",
        person.name,
        door.name,
        door,
        window.from_s,
        window.until_s,
        lines,
        made.shown,
        draw_qr(made.digits, f"The code for {person.name} as a QR code"),
        is_code=True,
    )
    return render(request, "grant_made.html", made=shown)


def _code_form(request: Request, viewer: Viewer, values: dict[str, str], error: str | None = None) -> Response:
    doors = list(viewer.doors(context_of(request)))
    return render(
        request,
        "grant_code.html",
        400 if error else 200,
        values=values,
        error=error,
        doors=[(name, name) for name in doors],
        roles=[(role, role) for role in CODE_ROLES],
        durations=_DURATIONS,
        ticket=new_ticket(),
    )


# Credentials.


@for_managers
def ask_for_credential(request: Request, viewer: Viewer) -> Response:
    """Shows the form for a credential."""
    return _credential_form(request, viewer, {"building": request.query_params.get("building", "")})


@for_managers
def mint_credential(request: Request, viewer: Viewer) -> Response:
    """Makes a credential and shows it."""
    context, form = context_of(request), form_of(request)
    values = _texts(form)
    ticket = values.get("ticket", "")
    tickets = tickets_of(request)
    if not tickets.take(ticket):
        return _credential_form(request, viewer, values, _MADE_BEFORE)
    made: Made | None = None
    try:
        now_s = int(context.now_s())
        door = _door_of(context, viewer, values.get("building", ""))
        grant = _grant(door, values, now_s)
        warning = _warning(context, grant)
        with context.database.begin() as connection:
            made = _made_credential(door, grant, make_credential(context.home, grant), warning)
            about = f"credential {grant.id.hex()} for {grant.subject} in {grant.building}"
            actions.note(connection, now_s, viewer.account.name, actions.MADE, about)
    except UserError as error:
        tickets.give_back(ticket)
        return _credential_form(request, viewer, values, str(error))
    except StoreFailed as error:
        if made is None:
            tickets.give_back(ticket)
            raise
        _log_not_noted(error)
    return render(request, "grant_made.html", made=made)


def _grant(door: Door, values: dict[str, str], now_s: int) -> Grant:
    """Returns what the form asks for. Raises UserError."""
    role = values.get("role", "")
    if role not in ROLES:
        raise UserError(f"A role is one of {', '.join(ROLES)}.")
    from_s = _start(door, values, now_s)
    until = values.get("until", "")
    until_s = parse_local(door.options.zone, until) if until else from_s + parse_duration(values.get("for", ""))
    if until_s <= now_s:
        raise UserError("That time is over already.")
    uses = values.get("uses", "").strip()
    if uses and (not uses.isascii() or not uses.isdigit() or len(uses) > 3):
        raise UserError("A credential is for 1 to 255 uses, or for any number.")
    pem = values.get("holder", "").strip()
    return Grant(
        subject=values.get("person", "").strip(),
        building=door.building,
        role=ROLES[role],
        areas=values.get("areas", "").replace(",", " ").split() or ["lobby"],
        from_s=from_s,
        until_s=until_s,
        issued_s=now_s,
        id=os.urandom(ID_BYTES),
        uses=int(uses) if uses else None,
        hours=[parse_hours(line) for line in values.get("hours", "").splitlines() if line.strip()],
        holder=parse_holder_pem(pem) if pem else None,
    )


def _warning(context: Context, grant: Grant) -> str | None:
    """Returns which doors of the building will not open to `grant`. Raises UserError if none would."""
    refusing, is_none_left = refusing_doors(context.doors().values(), grant)
    shown = ", ".join(refusing[:_MOST_NAMED]) + (
        f" and {len(refusing) - _MOST_NAMED} more" if refusing[_MOST_NAMED:] else ""
    )
    if is_none_left:
        raise UserError(
            f"No door of {grant.building} would open to that: {shown}. Give it an area of theirs, and 1 use or a "
            "phone's public key."
        )
    return f"These doors do not open to it: {shown}." if refusing else None


def _made_credential(door: Door, grant: Grant, data: bytes, warning: str | None) -> Made:
    values = describe(data)
    lines = [
        f"Areas: {', '.join(grant.areas)}.",
        f"Uses: {'any number' if grant.uses is None else grant.uses}, at each door.",
    ]
    if grant.hours:
        lines.append(f"Only {', '.join(map(str, values['hours'] or []))}.")  # pyright: ignore[reportArgumentType]
    if grant.holder is not None and grant.role == ROLES["resident"]:
        lines.append("Whom its holder lets in as a visitor never gets further, longer or more often than this.")
    text = base64url(data)
    return Made(
        "A new credential",
        grant.subject,
        grant.building,
        door,
        grant.from_s,
        grant.until_s,
        lines,
        text,
        draw_qr(text, f"The credential for {grant.subject} as a QR code"),
        is_code=False,
        ndef=badge.compose(data, "").hex() if grant.holder is None else None,
        warning=warning,
    )


def _credential_form(request: Request, viewer: Viewer, values: dict[str, str], error: str | None = None) -> Response:
    doors = viewer.doors(context_of(request)).values()
    areas = sorted({area for door in doors for area in door.options.areas})
    return render(
        request,
        "grant_credential.html",
        400 if error else 200,
        values=values,
        error=error,
        buildings=[(name, name) for name in sorted({door.building for door in doors})],
        roles=[(role, role) for role in ROLES],
        areas=areas,
        durations=_DURATIONS + _LONGER,
        ticket=new_ticket(),
    )


# Revoking.


@for_managers
def revoke(request: Request, viewer: Viewer) -> Response:
    """Puts a code or credential on its building's list, or takes it off, and tells the doors."""
    context = context_of(request)
    values = _texts(form_of(request))
    door = _door_of(context, viewer, values.get("building", ""))
    now_s = int(context.now_s())
    entries = find_entries(context.home, door.building, values.get("key", ""), now_s)
    if not entries:
        raise HTTPException(404)
    is_undone = "undo" in values
    revoked = revocation.revoke(context.home, door.building, entries, now_s, is_undone=is_undone)
    what = actions.RESTORED if is_undone else actions.REVOKED
    about = f"{entries[0].subject} in {door.building}, list {revoked.book.version}"
    return _tell(context, viewer, door.building, revoked.data, [(what, about)])


@for_managers
def publish_list(request: Request, viewer: Viewer) -> Response:
    """Tells the doors once more."""
    context = context_of(request)
    door = _door_of(context, viewer, request.path_params["building"])
    with context.home.locked():
        data = revocation.Book(context.home, door.building).current(int(context.now_s()))
    return _tell(context, viewer, door.building, data)


def _tell(
    context: Context, viewer: Viewer, building: str, data: bytes, done: Sequence[tuple[str, str]] = ()
) -> Response:
    """Tells the doors, and then notes that and what was `done` before: (what, about). A store that fails must not keep
    the doors from hearing of a list that is in the book already."""
    notes, query = list(done), ""
    doors = [name for name in context.doors() if name.startswith(f"{building}/")]
    try:
        context.publish([(topic, payload, True) for topic, payload in list_messages(doors, data)])
        notes.append((actions.PUBLISHED, _list_name(building, read_version(data))))
    except UserError:
        # The list is in force as soon as a door has it; the page says that none was told, and offers to try again.
        query = "?told=no"
    try:
        with context.database.begin() as connection:
            for what, about in notes:
                actions.note(connection, context.now_s(), viewer.account.name, what, about)
    except StoreFailed as error:
        _log_not_noted(error)
        query = query or "?told=unnoted"
    return RedirectResponse(f"/grants/list/{building}{query}", 303)


def _log_not_noted(error: StoreFailed) -> None:
    _logger.error("What a manager did is done, and could not be noted: %s", error)


def _list_name(building: str, version: int) -> str:
    return f"list {version} of {building}"


@for_managers
def show_list(request: Request, viewer: Viewer) -> Response:
    """Shows what is revoked in a building, which doors were told, and which of them have taken it."""
    context = context_of(request)
    building = request.path_params["building"]
    door = _door_of(context, viewer, building)
    book = revocation.Book(context.home, building)
    doors = [each for each in context.doors().values() if each.building == building]
    with context.database.connect() as connection:
        told = actions.latest(connection, 1, what=actions.PUBLISHED, about=_list_name(building, book.version))
        healths = [read_health(connection, each) for each in doors]
    return render(
        request,
        "grant_list.html",
        building=building,
        door=door,
        book=book,
        entries=sorted(book.entries, key=lambda entry: entry.since_s, reverse=True),
        told_s=told[0].at_s if told else None,
        has_failed=request.query_params.get("told") == "no" and not told,
        is_unnoted=request.query_params.get("told") == "unnoted" and not told,
        healths=healths,
        doors={each.name: each for each in doors},
    )


# What they share.


def _texts(form: FormData) -> dict[str, str]:
    return {name: value for name, value in form.items() if isinstance(value, str)}


def _door(context: Context, viewer: Viewer, name: str) -> Door:
    door = viewer.doors(context).get(name)
    if door is None:
        raise UserError("Choose a door.")
    return door


def _door_of(context: Context, viewer: Viewer, building: str) -> Door:
    """Returns a door of `building`. Raises HTTPException 404 if the viewer sees none."""
    door = next((door for door in viewer.doors(context).values() if door.building == building), None)
    if door is None:
        raise HTTPException(404)
    return door


def _start(door: Door, values: dict[str, str], now_s: int) -> int:
    text = values.get("from", "")
    return parse_local(door.options.zone, text) if text else now_s


def draw_qr(text: str, title: str) -> Markup:
    """Returns a QR code as an <svg> element without styles of its own: the page's policy allows none."""
    drawn = segno.make(text, error="m", micro=False, boost_error=False)
    # `title` is in an attribute, which segno does not escape.
    svg = drawn.svg_inline(omitsize=True, svgclass="qr", lineclass=None, light="#fff")
    return Markup('<span class="qr-box" role="img" aria-label="{}">{}</span>').format(title, _as_markup(svg))


def _as_markup(svg: Any) -> Markup:
    return Markup(svg)  # noqa: S704 made by segno of modules, no text in it


routes: list[BaseRoute] = [
    Route("/grants", show_grants, methods=["GET"]),
    Route("/grants/code", ask_for_code, methods=["GET"]),
    Route("/grants/code", mint_code, methods=["POST"]),
    Route("/grants/credential", ask_for_credential, methods=["GET"]),
    Route("/grants/credential", mint_credential, methods=["POST"]),
    Route("/grants/revoke", revoke, methods=["POST"]),
    Route("/grants/list/{building}", show_list, methods=["GET"]),
    Route("/grants/list/{building}/publish", publish_list, methods=["POST"]),
]
