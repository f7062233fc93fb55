"""The sentences at the top of every page: a record that was changed, and a store or broker that fails."""

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from lobbylock.page.access import Viewer, for_people
from lobbylock.page.context import Context, Notice
from lobbylock.page.render import render

_MAX_SHOWN = 5


def broken(context: Context) -> Callable[[Viewer], list[Notice]]:
    """Returns what tells a viewer of the watchman's findings at doors that they may see."""

    def give(viewer: Viewer) -> list[Notice]:
        findings = context.watch.findings if context.watch is not None else []
        seen = [found for found in findings if not found.door or viewer.may_see(found.door)]
        shown = [Notice("broken", _sentence(found), _link(found)) for found in seen[:_MAX_SHOWN]]
        if len(seen) > _MAX_SHOWN:
            shown.append(Notice("broken", f"There are {len(seen) - _MAX_SHOWN} more findings."))
        return shown

    return give


def failing(context: Context) -> Callable[[Viewer], list[Notice]]:
    """Returns what tells a viewer that store or broker fail."""

    def give(viewer: Viewer) -> list[Notice]:
        sentence = context.banner()
        if sentence is None:
            return []
        if not viewer.is_manager:
            sentence = "New deliveries are not coming in at this moment. Nothing is lost: the locks keep them."
        return [Notice("warning", sentence)]

    return give


@for_people
def show(request: Request, viewer: Viewer) -> Response:
    """Serves the fragment that pages read again when something changed."""
    return render(request, "_notices.html")


def _sentence(found: Any) -> str:
    where = " ".join(filter(None, (found.door, f"#{found.seq}" if found.seq else "")))
    return f"{where}: {found.sentence}" if where else found.sentence


def _link(found: Any) -> str:
    return f"/broken?door={found.door}&seq={found.seq or ''}"


routes: list[BaseRoute] = [Route("/notices", show)]
