"""All of `lobbylock serve` in one process: the collector, the page, the watchman and whoever listens with them."""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.routing import BaseRoute

from lobbylock.address import Address
from lobbylock.collection import Collection
from lobbylock.collector import Listener
from lobbylock.door import Door
from lobbylock.enrolment import Enrolments
from lobbylock.errors import StoreFailed, UserError
from lobbylock.history import History
from lobbylock.home import Home
from lobbylock.listeners import Listeners
from lobbylock.page.accounts import Passwords
from lobbylock.page.app import build_app
from lobbylock.page.context import Context
from lobbylock.page.live import BANNER, CHECK, Hub
from lobbylock.page.server import Listening, Server, is_loopback
from lobbylock.pruning import Pruning
from lobbylock.watchman import Watch

if TYPE_CHECKING:
    from lobbylock.database import Database

# The list of doors is read again after this time; each record is, when its file changes.
_DOORS_S = 1.0


@dataclass(frozen=True)
class Serving:
    """What an operator chooses: `url` is the address that people open, if another than where it listens;
    `keep_pictures` are rules like "30d" and "maple-12=7d"; `metrics_token` lets programs read the figures."""

    listening: Listening = Listening()
    url: str | None = None
    keep_pictures: tuple[str, ...] = ()
    metrics_token: str | None = None

    def __post_init__(self) -> None:
        if self.url is None and self.listening.host in ("0.0.0.0", "::"):  # noqa: S104 compared, not listened at
            raise UserError("Say which address people open: add --url https://NAME:PORT.")
        if self.url is not None and urlsplit(self.url).scheme != "https":
            if self.listening.is_tls or not is_loopback(urlsplit(self.url).hostname or ""):
                raise UserError(
                    f"{self.url} would send passwords and pictures in the clear: people open an address with https://."
                )


class DoorBook:
    """The records of all doors, from memory; safe to be asked by several threads."""

    def __init__(self, home: Home, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._home = home
        self._enrolments = Enrolments(home)
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._doors: dict[str, Door] = {}
        self._read_s: float | None = None

    def __call__(self) -> dict[str, Door]:
        """Returns them by full name; a record that cannot be read is left out."""
        with self._lock:
            now_s = self._monotonic()
            if self._read_s is None or now_s - self._read_s >= _DOORS_S:
                found = {name: self._enrolments.find(name) for name in self._home.door_names()}
                self._doors = {name: door for name, door in found.items() if door is not None}
                self._read_s = now_s
            return self._doors


class Service:
    """The running service, also as a context manager; `address` is that of the broker.

    `listeners` hear what is stored, beside the page itself. Those that have them are told `connection(is_up, reason,
    wait_s)` of the broker and `watch_changed(findings)` of the watchman, and are started and stopped with the service.
    `extra_routes` are served beside the page, and managers are led to `more_pages` of them, (text, address); `metrics`
    counts what happens (lobbylock.metrics).
    """

    def __init__(
        self,
        home: Home,
        database: "Database",
        address: Address,
        serving: Serving | None = None,
        *,
        listeners: Sequence[Listener] = (),
        extra_routes: Sequence[BaseRoute] = (),
        more_pages: Sequence[tuple[str, str]] = (),
        now_s: Callable[[], float] = time.time,
        passwords: Passwords | None = None,
        metrics: Any = None,
    ) -> None:
        serving = serving or Serving()
        self.hub = Hub()
        self._listeners = [*listeners] if metrics is None else [metrics, *listeners]
        self._started: list[Any] = []
        signer = home.collector()
        doors = DoorBook(home)
        self._collection = Collection(
            address,
            database,
            Enrolments(home),
            signer,
            Listeners([self.hub, *self._listeners]),
            now_s=now_s,
            on_change=lambda: self.hub.signal(BANNER),
            **({} if metrics is None else {"timed": metrics.store_time}),
        )
        self._watch = Watch(database, home.path)
        self._watch.on_change(self._tell_findings)
        self.context = Context(
            home,
            database,
            doors,
            History(database, doors, signer.public_key, home.path),
            self.hub,
            watch=self._watch,
            publish=self._collection.publish,
            banner=self._collection.banner,
            now_s=now_s,
            keep_pictures=serving.keep_pictures,
            metrics=metrics,
            metrics_token=serving.metrics_token,
            is_loopback_only=is_loopback(serving.listening.host),
            more_pages=more_pages,
        )
        self.app = build_app(self.context, extra_routes, passwords)
        self._server = Server(self.app, serving.listening, self.hub.close)
        self._pruning = Pruning(database, doors, signer, serving.keep_pictures, now_s)
        own_names = ("127.0.0.1", "localhost", "::1") if self.context.is_loopback_only else ()
        self.context.url = serving.url or self._server.url
        self.context.hosts = (serving.listening.host, *own_names)

    @property
    def url(self) -> str:
        """The address that people open."""
        return self.context.url

    def start(self) -> "Service":
        """Returns when the page can be opened. Raises UserError if it cannot, with everything ended again."""
        parts: list[Any] = [each for each in self._listeners if hasattr(each, "start")]
        try:
            for part in (*parts, self._watch, self._pruning, self._collection, self._server):
                # Noted before: what fails half-way is ended as well.
                self._started.append(part)
                part.start()
        except BaseException:
            self.stop()
            raise
        threading.Thread(target=self._prepare, name="lobbylock-keys", daemon=True).start()
        return self

    def _prepare(self) -> None:
        # Whoever asks meanwhile waits as long as without it; a store that fails is the collector's to tell.
        with contextlib.suppress(StoreFailed, UserError, OSError):
            self.context.history.prepare()

    def stop(self) -> None:
        """Ends everything, the page first; from any thread, also more than once."""
        started, self._started = self._started, []
        for part in reversed(started):
            part.stop()
        # The server listens from the moment that it is made.
        self._server.stop()

    def __enter__(self) -> "Service":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _tell_findings(self) -> None:
        findings = list(self._watch.findings)
        for listener in self._listeners:
            tell = getattr(listener, "watch_changed", None)
            if tell is not None:
                tell(findings)
        self.hub.signal(CHECK)
