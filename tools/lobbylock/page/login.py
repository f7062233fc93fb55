"""Logging in and out, and one's own password."""

import asyncio
import hmac
import secrets

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from lobbylock.errors import UserError
from lobbylock.page.access import (
    Viewer,
    address_of,
    checked_form,
    cookie_name,
    for_people,
    form_of,
    safe_next,
    session_of,
)
from lobbylock.page.accounts import Account, Accounts
from lobbylock.page.context import Context, context_of
from lobbylock.page.guessing import LoginGuard
from lobbylock.page.render import render
from lobbylock.page.sessions import LIFE_S, Sessions

# A hash takes 64 MiB: strangers must not have many made at a time.
_HASHES_AT_A_TIME = 2
_MAX_WAITING = 16
_FORM_COOKIE = "lobbylock-form"
_KNOWN_COOKIE = "lobbylock-known"
# Browsers keep none longer than 400 days.
_KNOWN_S = 365 * 86_400
_WRONG = "Name and password do not belong together."
_MAX_NAME_CHARACTERS = 256


class Desk:
    """Where passwords are checked, a few at a time; the rest waits, and is sent away when too many do."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(_HASHES_AT_A_TIME)
        self._waiting = 0

    async def check(self, accounts: Accounts, name: str, password: str) -> Account | None:
        """Returns the account if the password is right. Raises Busy."""
        if self._waiting >= _MAX_WAITING:
            raise Busy
        self._waiting += 1
        try:
            async with self._places:
                return await run_in_threadpool(accounts.check, name, password)
        finally:
            self._waiting -= 1


class Busy(Exception):
    """Too many people are logging in at this moment."""


async def login(request: Request) -> Response:
    """Shows the form."""
    session = await run_in_threadpool(session_of, request)
    where = safe_next(request.query_params.get("next"))
    if session is not None:
        return RedirectResponse(where, 303)
    return _form(request, where)


async def enter(request: Request) -> Response:
    """Takes the form: begins a session, or says why not, in the same words for names that there are not."""
    context = context_of(request)
    form = await checked_form(request, request.cookies.get(_form_cookie(context), ""))
    where = safe_next(form.get("next"))
    name, password = str(form.get("name", ""))[:_MAX_NAME_CHARACTERS], str(form.get("password", ""))
    guard, address = LoginGuard(context.database), _counted_address(request)
    browser = await run_in_threadpool(_known_browser, request, name)
    wait_s = await run_in_threadpool(guard.begin, name, address, context.now_s(), browser)
    if wait_s:
        sentence = f"Too many tries: try again in {wait_s} s."
        return _form(request, where, 429, sentence, name, {"retry-after": str(wait_s)})
    try:
        account = await request.app.state.desk.check(accounts_of(request), name, password)
    except Busy:
        return _form(request, where, 503, "Many people are logging in: try again in 5 s.", name, {"retry-after": "5"})
    if account is None:
        if context.metrics is not None:
            context.metrics.login_failed()
        return _form(request, where, 403, _WRONG, name)
    await run_in_threadpool(guard.succeed, name, address, browser)
    answer = await run_in_threadpool(admit, request, account, where)
    await run_in_threadpool(_mark_browser, request, account.name, answer)
    answer.delete_cookie(_form_cookie(context), path="/", secure=context.is_secure, httponly=True, samesite="strict")
    return answer


def admit(request: Request, account: Account, where: str = "/") -> RedirectResponse:
    """Begins a session of `account` and returns the way to `where` with its cookie; in a thread, for it writes."""
    context = context_of(request)
    token = Sessions(context.database).begin(account, address_of(request), int(context.now_s()))
    answer = RedirectResponse(where, 303)
    answer.set_cookie(
        cookie_name(context), token, max_age=LIFE_S, path="/", secure=context.is_secure, httponly=True, samesite="lax"
    )
    return answer


@for_people
def leave(request: Request, viewer: Viewer) -> Response:
    """Ends the session."""
    context = context_of(request)
    Sessions(context.database).end(viewer.token_sha256)
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(cookie_name(context), path="/", secure=context.is_secure, httponly=True, samesite="lax")
    answer.headers["clear-site-data"] = '"cache"'
    return answer


@for_people
def own_account(request: Request, viewer: Viewer) -> Response:
    """Shows who is logged in, and the form for another password."""
    return render(request, "account.html", error=None, is_changed=False)


@for_people
async def change_password(request: Request, viewer: Viewer) -> Response:
    """Changes the password and ends the account's other sessions; the present one has to be known."""
    context = context_of(request)
    form = form_of(request)
    present, wanted, again = (str(form.get(field, "")) for field in ("present", "password", "again"))
    accounts, guard, name = accounts_of(request), LoginGuard(context.database), viewer.account.name
    address, browser = _counted_address(request), await run_in_threadpool(_known_browser, request, name)
    # A session that was left open must not be a way round the guard.
    wait_s = await run_in_threadpool(guard.begin, name, address, context.now_s(), browser)
    if wait_s:
        error = f"Too many tries: try again in {wait_s} s."
        return render(request, "account.html", 429, error=error, is_changed=False)
    try:
        if await request.app.state.desk.check(accounts, name, present) is None:
            raise UserError("That is not the present password.")
        await run_in_threadpool(guard.succeed, name, address, browser)
        if not hmac.compare_digest(wanted.encode(), again.encode()):
            raise UserError("The new password was not typed the same twice.")
        now_s = int(context.now_s())
        await run_in_threadpool(accounts.set_password, name, wanted, now_s, keep=viewer.token_sha256)
    except Busy:
        return render(request, "account.html", 503, error="Try again in 5 s.", is_changed=False)
    except UserError as error:
        return render(request, "account.html", 400, error=str(error), is_changed=False)
    answer = render(request, "account.html", error=None, is_changed=True)
    await run_in_threadpool(_mark_browser, request, name, answer)
    return answer


