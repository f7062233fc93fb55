"""What holds for every answer and every request, whatever module serves it. Pure ASGI, so it sees all of them."""

from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lobbylock.page.context import Context

MAX_BODY_BYTES = 64 * 1024
# Reading is safe by RFC 9110 section 9.2.1; everything else needs the session's token.
SAFE_METHODS = frozenset(("GET", "HEAD"))
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self';"
    " frame-ancestors 'none'; base-uri 'none'"
)
_TOO_LONG = "That is longer than any form of this page takes: go back, and send less."
_HSTS = "max-age=31536000"


class Guard:
    """Wraps the application: Host check, size of bodies, and the headers that every answer carries.

    `refuse` returns the page for an HTTPException.
    """

    def __init__(self, app: ASGIApp, context: Context, refuse: Callable[[Request, Exception], Response]) -> None:
        self._app = app
        self._context = context
        self._refuse = refuse
        self._hosts = context.allowed_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add_headers(MutableHeaders(scope=message))
            await send(message)

        headers = Headers(scope=scope)
        if host_name(headers.get("host", "")) not in self._hosts:
            # A name of somebody else's that leads here would make their scripts ours: DNS rebinding.
            answer = PlainTextResponse("This page is not served under that name.", 421)
            await answer(scope, receive, send_with_headers)
        elif is_too_long(headers):
            answer = self._refuse(Request(scope), HTTPException(413, _TOO_LONG))
            await answer(scope, receive, send_with_headers)
        else:
            await self._app(scope, bounded(receive), send_with_headers)

    def _add_headers(self, headers: MutableHeaders) -> None:
        headers.setdefault("content-security-policy", POLICY)
        headers.setdefault("cache-control", "no-store")
        headers["x-content-type-options"] = "nosniff"
        # Not no-referrer: browsers would send "Origin: null" with the page's own forms.
        headers["referrer-policy"] = "same-origin"
        headers["cross-origin-opener-policy"] = "same-origin"
        headers["cross-origin-resource-policy"] = "same-origin"
        headers["permissions-policy"] = "camera=(), microphone=(), geolocation=()"
        if self._context.is_secure:
            headers["strict-transport-security"] = _HSTS


def host_name(host: str) -> str:
    """Returns the name of a Host header, without port and brackets, or "" if it is none."""
    try:
        parts = urlsplit(f"//{host}")
        return "" if parts.username is not None or parts.path else (parts.hostname or "")
    except ValueError:
        return ""


def is_too_long(headers: Headers) -> bool:
    """Whether a request says that its body is longer than any form of the page."""
    length = headers.get("content-length", "0")
    return not length.isascii() or not length.isdigit() or len(length) > 12 or int(length) > MAX_BODY_BYTES


def bounded(receive: Receive) -> Receive:
    """Returns a `receive` that raises HTTPException 413 once a body that did not say its length is too long."""
    taken = 0

    async def receive_bounded() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MAX_BODY_BYTES:
            raise HTTPException(413, _TOO_LONG)
        return message

    return receive_bounded


def is_same_origin(connection: HTTPConnection, context: Context) -> bool:
    """Whether a browser says that the page itself sent a request. Programs that are no browsers say nothing."""
    site = connection.headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return False
    origin = connection.headers.get("origin")
    if origin is None:
        return True
    return origin.lower() in (_origin(str(connection.base_url)), _origin(context.url))


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
