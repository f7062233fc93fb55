"""The service's log: one line an event, key=value for people or JSON, to standard error.

Nothing secret belongs in a log. Should one get there all the same, passwords in URLs and values under telling names are
taken out before a line is written, and addresses lose what is behind the question mark.
"""

import contextlib
import logging
import re
import sys
import threading
import warnings
from collections.abc import Iterator, MutableMapping
from typing import Any, TextIO

import structlog

_HIDDEN = "***"
_SECRET_NAME = re.compile(
    r"(?i)(?:^|_)(?:password|passwd|secret|token|cookie|authorization|csrf|code|digits|session|seed)(?:$|_)"
)
# The name and password of a URL, and what is behind its question mark.
_URL_USER = re.compile(r"(?i)\b([a-z][a-z0-9+.-]{1,30}://)[^\s/@\"']{1,400}@")
_QUERY = re.compile(r"\?[^\s\"']*")
_URL = re.compile(r"(?i)\b([a-z][a-z0-9+.-]{1,30})://([^\s/?#\"']*)([^\s\"']*)")
# Addresses of ours, whose path is no secret. Of all others the path may be a token, or the host, where it is none.
_OPEN_SCHEMES = ("postgresql", "sqlite", "mqtt", "mqtts", "file")
_WEB_SCHEMES = ("http", "https", "ws", "wss", "mailto", "mailtos")
# What alerts are sent with. It logs addresses, urllib3 whole paths at WARNING, and none of it is of use here.
_SENDERS = ("apprise", "urllib3", "requests", "charset_normalizer", "slixmpp", "oauthlib", "requests_oauthlib", "gntp")
_ACCESS = "uvicorn.access"
_MAX_CHARACTERS = 2_000

Values = MutableMapping[str, Any]
_here = threading.local()


def configure(is_json: bool = False, stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """Sends this program's log, and that of the libraries, to `stream`, standard error by default."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _hide,
    ]
    last = structlog.processors.JSONRenderer(ensure_ascii=True) if is_json else _Lines()
    formatter = structlog.stdlib.ProcessorFormatter(
        pass_foreign_args=True,
        foreign_pre_chain=[_take_access, *shared],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(formatter)
    handler.addFilter(lambda record: not getattr(_here, "is_muted", False))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # These have handlers of their own, or say more than is good.
    for name in ("uvicorn", "uvicorn.error", _ACCESS):
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True
    for name in ("sqlalchemy", "alembic", "httpx", "httpcore", "asyncio", "multipart", "python_multipart"):
        logging.getLogger(name).setLevel(logging.WARNING)
    _silence()
    _route(shared)


@contextlib.contextmanager
def muted() -> Iterator[None]:
    """Has nothing of what this thread does in it be logged: libraries of many authors see secrets there."""
    _silence()
    _here.is_muted = True
    try:
        yield
    finally:
        _here.is_muted = False


def _silence() -> None:
    for name in _SENDERS:
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.setLevel(logging.CRITICAL + 1)
        if not logger.handlers:
            # Else Python itself would write to standard error.
            logger.addHandler(logging.NullHandler())
    # They name the host.
    warnings.filterwarnings("ignore", module="(?:urllib3|requests|apprise)(?:$|[.])")


def _route(processors: list[Any]) -> None:
    structlog.configure(
        processors=[*processors, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def get(name: str) -> Any:
    """Returns the structlog logger called "lobbylock.NAME". Its level and place are what `configure` says; before that
    it says warnings and worse, to standard error."""
    if not structlog.is_configured():
        # It would write to standard output, which belongs to the command.
        _route([structlog.stdlib.filter_by_level, _hide])
    return structlog.stdlib.get_logger(f"lobbylock.{name}")


def _take_access(_logger: object, _method: str, values: Values) -> Values:
    """Makes fields of uvicorn's line for a request, and leaves out the arguments of all others."""
    args = values.pop("positional_args", None)
    record = values.get("_record")
    if record is None or record.name != _ACCESS:
        return values
    if not isinstance(args, tuple) or len(args) != 5:
        # Of another version of uvicorn.
        values["event"] = "request"
        return values
    client, method, path, _version, status = args
    values.update(event="request", client=str(client), method=str(method), path=without_query(str(path)), status=status)
    return values


def without_query(path: str) -> str:
    """Returns the path of an address without what is behind the question mark, where filters name people."""
    return path.partition("?")[0]


def _hide(_logger: object, _method: str, values: Values) -> Values:
    for name, value in list(values.items()):
        if name.startswith("_"):
            continue
        if _SECRET_NAME.search(name):
            values[name] = _HIDDEN
        elif isinstance(value, str):
            values[name] = clean(value)
        elif not isinstance(value, (int, float, bool)) and value is not None:
            values[name] = clean(str(value))
    return values


def clean(text: str) -> str:
    """Returns `text` without names and passwords in URLs, what is behind a question mark in them, and other people's
    paths."""
    text = _URL_USER.sub(rf"\1{_HIDDEN}@", text[:_MAX_CHARACTERS])
    return _URL.sub(_open_part, text)


def _open_part(found: re.Match[str]) -> str:
    scheme, host, path = found.groups()
    kind = scheme.lower().partition("+")[0]
    if kind in _OPEN_SCHEMES:
        return f"{scheme}://{host}{_QUERY.sub('', path)}"
    if kind not in _WEB_SCHEMES and not host.startswith(f"{_HIDDEN}@"):
        return f"{scheme}://{_HIDDEN}"
    return f"{scheme}://{host}" + (f"/{_HIDDEN}" if path.startswith("/") and path != "/" else "")


class _Lines:
    """Renders a line as `time level logger event key=value ...`; control characters never get out raw."""

    def __call__(self, _logger: object, _method: str, values: Values) -> str:
        parts = [str(values.pop("timestamp", "")), str(values.pop("level", "")), str(values.pop("logger", ""))]
        said = _shown(str(values.pop("event", "")))
        trace = values.pop("exception", None)
        pairs = [f"{name}={_quoted(value)}" for name, value in values.items()]
        line = " ".join([*parts, said, *pairs])
        return f"{line}\n{_shown(trace, keep_lines=True)}" if isinstance(trace, str) else line


def _quoted(value: object) -> str:
    text = _shown(str(value))
    if text and not re.search(r'[\s"=]', text):
        return text
    escaped = text.replace('"', '\\"')
    return f'"{escaped}"'


def _shown(text: str, *, keep_lines: bool = False) -> str:
    kept = "\n" if keep_lines else ""
    return "".join(one if one.isprintable() or one in kept else f"\\x{ord(one):02x}" for one in text)
