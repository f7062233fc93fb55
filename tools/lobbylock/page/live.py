"""What the page hears at once: `/live`, server-sent events that say what changed and where, never what it is.

A browser that hears of a change reads the fragment again, and gets what its viewer may see. So a signal holds a kind
and a door's name alone. The hub is called by the collector's thread and never makes it wait.
"""

import asyncio
import contextlib
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from firmware.core import event
from firmware.core.event import Event
from lobbylock import alarms
from lobbylock.door import Door
from lobbylock.errors import StoreFailed
from lobbylock.page.access import Viewer, for_people
from lobbylock.page.context import context_of
from lobbylock.page.sessions import Sessions
from lobbylock.picture import Announcement
from lobbylock.readers import NOTHING
from lobbylock.verify import TWO_HISTORIES, Gap, Refusal

# Kinds of signals. A story changed; a row came; a door's status; an alarm; what the watchman found; store or broker.
DELIVERY = "delivery"
TRAIL = "trail"
STATUS = "status"
ALARM = "alarm"
# An alarm that residents see as well; to browsers it is one like the others.
FORCED = "forced"
CHECK = "check"
BANNER = "banner"
KINDS = (DELIVERY, TRAIL, STATUS, ALARM, CHECK, BANNER)
# What residents hear of as well.
_FOR_ALL = frozenset((DELIVERY, FORCED, CHECK, BANNER))
# Signals that come together go out together.
_GATHER_S = 0.05
_BETWEEN_S = 0.5
_HEARTBEAT_S = 15
# How long a session that has ended goes on hearing, at most.
_CHECKED_EVERY_S = 15.0
_SEND_S = 10
MAX_CLIENTS = 500
MAX_CLIENTS_EACH = 12
# Accesses of a door that later events may be about.
_REMEMBERED = 64
# An access event, and the record of its door.
Access = tuple[Door, Event]


class Client:
    """One open `/live`: what is waiting for it, at most a signal for each kind and door that its viewer sees."""

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.pending: set[tuple[str, str]] = set()
        self.bell = asyncio.Event()
        self.is_over = False

    def end(self) -> None:
        self.is_over = True
        self.bell.set()


class Hub:
    """A collector's listener, whose methods may be called from any thread, and the clients that hear of it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clients: set[Client] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        # By kind and door, the accesses that a signal is about, by number.
        self._signals: dict[tuple[str, str], dict[int, Access]] = {}
        self._is_woken = False
        # By door, the latest accesses; only of doors that are enrolled, so no more of them than those.
        self._accesses: dict[str, OrderedDict[int, Access]] = {}

    @property
    def clients(self) -> int:
        """How many browsers are listening."""
        return len(self._clients)

    def event(self, door: Door, found: Event) -> None:
        access = self._access_of(door, found)
        if access is not None:
            self.signal(DELIVERY, door.name, access)
        self.signal(TRAIL, door.name)
        if found.kind == event.DOOR_FORCED:
            self.signal(FORCED, door.name)
        elif found.kind in alarms.KINDS:
            self.signal(ALARM, door.name)

    def gap(self, door: str, gap: Gap) -> None:
        self.signal(TRAIL, door)
        self.signal(ALARM, door)

    def picture(self, door: str, announced: Announcement, path: str) -> None:
        for access in self._accesses.get(door, {}).values():
            if access[1].details.get(event.PICTURE_NUMBER) == announced.number:
                self.signal(DELIVERY, door, access)
        self.signal(TRAIL, door)

    def status(self, door: str, status: dict[str, object]) -> None:
        self.signal(STATUS, door)

    def refused(self, topic: str, refusal: Refusal) -> None:
        if refusal.reason == TWO_HISTORIES:
            self.signal(ALARM, "/".join(topic.split("/")[1:3]))

    def signal(self, kind: str, door: str = "", access: "Access | None" = None) -> None:
        """Says that something of `kind` changed, at `door` if it is about one; of `access`, if it is about one."""
        with self._lock:
            if not self._clients or self._loop is None:
                return
            about = self._signals.setdefault((kind, door), {})
            if access is not None and len(about) <= _REMEMBERED:
                about[access[1].seq] = access
            if self._is_woken:
                return
            self._is_woken = True
            loop = self._loop
        # The loop may have been closed with the server.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(loop.call_later, _GATHER_S, self._hand_out)

    def join(self, viewer: Viewer) -> Client | None:
        """Returns a new client, or None if there are too many; to be called in the server's loop."""
        client = Client(viewer)
        with self._lock:
            own = sum(each.viewer.account.id == viewer.account.id for each in self._clients)
            if len(self._clients) >= MAX_CLIENTS or own >= MAX_CLIENTS_EACH:
                return None
            loop = asyncio.get_running_loop()
            if loop is not self._loop:
                self._loop, self._is_woken = loop, False
            self._clients.add(client)
        return client

    def leave(self, client: Client) -> None:
        """Forgets a client."""
        with self._lock:
            self._clients.discard(client)

    def close(self) -> None:
        """Ends all clients, so that the server can end; from any thread."""
        with self._lock:
            clients, loop = list(self._clients), self._loop
        for client in clients:
            with contextlib.suppress(RuntimeError):
                if loop is not None:
                    loop.call_soon_threadsafe(client.end)

    def _access_of(self, door: Door, found: Event) -> "Access | None":
        """Returns the access that an event is about, itself or an earlier one, if it is remembered."""
        known = self._accesses.setdefault(door.name, OrderedDict())
        if found.kind == event.ACCESS:
            known[found.seq] = door, found
            if len(known) > _REMEMBERED:
                known.popitem(last=False)
        if found.kind == event.PICTURE:
            number = found.details.get(event.PICTURE_NUMBER)
            about = [each for each in known.values() if each[1].details.get(event.PICTURE_NUMBER) == number]
            return about[-1] if about else None
        seq = found.seq if found.kind == event.ACCESS else found.details.get(event.ACCESS_SEQ)
        return known.get(seq) if isinstance(seq, int) else None

    def _hand_out(self) -> None:
        with self._lock:
            signals, self._signals = self._signals, {}
            self._is_woken = False
            clients = list(self._clients)
        for client in clients:
            for (kind, door), about in signals.items():
                if _hears(client.viewer, kind, door, about):
                    client.pending.add((ALARM if kind == FORCED else kind, door))
            if client.pending:
                client.bell.set()


