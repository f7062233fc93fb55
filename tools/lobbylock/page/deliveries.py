"""The first page: who came, as stories, newest first, with filters; the page of one of them; and what is broken."""

import re
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from lobbylock.errors import UserError
from lobbylock.eventline import printable
from lobbylock.history import GRANTED, Filter, Page, Shown
from lobbylock.localtime import day_bounds
from lobbylock.page.access import Viewer, find_door, for_people
from lobbylock.page.cards import card, facts, query
from lobbylock.page.context import Context, context_of
from lobbylock.page.notices import alterations
from lobbylock.page.render import render
from lobbylock.story import NOT_OPENED, OPENED, OPENED_WITH, REFUSED, STRIKE_FAILED, UNKNOWN, WAS_OPEN

OUTCOMES = (
    ("", "Everything"),
    (GRANTED, "Let in"),
    (OPENED, "Opened"),
    (OPENED_WITH, "Opened together with somebody else"),
    (WAS_OPEN, "Door was open already"),
    (NOT_OPENED, "Not opened"),
    (STRIKE_FAILED, "Strike failed"),
    (UNKNOWN, "Opening not known"),
    (REFUSED, "Refused"),
)
_MAX_TEXT_CHARACTERS = 120
_NUMBER = re.compile(r"[0-9]{1,18}")
_NO_ZONE = "UTC0"


@dataclass(frozen=True)
class Wish:
    """What somebody wants to see, as it stands in the address; texts of strangers, checked when `filter` is made."""

    door: str = ""
    person: str = ""
    day: str = ""
    outcome: str = ""
    before: str = ""

    @classmethod
    def of(cls, request: Request) -> "Wish":
        given = request.query_params
        return cls(*(given.get(name, "")[:_MAX_TEXT_CHARACTERS].strip() for name in cls.__dataclass_fields__))

    @property
    def is_filtered(self) -> bool:
        return bool(self.door or self.person or self.day or self.outcome)

    def address(self, path: str, before: str = "") -> str:
        """Returns `path` with the same filters, from `before` on."""
        names = ("door", "person", "day", "outcome")
        return path + query({**{name: getattr(self, name) for name in names}, "before": before})

    def filter(self, viewer: Viewer, context: Context) -> Filter:
        """Returns the filter for what the viewer may see. Raises HTTPException 404 for a door that is not theirs, and
        UserError for a day or an outcome that is none."""
        doors = viewer.doors(context)
        if self.door and self.door not in doors:
            raise HTTPException(404)
        if self.outcome not in dict(OUTCOMES):
            raise UserError("There is no such outcome.")
        chosen = {self.door: doors[self.door]} if self.door else doors
        spans = {}
        if self.day:
            # A day that is none is one nowhere.
            bounds = {zone: day_bounds(zone, self.day) for zone in {door.options.zone for door in chosen.values()}}
            spans = {name: bounds[door.options.zone] for name, door in chosen.items()}
            day_bounds(_NO_ZONE, self.day)
        return Filter(tuple(chosen), self.person or None, outcome=self.outcome or None, spans=spans)


@for_people
def show_list(request: Request, viewer: Viewer) -> Response:
    """Serves `/`."""
    return _list(request, viewer, "deliveries.html")


@for_people
def show_fragment(request: Request, viewer: Viewer) -> Response:
    """Serves the list alone, for a page that reads it again."""
    return _list(request, viewer, "_deliveries.html")


def _list(request: Request, viewer: Viewer, template: str) -> Response:
    context = context_of(request)
    wish = Wish.of(request)
    values: dict[str, Any] = {"wish": wish, "outcomes": OUTCOMES, "doors": list(viewer.doors(context)), "people": []}
    try:
        page = context.history.page(viewer.reader, wish.filter(viewer, context), wish.before or None)
    except UserError as error:
        return render(request, template, 400, cards=[], error=str(error), older=None, **values)
    older = wish.address("/", page.next) if page.next else None
    cards = [card(shown) for shown in page.stories]
    if template == "deliveries.html":
        is_latest = not wish.is_filtered and not wish.before
        values["people"] = people(context, viewer, page if is_latest else None)
    return render(request, template, cards=cards, error=None, older=older, **values)


def people(context: Context, viewer: Viewer, latest: Page | None = None) -> list[str]:
    """Returns names to choose from: nobody whom the viewer may not see. `latest` are the latest visits of all, if they
    have been read."""
    doors = tuple(viewer.doors(context))
    found = context.history.people(viewer.reader, doors)
    if found is None:
        # Out of what is told of the records, which no edit of the index can add a name to.
        latest = latest or context.history.page(viewer.reader, Filter(doors))
        found = sorted({shown.story.who for shown in latest.stories if shown.story.who})
    return [printable(name) for name in found]


@for_people
def show_one(request: Request, viewer: Viewer) -> Response:
    """Serves the page of one delivery."""
    shown = find_story(request, viewer)
    return render(request, "delivery.html", **facts(shown))


@for_people
def show_broken(request: Request, viewer: Viewer) -> Response:
    """Serves what the watchman found, at doors that the viewer may see."""
    context = context_of(request)
    return render(request, "findings.html", findings=alterations(context, viewer), watch=context.watch)


def find_story(request: Request, viewer: Viewer) -> Shown:
    """Returns the story that a path's building, door, chain and seq name. Raises HTTPException 404."""
    door = find_door(request, viewer)
    chain, seq = (request.path_params[name] for name in ("chain", "seq"))
    if not _NUMBER.fullmatch(chain) or not _NUMBER.fullmatch(seq):
        raise HTTPException(404)
    shown = context_of(request).history.story(viewer.reader, door.name, int(chain), int(seq))
    if shown is None:
        raise HTTPException(404)
    return shown


routes: list[BaseRoute] = [
    Route("/", show_list, methods=["GET"]),
    Route("/deliveries/list", show_fragment, methods=["GET"]),
    Route("/delivery/{building}/{door}/{chain}/{seq}", show_one, methods=["GET"]),
    Route("/broken", show_broken, methods=["GET"]),
]
