"""The doors and how they are. For managers."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from firmware.core import keycode
from lobbylock.alarms import alarms
from lobbylock.health import FLASH_ERASES, read_health
from lobbylock.minting import remove_person
from lobbylock.page import actions
from lobbylock.page.access import Viewer, find_door, for_managers, form_of
from lobbylock.page.alarms import NAMES
from lobbylock.page.context import context_of
from lobbylock.page.render import render
from lobbylock.revocation import Book

_LATELY_S = 30 * 86_400
_ALARMS_SHOWN = 10


@for_managers
def show_doors(request: Request, viewer: Viewer) -> Response:
    """Shows the viewer's doors, each with what is worst about it."""
    context = context_of(request)
    doors = viewer.doors(context)
    with context.database.connect() as connection:
        healths = [(door, read_health(connection, door)) for door in doors.values()]
    return render(request, "doors.html", healths=healths)


@for_managers
def show_door(request: Request, viewer: Viewer) -> Response:
    """Shows one door: its health, and its latest alarms."""
    context = context_of(request)
    door = find_door(request, viewer)
    now_s = int(context.now_s())
    findings = context.watch.findings if context.watch is not None else []
    with context.database.connect() as connection:
        health = read_health(connection, door)
        found = alarms(connection, [door.name], now_s - _LATELY_S, findings, now_s=now_s)
    return render(
        request,
        "door.html",
        door=door,
        health=health,
        alarms=found[:_ALARMS_SHOWN],
        names=NAMES,
        list_version=Book(context.home, door.building).version,
        flash_erases=FLASH_ERASES,
        people=sorted((each for each in door.drivers if each.removed_s is None), key=lambda each: each.name.casefold()),
        places=keycode.SLOTS,
    )


@for_managers
def remove(request: Request, viewer: Viewer) -> Response:
    """Takes somebody off a door's list, so that their place is another one's once their last code has ended."""
    context = context_of(request)
    door = find_door(request, viewer)
    now_s = int(context.now_s())
    person = form_of(request).get("person")
    if not isinstance(person, str) or door.driver(person.strip()) is None:
        raise HTTPException(404)
    with context.database.begin() as connection:
        listed = remove_person(context.home, door.name, person, now_s)
        actions.note(connection, now_s, viewer.account.name, actions.UNLISTED, f"{listed.name} at {door.name}")
    return RedirectResponse(f"/door/{door.name}#people", 303)


routes: list[BaseRoute] = [
    Route("/doors", show_doors, methods=["GET"]),
    Route("/door/{building}/{door}", show_door, methods=["GET"]),
    Route("/door/{building}/{door}/remove", remove, methods=["POST"]),
]
