"""Style, scripts and htmx: files of this package, and two of the one that carries htmx. Nothing is from elsewhere."""

import functools
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from lobbylock.errors import UserError

_OWN = Path(__file__).with_name("static")
_CSS, _JS, _SVG = "text/css; charset=utf-8", "text/javascript; charset=utf-8", "image/svg+xml"
# name: (media type, file, whether it lies in htmx's package)
_FILES = {
    "style.css": (_CSS, "style.css", False),
    "page.js": (_JS, "page.js", False),
    "icon.svg": (_SVG, "icon.svg", False),
    "htmx.js": (_JS, "htmx-2.min.js", True),
    "sse.js": (_JS, "ext/hx-sse-2.min.js", True),
}


def check() -> None:
    """Raises UserError if a file that the page is made of is not installed."""
    for name in _FILES:
        _read(name)


def serve(request: Request) -> Response:
    """Serves one file; browsers keep it and ask whether it is still the same."""
    name = request.path_params["name"]
    if name not in _FILES:
        raise HTTPException(404)
    data, tag = _read(name)
    headers = {"etag": tag, "cache-control": "no-cache"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=_FILES[name][0], headers=headers)


@functools.cache
def _read(name: str) -> tuple[bytes, str]:
    _, file, is_htmx = _FILES[name]
    path = (_htmx_folder() if is_htmx else _OWN) / file
    try:
        data = path.read_bytes()
    except OSError:
        raise UserError(f"The page's file {file} is not installed; `make setup` does that.") from None
    return data, f'"{sha256(data).hexdigest()[:32]}"'


def _htmx_folder() -> Path:
    # Found, not imported: that package is for a framework that is not here.
    spec = find_spec("django_htmx")
    if spec is None or spec.origin is None:
        raise UserError("htmx is not installed; `make setup` installs requirements-page.txt.")
    return Path(spec.origin).parent / "static" / "django_htmx"


routes: list[BaseRoute] = [Route("/static/{name}", serve, methods=["GET"])]
