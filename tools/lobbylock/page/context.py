"""What every module of the page is given: `Context`, one a process, in `app.state.context`."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from lobbylock import __version__
from lobbylock.door import Door
from lobbylock.errors import UserError
from lobbylock.home import Home

if TYPE_CHECKING:
    from lobbylock.database import Database
    from lobbylock.history import History
    from lobbylock.watchman import Watch

_OWN_NAMES = ("127.0.0.1", "localhost", "::1")
# (topic, payload, whether the broker keeps it) to publish.
Message = tuple[str, bytes, bool]


@dataclass(frozen=True)
class Notice:
    """A sentence at the top of every page. `level` is "broken" (the record does not hold), "alarm" or "warning"."""

    level: str
    sentence: str
    link: str | None = None
    link_text: str = "Show it"


def _refuse_publishing(messages: Sequence[Message]) -> None:
    raise UserError("This page has no connection to a broker.")


class Signals(Protocol):
    """Tells open pages what changed: `lobbylock.page.live.Hub`."""

    def signal(self, kind: str, door: str = "") -> None: ...


@dataclass
class Context:
    """What the page works with. `doors` returns the records of all doors by full name, from memory.

    `publish` sends messages to the locks and returns once the broker has them; it raises UserError if that fails.
    `banner` returns a sentence while store or broker fail, None otherwise. `url` is the address that people open;
    `hosts` are the names besides its own that requests may be for. `notices` give the sentences at the top for an
    `access.Viewer`; `more_pages` are (text, address) of pages that managers are led to besides the usual ones.
    """

    home: Home
    database: "Database"
    doors: Callable[[], dict[str, Door]]
    history: "History"
    hub: Signals
    watch: "Watch | None" = None
    publish: Callable[[Sequence[Message]], None] = _refuse_publishing
    banner: Callable[[], str | None] = lambda: None
    now_s: Callable[[], float] = time.time
    url: str = "http://127.0.0.1:8480"
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")
    keep_pictures: tuple[str, ...] = ()
    version: str = __version__
    metrics: Any = None
    metrics_token: str | None = None
    is_loopback_only: bool = True
    notices: list[Callable[[Any], list[Notice]]] = field(default_factory=list)
    more_pages: Sequence[tuple[str, str]] = ()

    @property
    def is_secure(self) -> bool:
        """Whether people come by TLS, so that cookies are for TLS alone."""
        return urlsplit(self.url).scheme == "https"

    @property
    def is_proxied(self) -> bool:
        """Whether people come by something on this machine that stands before the page: all from its address."""
        return self.is_loopback_only and urlsplit(self.url).hostname not in _OWN_NAMES

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """The host names that requests may be for, in lower case."""
        own = urlsplit(self.url).hostname or ""
        return frozenset(name.lower().strip("[]") for name in (own, *self.hosts))


def context_of(connection: HTTPConnection) -> Context:
    """Returns the context of the application that serves a request."""
    return connection.app.state.context
