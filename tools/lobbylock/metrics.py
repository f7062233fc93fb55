"""Figures for Prometheus: what the service counted since its start, and how doors, store and alerts are at a scrape.

Labels are doors that are enrolled, and words from fixed tables: no names of people, no addresses, nothing that a
stranger could multiply.
"""

import contextlib
import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from sqlalchemy import func, select
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from firmware.core import event, event_names
from lobbylock import __version__, alert_queue, tables
from lobbylock.door import Door
from lobbylock.errors import StoreFailed
from lobbylock.eventline import kind_name
from lobbylock.picture import Announcement
from lobbylock.verify import Gap, Refusal

if TYPE_CHECKING:
    from lobbylock.database import Database

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_STORE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_PAGE_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_METHODS = ("GET", "HEAD", "POST")
# Answers without an end would spoil the page's times.
_STREAMS = ("/live",)


class Watched(Protocol):
    """What the watchman says of himself."""

    @property
    def findings(self) -> Collection[Any]: ...

    @property
    def alterations(self) -> Collection[Any]: ...

    @property
    def checked_s(self) -> float | None: ...


class Metrics:
    """A `collector.Listener` and `subscription.Watcher` that counts. Methods may be called in any thread."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry(auto_describe=False)
        names = ("door",)
        self._events = Counter("lobbylock_events", "Events stored.", (*names, "kind"), registry=registry)
        self._accesses = Counter(
            "lobbylock_accesses", "Accesses by what the lock decided.", (*names, "reason"), registry=registry
        )
        self._pictures = Counter("lobbylock_pictures", "Pictures stored.", names, registry=registry)
        self._gaps = Counter("lobbylock_gaps_found", "Gaps found in records.", names, registry=registry)
        self._refusals = Counter(
            "lobbylock_messages_refused", "Messages that were not what a lock sends.", ("reason",), registry=registry
        )
        self._up = Gauge("lobbylock_broker_connected", "1 while the broker is connected.", registry=registry)
        self._losses = Counter("lobbylock_broker_losses", "Connections lost or not made.", registry=registry)
        self._store = Histogram(
            "lobbylock_store_seconds",
            "Time to check and store a message.",
            ("operation",),
            buckets=_STORE_BUCKETS,
            registry=registry,
        )
        self._requests = Counter(
            "lobbylock_page_requests", "Requests to the page.", ("method", "route", "status"), registry=registry
        )
        self._page = Histogram(
            "lobbylock_page_seconds", "Time to answer.", ("route",), buckets=_PAGE_BUCKETS, registry=registry
        )
        self._logins = Counter("lobbylock_logins_failed", "Logins with a wrong name or password.", registry=registry)
        self._store_failures = Counter("lobbylock_store_failures", "Times that the store failed.", registry=registry)
        version = Gauge("lobbylock_build_info", "Which version this is.", ("version",), registry=registry)
        version.labels(__version__).set(1)

    def event(self, door: Door, found: event.Event) -> None:
        self._events.labels(door.name, kind_name(found.kind) if found.kind < 256 else "other").inc()
        if found.kind == event.ACCESS:
            self._accesses.labels(door.name, _reason(found.details.get(event.REASON))).inc()

    def gap(self, door: str, gap: Gap) -> None:
        self._gaps.labels(door).inc()

    def picture(self, door: str, announced: Announcement, path: str) -> None:
        self._pictures.labels(door).inc()

    def status(self, door: str, status: Mapping[str, object]) -> None:
        """Nothing: the last one of each door is in the store."""

    def refused(self, topic: str, refusal: Refusal) -> None:
        self._refusals.labels(refusal.reason).inc()

    def connection(self, is_up: bool, reason: str = "", wait_s: float = 0) -> None:
        self._up.set(is_up)
        if not is_up:
            self._losses.inc()

    def login_failed(self) -> None:
        self._logins.inc()

    @contextlib.contextmanager
    def store_time(self, operation: str = "take") -> Iterator[None]:
        """Times what happens inside, and counts if the store fails there."""
        started_s = time.perf_counter()
        try:
            yield
        except (StoreFailed, OSError):
            self._store_failures.inc()
            raise
        finally:
            self._store.labels(operation).observe(time.perf_counter() - started_s)

    def count_request(self, method: str, route: str, status: int, duration_s: float) -> None:
        """Counts an answer of the page; `route` is the pattern of its address, "/door/{building}/{door}"."""
        self._requests.labels(method if method in _METHODS else "other", route, str(status)).inc()
        if route not in _STREAMS:
            self._page.labels(route).observe(duration_s)

    def text(
        self,
        database: "Database",
        doors: Callable[[], Mapping[str, Door]],
        watch: Watched | None,
        now_s: float,
    ) -> bytes:
        """Returns all figures in Prometheus' text format. A store that fails is one of them."""
        scrape = _Scrape(self, database, doors(), watch, now_s)
        # First, because looking it up is counted too.
        looked_up = generate_latest(_Once(scrape))
        return generate_latest(self._registry) + looked_up


class _Once(CollectorRegistry):
    """A registry of what is looked up at this scrape only."""

    def __init__(self, scrape: "_Scrape") -> None:
        super().__init__(auto_describe=False)
        self._scrape = scrape

    def collect(self) -> Iterable[Metric]:
        return self._scrape.collect()


