"""Who may see the page, for managers of all buildings: new accounts, new passwords, and who is kept out.

A password is made here and shown once; whoever gets it changes it.
"""

import secrets

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from lobbylock.errors import UserError
from lobbylock.page.access import Viewer, for_managers, form_of
from lobbylock.page.accounts import ROLES
from lobbylock.page.actions import note
from lobbylock.page.context import context_of
from lobbylock.page.login import accounts_of
from lobbylock.page.render import render

# 16 characters of base64url are 96 bits.
_PASSWORD_BYTES = 12
_CHANGES = ("password", "disable", "enable", "remove")


@for_managers
def show(request: Request, viewer: Viewer) -> Response:
    """Lists the accounts."""
    _refuse_others(viewer)
    return _list(request)


@for_managers
def add(request: Request, viewer: Viewer) -> Response:
    """Makes an account and shows its password, this once."""
    _refuse_others(viewer)
    form = form_of(request)
    name, role, person = (str(form.get(field, "")).strip() for field in ("name", "role", "person"))
    buildings = [str(building) for building in form.getlist("building")]
    password = secrets.token_urlsafe(_PASSWORD_BYTES)
    now_s = int(context_of(request).now_s())
    try:
        _check_buildings(request, buildings)
        made = accounts_of(request).create(name, role, password, now_s, buildings=buildings, person=person or None)
    except UserError as error:
        return _list(request, str(error), 400)
    _note(request, viewer, "account", f"{made.name} ({made.role})")
    return render(request, "account_password.html", name=made.name, password=password)


@for_managers
def change(request: Request, viewer: Viewer) -> Response:
    """Gives an account a new password, keeps it out, lets it in again, or forgets it."""
    _refuse_others(viewer)
    accounts, now_s = accounts_of(request), int(context_of(request).now_s())
    name, what = (str(form_of(request).get(field, "")) for field in ("name", "what"))
    if what not in _CHANGES:
        raise HTTPException(404)
    if name == viewer.account.name:
        return _list(request, "Your own account is changed on its own page, or by `lobbylock account`.", 400)
    password = None
    try:
        if what == "password":
            password = secrets.token_urlsafe(_PASSWORD_BYTES)
            accounts.set_password(name, password, now_s)
        elif what == "remove":
            accounts.remove(name)
        else:
            accounts.set_disabled(name, now_s if what == "disable" else None)
    except UserError as error:
        return _list(request, str(error), 400)
    _note(request, viewer, "account", f"{name}: {what}")
    if password is not None:
        return render(request, "account_password.html", name=name, password=password)
    return RedirectResponse("/accounts", 303)


def _refuse_others(viewer: Viewer) -> None:
    # A manager of one building could give themselves all of them.
    if not viewer.account.sees_everything:
        raise HTTPException(404)


def _check_buildings(request: Request, buildings: list[str]) -> None:
    known = {door.building for door in context_of(request).doors().values()}
    for building in buildings:
        if building not in known:
            raise UserError(f"There is no building {building[:40]}.")


def _note(request: Request, viewer: Viewer, what: str, about: str) -> None:
    context = context_of(request)
    with context.database.begin() as connection:
        note(connection, context.now_s(), viewer.account.name, what, about)


def _list(request: Request, error: str | None = None, status: int = 200) -> Response:
    buildings = sorted({door.building for door in context_of(request).doors().values()})
    roles = [(role, role) for role in ROLES]
    values = {"accounts": accounts_of(request).list(), "buildings": buildings, "roles": roles}
    return render(request, "accounts.html", status, error=error, **values)


routes: list[BaseRoute] = [
    Route("/accounts", show, methods=["GET"]),
    Route("/accounts", add, methods=["POST"]),
    Route("/accounts/change", change, methods=["POST"]),
]
