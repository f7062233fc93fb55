"""The street as a page: `/street` beside the real page, in the same application and for the same managers.

It shows what the chips do and hands over what is done to them. What the lock recorded is shown by the real page's own
fragments.
"""

import asyncio
import contextlib
import hmac
import json
import secrets
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import jinja2
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from lobbylock.demo.pocket import BADGES
from lobbylock.demo.stage import DOOR
from lobbylock.demo.street import Street, View
from lobbylock.errors import UserError
from lobbylock.minting import MadeCode
from lobbylock.page.access import Viewer, address_of, cookie_name, for_managers, form_of
from lobbylock.page.accounts import Accounts
from lobbylock.page.context import context_of
from lobbylock.page.render import environment, render
from lobbylock.page.sessions import LIFE_S, Sessions

STREET = "/street"
_HERE = Path(__file__).parent
_FILES = {"street.css": "text/css; charset=utf-8", "street.js": "text/javascript; charset=utf-8"}
_HEARTBEAT_S = 15
_MOST_CLIENTS = 20
# A code that ends sooner than that is no use to somebody who has to type it first.
_LEAST_LEFT_S = 120


class Entrance:
    """The link that lets one browser in as the account `name`, once."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._token = secrets.token_urlsafe(32)
        self._lock = threading.Lock()
        self._is_open = True

    @property
    def path(self) -> str:
        return f"/street/enter/{self._token}"

    def enter(self, request: Request) -> Response:
        """Begins a session for whoever brings the token first."""
        with self._lock:
            is_right = hmac.compare_digest(request.path_params["token"].encode(), self._token.encode())
            if not is_right or not self._is_open:
                raise HTTPException(404)
            self._is_open = False
        context = context_of(request)
        account = Accounts(context.database).find(self._name)
        if account is None:
            raise HTTPException(404)
        token = Sessions(context.database).begin(account, address_of(request), int(context.now_s()))
        answer = RedirectResponse(STREET, 303)
        # Lax, as the login's: the link is opened from a terminal, and the page it leads to needs the cookie.
        answer.set_cookie(
            cookie_name(context),
            token,
            max_age=LIFE_S,
            path="/",
            secure=context.is_secure,
            httponly=True,
            samesite="lax",
        )
        return answer


class StreetPage:
    """The routes of the page about `street`; `entrance` is the way in that is printed."""

    def __init__(self, street: Street, entrance: Entrance) -> None:
        self._street = street
        self._minting = threading.Lock()
        self._code: MadeCode | None = None
        self._is_over = False
        self._clients: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self.routes: list[BaseRoute] = [
            Route(STREET, for_managers(self.show), methods=["GET"]),
            Route("/street/live", for_managers(self.listen), methods=["GET"]),
            Route("/street/frame.jpg", for_managers(self.frame), methods=["GET"]),
            Route("/street/scene.jpg", for_managers(self.scene), methods=["GET"]),
            Route("/street/enter/{token}", entrance.enter, methods=["GET"]),
            Route("/street/static/{name}", serve_file, methods=["GET"]),
            Route("/street/{act}", for_managers(self.act), methods=["POST"]),
        ]
        add_templates(_HERE / "templates")

    def close(self) -> None:
        """Ends all that listen, so that the server can end; from any thread."""
        self._is_over = True
        self._wake()

    def show(self, request: Request, viewer: Viewer) -> Response:
        """Serves the page."""
        view = self._street.view
        door = context_of(request).doors().get(DOOR)
        values = {"view": view, "states": states_of(view), "lines": lines_of(view), "badges": BADGES}
        return render(request, "street.html", **values, code=self._present_code(), door=door, door_name=DOOR)

    def _present_code(self) -> MadeCode:
        """Returns the code on the driver's note: the same until its window ends, even a revoked one."""
        with self._minting:
            if self._code is None or self._street.now_s() > self._code.window.until_s - _LEAST_LEFT_S:
                self._code = self._street.pocket.code()
            return self._code

    def act(self, request: Request, viewer: Viewer) -> Response:
        """Does what a button says: `act` of the path with `value` of the form, as `Street.do` has it."""
        is_script = "application/json" in request.headers.get("accept", "")
        try:
            said = self._street.do(request.path_params["act"], str(form_of(request).get("value", "")))
        except KeyError:
            raise HTTPException(404) from None
        except UserError as error:
            if not is_script:
                raise
            said = str(error)
        return JSONResponse({"said": said}) if is_script else RedirectResponse(STREET, 303)

    def frame(self, request: Request, viewer: Viewer) -> Response:
        """Serves the last frame that the camera froze."""
        if not self._street.frame:
            raise HTTPException(404)
        return Response(self._street.frame, media_type="image/jpeg")

    def scene(self, request: Request, viewer: Viewer) -> Response:
        """Serves what the camera sees now."""
        return Response(self._street.scene(), media_type="image/jpeg")

    async def listen(self, request: Request, viewer: Viewer) -> Response:
        """Serves what there is to see, whenever it changes, as server-sent events."""
        if len(self._clients) >= _MOST_CLIENTS:
            raise HTTPException(503)
        return EventSourceResponse(self._views(), ping=_HEARTBEAT_S, headers={"cache-control": "no-store"})

    async def _views(self) -> AsyncIterator[ServerSentEvent]:
        bell = asyncio.Event()
        client = (asyncio.get_running_loop(), bell)
        leave = self._street.listen(lambda _: _ring(client))
        self._clients.add(client)
        seen = None
        try:
            while not self._is_over:
                view = self._street.view
                if view != seen:
                    seen = view
                    data = json.dumps({"states": states_of(view), "lines": lines_of(view)})
                    yield ServerSentEvent(event="view", data=data, retry=1_000)
                    continue
                await bell.wait()
                bell.clear()
        finally:
            leave()
            self._clients.discard(client)

    def _wake(self) -> None:
        for client in list(self._clients):
            _ring(client)