def accounts_of(request: Request) -> Accounts:
    """Returns the accounts of the application that serves a request."""
    return request.app.state.accounts


def _form(
    request: Request,
    where: str,
    status: int = 200,
    error: str | None = None,
    name: str = "",
    headers: dict[str, str] | None = None,
) -> Response:
    context = context_of(request)
    token = request.cookies.get(_form_cookie(context)) or secrets.token_urlsafe(32)
    answer = render(request, "login.html", status, csrf_token=token[:64], where=where, error=error, name=name)
    answer.headers.update(headers or {})
    # Without a session there is no token of it: the form has to come back with the cookie that it was given with.
    answer.set_cookie(
        _form_cookie(context), token[:64], path="/", secure=context.is_secure, httponly=True, samesite="strict"
    )
    return answer


def _counted_address(request: Request) -> str:
    """Returns where a request comes from, "" if that is a proxy: one stranger would slow down everybody."""
    return "" if context_of(request).is_proxied else address_of(request)


def _known_browser(request: Request, name: str) -> str:
    mark = request.cookies.get(_known_cookie(context_of(request)), "")
    return accounts_of(request).known_browser(name, mark) if mark else ""


def _mark_browser(request: Request, name: str, answer: Response) -> None:
    context, mark = context_of(request), accounts_of(request).mark_browser(name)
    answer.set_cookie(
        _known_cookie(context),
        mark,
        max_age=_KNOWN_S,
        path="/",
        secure=context.is_secure,
        httponly=True,
        samesite="strict",
    )


def _form_cookie(context: Context) -> str:
    return f"__Host-{_FORM_COOKIE}" if context.is_secure else _FORM_COOKIE


def _known_cookie(context: Context) -> str:
    return f"__Host-{_KNOWN_COOKIE}" if context.is_secure else _KNOWN_COOKIE


routes: list[BaseRoute] = [
    Route("/login", login, methods=["GET"]),
    Route("/login", enter, methods=["POST"]),
    Route("/logout", leave, methods=["POST"]),
    Route("/account", own_account, methods=["GET"]),
    Route("/account", change_password, methods=["POST"]),
]
