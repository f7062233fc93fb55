"""/metrics: the figures, for programs with the token, or on this machine if nobody else can come.

What stands before the page on the same machine comes from here as well, and need not say that it passes requests on.
So the token is needed where people open another address than this machine's.
"""

import hmac
import stat
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from lobbylock.errors import UserError
from lobbylock.metrics import CONTENT_TYPE, Metrics
from lobbylock.page.context import Context, context_of

_MIN_CHARACTERS = 16
_MAX_BYTES = 1_024
_PASSED_ON = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")
_LOOPBACK = ("127.0.0.1", "::1")


def read_token(path: Path) -> str:
    """Returns the token in a private file. Raises UserError, without repeating it."""
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_BYTES + 1)
        is_open = path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH)
    except OSError as error:
        raise UserError(f"The token for metrics cannot be read at {path}: {error.strerror}.") from None
    if is_open:
        raise UserError(f"{path} holds a token and can be read by others: chmod 600 it.")
    token = data.decode("ascii", "replace").strip()
    if len(data) > _MAX_BYTES or not token.isascii() or not token.isprintable() or " " in token:
        raise UserError(f"{path} holds no token: write one line of printable characters, as of `openssl rand -hex 32`.")
    if len(token) < _MIN_CHARACTERS:
        raise UserError(f"The token in {path} is too short: {_MIN_CHARACTERS} characters or more.")
    return token


def show(request: Request) -> Response:
    """Answers with the figures. To those who may not have them the page does not exist, unless a token would help."""
    context = context_of(request)
    if not isinstance(context.metrics, Metrics):
        raise HTTPException(404)
    if context.metrics_token is not None:
        if not _has_token(request, context.metrics_token):
            return PlainTextResponse("A token is needed.\n", 401, {"www-authenticate": 'Bearer realm="metrics"'})
    elif not _is_from_here(request, context):
        raise HTTPException(404)
    text = context.metrics.text(context.database, context.doors, context.watch, context.now_s())
    return Response(text, headers={"content-type": CONTENT_TYPE})


def _has_token(request: Request, token: str) -> bool:
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    # Compared in full whatever the kind says, and without looking at where the first difference is.
    is_right = hmac.compare_digest(given.strip().encode("latin-1", "replace"), token.encode())
    return is_right and kind.lower() == "bearer"


def _is_from_here(request: Request, context: Context) -> bool:
    was_passed_on = any(name in request.headers for name in _PASSED_ON)
    return (
        context.is_loopback_only
        and not context.is_proxied
        and not was_passed_on
        and request.client is not None
        and (request.client.host in _LOOPBACK)
    )


routes: list[BaseRoute] = [Route("/metrics", show, methods=["GET"])]