class _Scrape:
    def __init__(
        self, metrics: Metrics, database: "Database", doors: Mapping[str, Door], watch: Watched | None, now_s: float
    ) -> None:
        self._metrics = metrics
        self._database = database
        self._doors = doors
        self._watch = watch
        self._now_s = now_s

    def collect(self) -> Iterator[Metric]:
        try:
            with self._metrics.store_time("read"), self._database.connect() as connection:
                statuses = list(connection.execute(select(tables.status)))
                gap = select(tables.chain.c.door, func.count()).join(
                    tables.gap, tables.gap.c.chain == tables.chain.c.id
                )
                gaps = {door: count for door, count in connection.execute(gap.group_by(tables.chain.c.door))}
                alerts = alert_queue.counts(connection)
                now_locked = select(func.count()).select_from(tables.attempt)
                locked = connection.execute(now_locked.where(tables.attempt.c.next_s > self._now_s)).scalar() or 0
        except StoreFailed:
            yield _one("lobbylock_store_up", "1 while the store can be read.", 0)
        else:
            yield _one("lobbylock_store_up", "1 while the store can be read.", 1)
            yield from self._of_doors(statuses, gaps)
            yield _one("lobbylock_alerts_waiting", "Alerts that wait to be sent.", alerts["waiting"])
            yield _one("lobbylock_alerts_late", "Alerts of which an attempt failed.", alerts["late"])
            yield _one("lobbylock_alerts_given_up", "Alerts that nobody got.", alerts["given_up"])
            yield _one("lobbylock_logins_delayed", "Names and addresses that have to wait.", locked)
        yield _one("lobbylock_doors", "Doors that there are.", len(self._doors))
        yield from self._of_watch()

    def _of_doors(self, statuses: Iterable[Any], gaps: Mapping[str, int]) -> Iterator[Metric]:
        families = [
            ("online", "1 if the broker says that the lock is connected; nobody signs that.", []),
            ("last_status_timestamp_seconds", "When a status of the lock came last.", []),
            ("last_seen_timestamp_seconds", "When the lock was connected last.", []),
            ("pending_events", "Events in the lock that were not stored yet, as it says.", []),
            ("heap_free_bytes", "Free memory of the lock, as it says.", []),
            ("clock_uncertainty_seconds", "How far the lock's clock may be off, as it says.", []),
        ]
        values = {name: found for name, _, found in families}
        for row in statuses:
            if row.door not in self._doors:
                continue
            content = _content(row.content)
            values["online"].append((row.door, int(bool(row.online))))
            values["last_status_timestamp_seconds"].append((row.door, row.received_s))
            values["last_seen_timestamp_seconds"].append((row.door, row.online_s))
            values["pending_events"].append((row.door, content.get("pending")))
            values["heap_free_bytes"].append((row.door, content.get("heap")))
            clock_ms = content.get("clock")
            clock_s = clock_ms / 1000 if isinstance(clock_ms, int) else None
            values["clock_uncertainty_seconds"].append((row.door, clock_s))
        for name, help_text, found in families:
            yield _by_door(f"lobbylock_door_{name}", help_text, found)
        open_gaps = [(door, gaps.get(door, 0)) for door in sorted(self._doors)]
        yield _by_door("lobbylock_door_gaps", "Gaps in the record that are open.", open_gaps)

    def _of_watch(self) -> Iterator[Metric]:
        if self._watch is None:
            return
        yield _one("lobbylock_watchman_findings", "What the watchman finds, gaps too.", len(self._watch.findings))
        altered = len(self._watch.alterations)
        yield _one("lobbylock_watchman_alterations", "Of these, what somebody altered in the store.", altered)
        checked_s = self._watch.checked_s
        if checked_s is not None:
            age_s = max(0.0, self._now_s - checked_s)
            yield _one("lobbylock_watchman_age_seconds", "Since the record was last checked whole.", age_s)


def _one(name: str, help_text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help_text, value=value)


def _by_door(name: str, help_text: str, values: Iterable[tuple[str, Any]]) -> Metric:
    family = GaugeMetricFamily(name, help_text, labels=("door",))
    for door, value in values:
        if _is_number(value):
            family.add_metric((door,), value)
    return family


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _content(text: object) -> dict[str, Any]:
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {}


def _reason(number: object) -> str:
    if type(number) is int and 0 <= number < len(event_names.REASON_NAMES):
        return event_names.REASON_NAMES[number]
    return "other"


class RequestCount:
    """Wraps an application and counts its answers by the pattern of their address, never by the address itself."""

    def __init__(self, app: ASGIApp, metrics: Metrics, routes: Iterable[BaseRoute] = ()) -> None:
        self._app = app
        self._metrics = metrics
        self._patterns = dict(_patterns(routes))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_s = time.perf_counter()
        status = 500

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            route = self._patterns.get(id(scope.get("endpoint")), "other")
            self._metrics.count_request(scope["method"], route, status, time.perf_counter() - started_s)


def _patterns(routes: Iterable[BaseRoute], prefix: str = "") -> Iterator[tuple[int, str]]:
    for route in routes:
        if isinstance(route, Route):
            yield id(route.endpoint), prefix + route.path
        elif isinstance(route, Mount):
            # What is mounted may be a program of its own, such as a folder of files.
            yield id(route.app), f"{prefix}{route.path}/*"
            yield from _patterns(route.routes or (), prefix + route.path)
