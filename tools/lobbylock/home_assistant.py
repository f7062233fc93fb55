"""Shows the doors to Home Assistant: a `collector.Listener` that notes, and a thread with an MQTT client of its own.

What is published was verified and stored before. The listener's methods only note what happened, so a broker that
hangs never holds up the collector; when it is back, the states are told again. Nothing is taken from the broker but
Home Assistant's word that it has started, and what this side has left there itself.
docs/home-assistant.md says what is published and why.
"""

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping

import aiomqtt

from firmware.core.event import Event
from lobbylock import home_assistant_device as device
from lobbylock import logs
from lobbylock.address import Address
from lobbylock.database import Database
from lobbylock.door import Door
from lobbylock.errors import StoreFailed
from lobbylock.history import History
from lobbylock.home_assistant_door import Neighbour, told_type
from lobbylock.home_assistant_link import Link, Outbox
from lobbylock.home_assistant_notes import Notes
from lobbylock.home_assistant_publisher import Publisher, Showing
from lobbylock.home_assistant_store import Sights
from lobbylock.picture import Announcement
from lobbylock.readers import Reader
from lobbylock.verify import Gap, Refusal
from lobbylock.watchman import Noticed

_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 60.0
# A connection that lived this long was a good one: the next wait starts from the shortest again.
_GOOD_AFTER_S = 60.0
_STORE_PAUSE_S = 5.0
_TICK_S = 0.5
# A broker that does not answer is not waited for longer at the end.
_LAST_WORDS_S = 2.0
_STOP_S = 10.0


class HomeAssistant:
    """Publishes the doors of the store `database` to the broker at `address`, by `names`.

    `doors` returns the records of all doors by full name. `now_s` gives Unix time.
    """

    def __init__(
        self,
        database: Database,
        doors: Callable[[], dict[str, Door]],
        history: History,
        address: Address,
        names: device.Names,
        showing: Showing | None = None,
        *,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        showing = showing or Showing()
        reader = Reader("manager") if showing.shows_all else Neighbour()
        self._address = address
        self._names = names
        self._notes = Notes(self._ring, lambda door, found: told_type(reader, door, found))
        sights = Sights(database, doors, history, reader, now_s)
        self._publisher = Publisher(names, doors, sights, self._notes, reader, showing, now_s)
        self._log = logs.get("home_assistant")
        # Set by the thread, once its loop runs.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._bell = asyncio.Event()
        self._stop = asyncio.Event()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="home-assistant", daemon=True)

    # A collector.Listener, a subscription.Watcher and the watchman's callback. Called from their threads.

    def event(self, door: Door, found: Event) -> None:
        self._notes.add_event(door, found)

    def gap(self, door: str, gap: Gap) -> None:
        self._notes.touch(door)

    def picture(self, door: str, announced: Announcement, path: str) -> None:
        self._notes.touch(door)

    def status(self, door: str, status: Mapping[str, object]) -> None:
        self._notes.set_status(door, status)

    def refused(self, topic: str, refusal: Refusal) -> None:
        """Nothing: what was refused was not verified. Two histories are an alarm, which is looked for."""

    def connection(self, is_up: bool, reason: str = "", wait_s: float = 0) -> None:
        self._notes.set_connection(is_up)

    def watch_changed(self, findings: Iterable[Noticed]) -> None:
        """Takes all that the watchman finds wrong now."""
        self._notes.set_findings(findings)

    # The thread.

    def start(self) -> None:
        """Begins to publish; a broker that is not there is waited for."""
        self._thread.start()

    def stop(self) -> None:
        """Says that this side is not there any more, and ends; from any thread."""
        self._is_stopping = True
        self._call(self._stop.set)
        if self._thread.is_alive():
            self._thread.join(_STOP_S)

    def _ring(self) -> None:
        self._call(self._bell.set)

    def _call(self, function: Callable[[], object]) -> None:
        loop = self._loop
        if loop is not None:
            # A loop that has ended has nothing to be told.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(function)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        """Connects again and again until it is to stop."""
        self._loop = asyncio.get_running_loop()
        wait_s, told = _FIRST_WAIT_S, ""
        # It may have been set before the loop was there to be told.
        while not self._is_stopping:
            started_s = self._loop.time()
            reason = await self._connect_until_stopped()
            if self._loop.time() - started_s > _GOOD_AFTER_S:
                wait_s, told = _FIRST_WAIT_S, ""
            if self._is_stopping:
                return
            if reason != told:
                self._log.warning("no broker", address=str(self._address), reason=reason)
                told = reason
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stop.wait(), wait_s * random.uniform(0.5, 1.0))  # noqa: S311 no secret
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    async def _connect_until_stopped(self) -> str:
        """Publishes over one connection, and gives up one that does not end when it is to stop. Returns why."""
        connecting = asyncio.create_task(self._connect())
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({connecting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not connecting.done():
                await asyncio.wait({connecting}, timeout=_LAST_WORDS_S)
            return connecting.result() if connecting.done() else "stopped"
        finally:
            connecting.cancel()
            stopping.cancel()
            await asyncio.gather(connecting, stopping, return_exceptions=True)

    async def _connect(self) -> str:
        """Publishes over one connection. Returns why it ended."""
        link: Link | None = None
        try:
            link = Link(self._address, self._names, lambda: self._greet(link))
            async with link.client:
                await self._go_on(link)
            return "stopped"
        except aiomqtt.MqttError as error:
            return str(error.__cause__ or error) or "no answer"
        except Exception as error:  # noqa: BLE001 a fault of ours must not end it for good: the next one begins afresh
            self._log.exception("publishing failed")
            return type(error).__name__
        finally:
            if link is not None:
                link.drop()

    def _greet(self, link: Link | None) -> None:
        """Home Assistant has started: it is told everything again."""
        if link is not None:
            self._log.info("Home Assistant has started")
            link.outbox.forget()
            self._bell.set()

    async def _go_on(self, link: Link) -> None:
        """Publishes until the connection ends or it is to stop."""
        tasks = [asyncio.create_task(each) for each in (link.listen(), self._publish(link), self._stop.wait())]
        has_said = False
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            tasks[1].cancel()
            await asyncio.gather(tasks[1], return_exceptions=True)
            # An end like this sends no last will.
            await link.outbox.put(self._names.service, device.OFFLINE.encode())
            has_said = True
        finally:
            if not has_said:
                # Without a farewell the broker publishes the last will.
                link.drop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _publish(self, link: Link) -> None:
        """Tells all there is, then that this side is there, then what changes."""
        await link.sweep()
        is_failing = False
        is_clean = False
        while True:
            self._bell.clear()
            pause_s = _TICK_S
            try:
                await self._publisher.step(link.outbox, time.monotonic())
                if not is_clean:
                    is_clean = True
                    await self._clean_up(link.outbox)
                # Said again to a Home Assistant that has just started.
                await link.outbox.put(self._names.service, device.ONLINE.encode())
                is_failing = False
            except StoreFailed as failure:
                if not is_failing:
                    self._log.warning("the store fails", reason=str(failure))
                is_failing, pause_s = True, _STORE_PAUSE_S
            if is_failing:
                await asyncio.sleep(pause_s)
                continue
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._bell.wait(), pause_s)

    async def _clean_up(self, outbox: Outbox) -> None:
        self._log.info("connected", address=str(self._address))
        for door in await outbox.remove_strays(self._publisher.door_names):
            self._log.info("door removed", door=door)
