"""The application: the routes of all modules, what goes wrong in them as pages, and the guard around it all."""

import contextlib
from collections.abc import AsyncIterator, Sequence

import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from lobbylock.errors import StoreFailed, UserError
from lobbylock.metrics import RequestCount
from lobbylock.page import (
    account_list,
    alarms,
    deliveries,
    doors,
    exports,
    grants,
    live,
    login,
    metrics,
    notices,
    pictures,
    static,
    trail,
)
from lobbylock.page.accounts import Accounts, Passwords
from lobbylock.page.context import Context, context_of
from lobbylock.page.render import render
from lobbylock.page.security import Guard

_THREADS = 8
_TITLES = {
    403: "Not allowed",
    404: "Not found",
    405: "Not allowed",
    413: "Too long",
    500: "Something failed",
    503: "Not now",
}
_SENTENCES = {
    404: "There is no such page, or it is not for you.",
    405: "That cannot be done here.",
    500: "This page has a fault. What locks recorded is not touched by it.",
}


class PageApplication(Starlette):
    """Starlette with the guard outside of everything, so that pages about faults carry the same headers."""

    def __init__(self, context: Context, routes: Sequence[BaseRoute], passwords: Passwords | None) -> None:
        handlers = {
            HTTPException: show_refusal,
            StoreFailed: show_failure,
            OSError: show_failure,
            UserError: show_mistake,
            Exception: show_fault,
        }
        super().__init__(routes=routes, exception_handlers=handlers, lifespan=_bound_threads)
        self.state.context = context
        self.state.accounts = Accounts(context.database, passwords)
        self.state.desk = login.Desk()

    def build_middleware_stack(self) -> ASGIApp:
        context: Context = self.state.context
        app: ASGIApp = Guard(super().build_middleware_stack(), context, show_refusal)
        return app if context.metrics is None else RequestCount(app, context.metrics, self.routes)


@contextlib.asynccontextmanager
async def _bound_threads(_app: Starlette) -> AsyncIterator[None]:
    # Each may hold a connection to the store and open another; a pool that is empty makes people wait for nothing.
    anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
    yield


def build_app(
    context: Context, extra_routes: Sequence[BaseRoute] = (), passwords: Passwords | None = None
) -> PageApplication:
    """Returns the application. `extra_routes` come last; `passwords` is for tests that hash at less cost."""
    static.check()
    context.notices[:0] = [notices.broken(context), notices.failing(context), alarms.notices_of(context)]
    modules = (
        login,
        deliveries,
        pictures,
        doors,
        alarms,
        grants,
        exports,
        trail,
        account_list,
        live,
        metrics,
        notices,
        static,
    )
    routes = [route for module in modules for route in module.routes]
    return PageApplication(context, [*routes, Route("/healthz", health), *extra_routes], passwords)


def health(request: Request) -> Response:
    """Says whether store and broker work, in a word: for programs that watch over services, and for anybody else."""
    is_well = context_of(request).banner() is None
    return PlainTextResponse("ok\n" if is_well else "failing\n", 200 if is_well else 503)


def show_refusal(request: Request, error: Exception) -> Response:
    """Returns the page for an HTTPException."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) and status in (403, 413) else ""
    sentence = _SENTENCES.get(status) or detail or "That is not possible."
    headers = getattr(error, "headers", None) or {}
    return _page(request, status, sentence, headers)


def show_mistake(request: Request, error: Exception) -> Response:
    """Returns the page for a UserError."""
    return _page(request, 400, str(error))


def show_failure(request: Request, error: Exception) -> Response:
    """Returns the page for a store that fails; it looks nothing up, not even who asks."""
    sentence = "The store cannot be used at this moment. Locks keep what they record until it can."
    return _page(request, 503, sentence, {"retry-after": "5"})


def show_fault(request: Request, error: Exception) -> Response:
    """Returns the page for a fault of ours."""
    return _page(request, 500, _SENTENCES[500])


def _page(request: Request, status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    title = _TITLES.get(status, "Not possible")
    answer = render(request, "error.html", status, title=title, sentence=sentence, notices=list)
    answer.headers.update(headers or {})
    return answer
