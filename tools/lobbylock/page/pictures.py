"""Pictures: one as it is, and those of a day as a strip.

What locks send is never decoded here. A file is served only if it is the one that a verified event announced, by its
hash, and only as a JPEG in a sandbox, so that nothing else can come of it in a browser.
"""

from dataclasses import replace
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from lobbylock.errors import UserError
from lobbylock.history import Shown
from lobbylock.page.access import Viewer, for_people
from lobbylock.page.cards import facts
from lobbylock.page.context import context_of
from lobbylock.page.deliveries import OUTCOMES, Wish, find_story, people
from lobbylock.page.render import render
from lobbylock.shown_picture import read_shown

_POLICY = "default-src 'none'; sandbox"
_STRIP = 60


@for_people
def show_picture(request: Request, viewer: Viewer) -> Response:
    """Serves the picture of one delivery."""
    shown = find_story(request, viewer)
    if shown.picture is None or shown.picture.sha256 is None:
        raise HTTPException(404)
    # Looked at again each time, by hash: a picture that was deleted or changed must not come out of a browser's cache.
    headers = {"cache-control": "private, no-cache", "etag": f'"{shown.picture.sha256.hex()}"'}
    data = read_shown(context_of(request).database, shown.picture)
    if data is None:
        raise HTTPException(404)
    if headers["etag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    headers.update({"content-security-policy": _POLICY, "content-disposition": 'inline; filename="delivery.jpg"'})
    return Response(data, media_type="image/jpeg", headers=headers)


@for_people
def show_strip(request: Request, viewer: Viewer) -> Response:
    """Serves the pictures of a day, or the latest ones."""
    context = context_of(request)
    wish = Wish.of(request)
    values: dict[str, Any] = {"wish": wish, "outcomes": OUTCOMES, "doors": list(viewer.doors(context)), "people": []}
    try:
        # Residents who come home are not photographed: most visits of a house may be without.
        wanted = replace(wish.filter(viewer, context), is_pictured=True)
        page = context.history.page(viewer.reader, wanted, wish.before or None, _STRIP)
    except UserError as error:
        return render(request, "pictures.html", 400, pictures=[], error=str(error), older=None, **values)
    pictured = [facts(shown) for shown in page.stories if _is_pictured(shown)]
    older = wish.address("/pictures", page.next) if page.next else None
    values["people"] = people(context, viewer)
    return render(request, "pictures.html", pictures=pictured, error=None, older=older, **values)


def _is_pictured(shown: Shown) -> bool:
    return shown.picture is not None


routes: list[BaseRoute] = [
    Route("/picture/{building}/{door}/{chain}/{seq}", show_picture, methods=["GET"]),
    Route("/pictures", show_strip, methods=["GET"]),
]