def states_of(view: View) -> dict[str, tuple[str, str]]:
    """Returns, by the name of what is seen, its state in a word for the drawing and in words for people."""
    powers = {"on": "on", "off": "off", "starting": "on, the lock is starting"}
    held = {**BADGES, "phone": "the driver's phone", "": "nothing"}
    return {
        "strike": ("released", "released: pull the door") if view.is_released else ("rest", "at rest: locked"),
        "door": ("open", "open") if view.is_open else ("closed", "closed"),
        "light": ("on", "lit") if view.is_lit else ("off", "dark"),
        "sound": ("on", "sounding") if view.is_loud else ("off", "silent"),
        "reader": (view.held, held[view.held]),
        "power": (view.power, powers[view.power]),
        "network": ("on", "there") if view.is_networked else ("off", "gone"),
        "frames": (str(view.frames), f"frame {view.frames}" if view.frames else "none yet"),
        "copy": ("some" if view.has_used else "none", ""),
        "row": ("altered", view.altered) if view.altered else ("whole", ""),
    }


def lines_of(view: View) -> list[tuple[str, str, str]]:
    """Returns what happened as (time, who, what), the latest first."""
    return [(line.time, line.who, line.what) for line in reversed(view.lines)]


async def serve_file(request: Request) -> Response:
    """Serves the style or the script; there is nothing in them that is for managers alone."""
    name = request.path_params["name"]
    if name not in _FILES:
        raise HTTPException(404)
    return FileResponse(_HERE / "static" / name, media_type=_FILES[name], headers={"cache-control": "no-cache"})


def add_templates(folder: Path) -> None:
    """Lets the page's own templates be extended by those in `folder`."""
    loader = environment().loader
    if isinstance(loader, jinja2.FileSystemLoader) and str(folder) not in loader.searchpath:
        loader.searchpath.append(str(folder))


def _ring(client: "tuple[asyncio.AbstractEventLoop, asyncio.Event]") -> None:
    loop, bell = client
    # The loop may have been closed with the server.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(bell.set)
