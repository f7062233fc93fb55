"""Who asks, and what they may see. Every handler of the page goes through `for_people` or `for_managers`.

What somebody may not see is answered as what does not exist: 404, with the same words.
"""

import functools
import hmac
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast
from urllib.parse import quote, urlsplit

from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response

from lobbylock.door import Door
from lobbylock.names import is_door
from lobbylock.page.accounts import Account
from lobbylock.page.context import Context, context_of
from lobbylock.page.security import SAFE_METHODS, is_same_origin
from lobbylock.page.sessions import Session, Sessions
from lobbylock.readers import Reader

_MAX_FIELDS = 200
_CSRF_FIELD = "csrf"
_CSRF_HEADER = "x-csrf-token"
_MAX_NEXT_CHARACTERS = 500


@dataclass(frozen=True)
class Viewer:
    """Who is logged in. `buildings` is empty for a manager of all of them; `csrf` is what forms carry."""

    account: Account
    reader: Reader
    csrf: str
    token_sha256: bytes

    @property
    def role(self) -> str:
        return self.account.role

    @property
    def is_manager(self) -> bool:
        return self.account.is_manager

    @property
    def buildings(self) -> tuple[str, ...]:
        return self.account.buildings

    def may_see(self, door: Door | str) -> bool:
        """Whether `door`, a record or a full name, is in one of the viewer's buildings."""
        building = door.building if isinstance(door, Door) else door.partition("/")[0]
        return self.account.sees_everything or building in self.account.buildings

    def doors(self, context: Context) -> dict[str, Door]:
        """Returns the records of the doors that the viewer may see, by full name in order."""
        return {name: door for name, door in sorted(context.doors().items()) if self.may_see(door)}


Handler = Callable[[Request, Viewer], Response | Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]


def viewer_of(session: Session) -> Viewer:
    """Returns whom a session is of."""
    account = session.account
    reader = Reader("manager") if account.is_manager else Reader("resident", account.person or "")
    return Viewer(account, reader, session.csrf, session.token_sha256)


def cookie_name(context: Context) -> str:
    """Returns the session cookie's name; with the prefix, browsers take it only over TLS and for this host alone."""
    return "__Host-lobbylock" if context.is_secure else "lobbylock"


def for_people(handler: Handler) -> Endpoint:
    """Wraps a handler (request, viewer) -> Response, plain or async, for whoever is logged in.

    Plain ones run in a thread. The form of a POST is in `form_of(request)`, its CSRF token checked.
    """

    @functools.wraps(handler)
    async def endpoint(request: Request) -> Response:
        session = await run_in_threadpool(session_of, request)
        if session is None:
            return login_first(request)
        viewer = viewer_of(session)
        request.state.viewer = viewer
        if request.method not in SAFE_METHODS:
            request.state.form = await checked_form(request, viewer.csrf)
        if inspect.iscoroutinefunction(handler):
            return await handler(request, viewer)
        plain = cast("Callable[[Request, Viewer], Response]", handler)
        return await run_in_threadpool(plain, request, viewer)

    return endpoint


def for_managers(handler: Handler) -> Endpoint:
    """Wraps a handler as `for_people` does; to others than managers its page does not exist."""

    def refuse(request: Request, viewer: Viewer) -> None:
        if not viewer.is_manager:
            raise HTTPException(404)

    if inspect.iscoroutinefunction(handler):

        @functools.wraps(handler)
        async def checked_async(request: Request, viewer: Viewer) -> Response:
            refuse(request, viewer)
            return await handler(request, viewer)

        return for_people(checked_async)

    @functools.wraps(handler)
    def checked(request: Request, viewer: Viewer) -> Response:
        refuse(request, viewer)
        return handler(request, viewer)  # pyright: ignore[reportReturnType] not async here

    return for_people(checked)


def form_of(request: Request) -> FormData:
    """Returns the form that came with a POST."""
    return request.state.form


def find_door(request: Request, viewer: Viewer) -> Door:
    """Returns the door that the path's `building` and `door` name. Raises HTTPException 404."""
    name = f"{request.path_params['building']}/{request.path_params['door']}"
    door = context_of(request).doors().get(name) if is_door(name) else None
    if door is None or not viewer.may_see(door):
        raise HTTPException(404)
    return door


async def checked_form(request: Request, csrf: str) -> FormData:
    """Returns a request's form. Raises HTTPException 403 unless it comes from a page of ours and has the token."""
    if not is_same_origin(request, context_of(request)):
        raise HTTPException(403, "That did not come from this page.")
    if not _is_utf8(request):
        # Browsers name none. Many of Python's codecs raise what nobody expects, or make text that no database takes.
        raise HTTPException(400)
    form = await request.form(max_files=0, max_fields=_MAX_FIELDS)
    given = request.headers.get(_CSRF_HEADER) or form.get(_CSRF_FIELD) or ""
    if not isinstance(given, str) or not csrf or not hmac.compare_digest(given.encode(), csrf.encode()):
        raise HTTPException(403, "This form is out of date: go back, load the page anew, and try again.")
    return form


def _is_utf8(request: Request) -> bool:
    """Whether a form says that it is in UTF-8, or does not say."""
    _, options = parse_options_header(request.headers.get("content-type"))
    return options.get(b"charset", b"utf-8").lower() in (b"utf-8", b"utf8")


def login_first(request: Request) -> Response:
    """Returns the answer to somebody who is not logged in: the way to the login page and back."""
    if request.headers.get("hx-request") == "true":
        # A fragment of the login page would land in the middle of another.
        return Response(status_code=401, headers={"hx-redirect": "/login"})
    if request.method not in SAFE_METHODS:
        return RedirectResponse("/login", 303)
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse("/login" if path == "/" else f"/login?next={quote(path)}", 303)


def safe_next(text: object) -> str:
    """Returns a path of this page to go to; whatever else `text` is, it leads to the first page."""
    if not isinstance(text, str) or len(text) > _MAX_NEXT_CHARACTERS or not text.isprintable():
        return "/"
    try:
        parts = urlsplit(text)
    except ValueError:
        return "/"
    # Browsers take a backslash for a slash, and "//host" for an address.
    is_path = text.startswith("/") and not text.startswith("//") and "\\" not in text
    return text if is_path and not parts.scheme and not parts.netloc else "/"


def address_of(connection: HTTPConnection) -> str:
    """Returns where a request comes from. What proxies say about it is not read: anybody can say it."""
    return connection.client.host if connection.client else ""


def session_of(request: HTTPConnection) -> Session | None:
    """Returns the session that a request's cookie is of, looking it up in the store."""
    context = context_of(request)
    token = request.cookies.get(cookie_name(context), "")
    return Sessions(context.database).check(token, int(context.now_s())) if token else None
