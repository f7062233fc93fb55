"""The sentences at the top of every page: a record that was changed, and a store or broker that fails."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from lobbylock.page.access import Viewer, for_people
from lobbylock.page.context import Context, Notice
from lobbylock.page.render import render
from lobbylock.watchman import INDEX

if TYPE_CHECKING:
    from lobbylock.watchman import Noticed

_MAX_SHOWN = 5


def broken(context: Context) -> Callable[[Viewer], list[Notice]]:
    """Returns what tells a viewer of the watchman's findings at doors that they may see."""

    def give(viewer: Viewer) -> list[Notice]:
        seen = alterations(context, viewer)
        shown = [Notice("broken", _sentence(found), "/broken") for found in seen[:_MAX_SHOWN]]
        if len(seen) > _MAX_SHOWN:
            shown.append(Notice("broken", f"There are {len(seen) - _MAX_SHOWN} more findings."))
        return shown

    return give


def failing(context: Context) -> Callable[[Viewer], list[Notice]]:
    """Returns what tells a viewer that store or broker fail."""

    def give(viewer: Viewer) -> list[Notice]:
        sentence = context.banner()
        if sentence is not None and not viewer.is_manager:
            sentence = "New deliveries are not coming in at this moment. Nothing is lost: the locks keep them."
        watchman = context.watch.failure if context.watch is not None and viewer.is_manager else None
        return [Notice("warning", text) for text in (sentence, watchman) if text is not None]

    return give


def alterations(context: Context, viewer: Viewer) -> "list[Noticed]":
    """Returns what the watchman found changed in the store, at doors that the viewer may see."""
    found = context.watch.alterations if context.watch is not None else []
    seen = [each for each in found if not each.door or viewer.may_see(each.door)]
    # A record that was changed is no longer what the list of visits says, either: that is said once, of the record.
    records = {(each.door, each.chain, each.seq) for each in seen if each.what != INDEX}
    return [each for each in seen if each.what != INDEX or (each.door, each.chain, each.seq) not in records]


@for_people
def show(request: Request, viewer: Viewer) -> Response:
    """Serves the fragment that pages read again when something changed."""
    return render(request, "_notices.html")


def _sentence(found: "Noticed") -> str:
    where = " ".join(filter(None, (found.door, f"#{found.seq}" if found.seq else "")))
    return f"{where}: {found.sentence}" if where else found.sentence


routes: list[BaseRoute] = [Route("/notices", show)]