def _hears(viewer: Viewer, kind: str, door: str, about: dict[int, Access]) -> bool:
    """Whether a viewer is told. Residents are not told even that another resident came."""
    if door and not viewer.may_see(door):
        return False
    if viewer.is_manager:
        return True
    if kind not in _FOR_ALL:
        return False
    if kind != DELIVERY or len(about) > _REMEMBERED:
        return True
    return any(viewer.reader.level(record, found) > NOTHING for record, found in about.values())


@for_people
async def listen(request: Request, viewer: Viewer) -> Response:
    """Serves `/live`."""
    hub = context_of(request).hub
    if not isinstance(hub, Hub):
        return PlainTextResponse("This page is not live.", 503)
    await run_in_threadpool(_teach, request, viewer)
    client = hub.join(viewer)
    if client is None:
        return PlainTextResponse("Too many pages are open.", 503, {"retry-after": "30"})
    # A browser that takes nothing for a while is given up, and comes back by itself if it is alive.
    return EventSourceResponse(
        _signals(request, hub, client), ping=_HEARTBEAT_S, send_timeout=_SEND_S, headers={"cache-control": "no-store"}
    )


async def _signals(request: Request, hub: Hub, client: Client) -> AsyncIterator[ServerSentEvent]:
    try:
        # What happened between the page and this is not known here, so all of it is read again.
        yield ServerSentEvent(event="hello", data="", retry=2_000)
        loop = asyncio.get_running_loop()
        checked_s = loop.time()
        while not client.is_over:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(client.bell.wait(), max(0.0, checked_s + _CHECKED_EVERY_S - loop.time()))
            # By the clock: a door where much happens must not keep an ended session listening.
            if loop.time() - checked_s >= _CHECKED_EVERY_S:
                if not await run_in_threadpool(_is_in_force, request, client):
                    return
                checked_s = loop.time()
            client.bell.clear()
            pending, client.pending = client.pending, set()
            for kind, door in sorted(pending):
                yield ServerSentEvent(event=kind, data=door)
            await asyncio.sleep(_BETWEEN_S)
    finally:
        hub.leave(client)


def _is_in_force(request: Request, client: Client) -> bool:
    """Whether the session that a client came with is still one, for the same account."""
    context = context_of(request)
    try:
        session = Sessions(context.database).check_hash(client.viewer.token_sha256, int(context.now_s()))
    except StoreFailed:
        # It tells nothing by itself; what it leads to is checked again.
        return True
    if session is None or session.account != client.viewer.account:
        return False
    _teach(request, client.viewer)
    return True


def _teach(request: Request, viewer: Viewer) -> None:
    """Has a resident's reader know their credentials, by which their visitors are told from those of others."""
    context = context_of(request)
    # Without it they hear of less; what they see is read anew in any case.
    with contextlib.suppress(StoreFailed):
        context.history.teach(viewer.reader, viewer.doors(context))


routes: list[BaseRoute] = [Route("/live", listen)]
