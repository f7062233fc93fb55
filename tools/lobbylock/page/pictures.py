"""Pictures: one as it is, and those of a day as a strip.

What locks send is never decoded here. A file is served only if it is the one that a verified event announced, by its
hash, and only as a JPEG in a sandbox, so that nothing else can come of it in a browser.
"""

from hashlib import sha256
from typing import Any

from sqlalchemy import select
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from lobbylock import tables
from lobbylock.errors import UserError
from lobbylock.history import Shown
from lobbylock.page.access import Viewer, for_people
from lobbylock.page.cards import facts
from lobbylock.page.context import Context, context_of
from lobbylock.page.deliveries import Wish, find_story
from lobbylock.page.render import render
from lobbylock.picture import is_jpeg
from lobbylock.rowproof import PictureState
from lobbylock.store import Store
from lobbylock.store import read_picture as read_file

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
    data = read_picture(context_of(request), shown.picture)
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
    values: dict[str, Any] = {"wish": wish, "doors": list(viewer.doors(context))}
    try:
        page = context.history.page(viewer.reader, wish.filter(viewer, context), wish.before or None, _STRIP)
    except UserError as error:
        return render(request, "pictures.html", 400, pictures=[], error=str(error), older=None, **values)
    pictured = [facts(shown) for shown in page.stories if _is_pictured(shown)]
    older = wish.address("/pictures", page.next) if page.next else None
    return render(request, "pictures.html", pictures=pictured, error=None, older=older, **values)


def read_picture(context: Context, picture: PictureState) -> bytes | None:
    """Returns the picture if its file is the announced one and a JPEG; no more of a file is read than one can have."""
    column = tables.picture.c
    wanted = select(column.file).where(column.chain == picture.chain, column.seq == picture.seq)
    with context.database.connect() as connection:
        path = Store(context.database, connection).picture_path(connection.execute(wanted).scalar())
    try:
        data = b"" if path is None else read_file(path)
    except OSError:
        return None
    return data if sha256(data).digest() == picture.sha256 and is_jpeg(data) else None


def _is_pictured(shown: Shown) -> bool:
    return shown.picture is not None


routes: list[BaseRoute] = [
    Route("/picture/{building}/{door}/{chain}/{seq}", show_picture, methods=["GET"]),
    Route("/pictures", show_strip, methods=["GET"]),
]
