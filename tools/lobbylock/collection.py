"""The collector as a part of a service: a thread that takes in what locks send, whatever fails meanwhile.

A store that fails does not end it. Nothing is acknowledged then, so the locks keep what they recorded and send it
again; the store is tried again with growing pauses, and `banner()` says so until it works.
"""

import asyncio
import concurrent.futures
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert

from lobbylock import tables
from lobbylock.address import Address
from lobbylock.collector import Collector, Listener, Reply
from lobbylock.enrolment import Enrolments
from lobbylock.errors import StoreFailed, UserError
from lobbylock.files import make_folder, write_private
from lobbylock.signature import Signer
from lobbylock.subscription import Subscription

if TYPE_CHECKING:
    from lobbylock.database import Database
    from lobbylock.verify import Refusal

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_PUBLISH_S = 10.0
_STOP_S = 10.0
_PROBE = "probe"
_PROBE_BYTES = 65_536
_logger = logging.getLogger(__name__)


class Collection:
    """Collects from the broker at `address` into `database`, and tells `listener`.

    `on_change` is called, in its thread, when what `banner` says changes. `timed(operation)` gives a context manager
    that measures what is done inside.
    """

    def __init__(
        self,
        address: Address,
        database: "Database",
        enrolments: Enrolments,
        signer: Signer,
        listener: Listener,
        *,
        now_s: Callable[[], float] = time.time,
        on_change: Callable[[], None] = lambda: None,
        timed: Callable[[str], contextlib.AbstractContextManager[object]] = lambda _: contextlib.nullcontext(),
    ) -> None:
        self._address = address
        self._database = database
        self._make_collector = lambda store: Collector(store, enrolments, signer, listener, now_s)
        self._listener = listener
        self._on_change = on_change
        self._timed = timed
        self._collector: Collector | None = None
        self._open = contextlib.ExitStack()
        self._store_failure: str | None = None
        # Whether it was a picture's file that failed: the database takes in events then.
        self._is_of_pictures = False
        self._broker_failure: str | None = None
        self._try_again_s = 0.0
        self._pause_s = _FIRST_PAUSE_S
        self._subscription: Subscription | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._is_ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="collection", daemon=True)

    def start(self) -> None:
        """Begins to collect; a broker that is not there is waited for."""
        self._thread.start()
        self._is_ready.wait()

    def stop(self) -> None:
        """Ends it once what is being stored is stored; from any thread."""
        if self._loop is not None and self._stop is not None:
            # A loop that has ended has nothing to be told.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(_STOP_S)

    def banner(self) -> str | None:
        """Returns a sentence while store or broker fail."""
        # Read once each: another thread writes them.
        of_store, of_broker = self._store_failure, self._broker_failure
        if of_store is not None and self._is_of_pictures:
            return f"{of_store} None is acknowledged meanwhile, so the locks keep them."
        if of_store is not None:
            return f"{of_store} Nothing is acknowledged meanwhile, so the locks keep what they recorded."
        if of_broker is not None:
            return f"{of_broker} The locks keep what they recorded, and send it later."
        return None

    def publish(self, messages: Sequence[tuple[str, bytes, bool]]) -> None:
        """Publishes (topic, payload, whether it is retained) and returns once the broker has them; not in its own
        thread. Raises UserError if it does not take them."""
        if self._loop is None or not self._thread.is_alive():
            raise UserError("The collector does not run.")
        sent = asyncio.run_coroutine_threadsafe(self._publish(messages), self._loop)
        try:
            sent.result(_PUBLISH_S)
        except (concurrent.futures.TimeoutError, TimeoutError):
            sent.cancel()
            raise UserError(f"The broker at {self._address} does not answer.") from None

    def handle(self, topic: str, payload: bytes, is_retained: bool = False) -> list[Reply]:
        """Returns what to answer a message with; nothing while the store fails."""
        is_affected = not self._is_of_pictures or topic.endswith("/picture")
        if self._store_failure is not None and is_affected and time.monotonic() < self._try_again_s:
            return []
        try:
            if self._collector is None:
                self._collector = self._make_collector(self._open.enter_context(self._database.store()))
            with self._timed("take"):
                replies = self._collector.handle(topic, payload, is_retained)
        except (StoreFailed, UserError, OSError) as error:
            self._note_failure(error)
            return []
        except Exception:  # one message that finds a fault of ours must not stop those of other doors
            _logger.exception("a message could not be handled; it stays with its lock")
            return []
        # Of room for pictures the probe decides: an event says nothing about it.
        if self._store_failure is not None and not self._is_of_pictures:
            self._note_success()
        return replies

    # A subscription.Watcher.

    def connection(self, is_up: bool, reason: str = "", wait_s: float = 0) -> None:
        failure = None if is_up else f"There is no connection to the broker at {self._address}."
        if failure != self._broker_failure:
            self._broker_failure = failure
            self._on_change()
        tell = getattr(self._listener, "connection", None)
        if tell is not None:
            tell(is_up, reason, wait_s)

    def refused(self, topic: str, refusal: "Refusal") -> None:
        self._listener.refused(topic, refusal)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._is_ready.set()
            self._close_store()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._subscription = Subscription(self._address, self.handle, self)
        self._is_ready.set()
        probe = asyncio.create_task(self._probe())
        try:
            await self._subscription.run(self._stop, is_patient=True)
        finally:
            probe.cancel()

    async def _publish(self, messages: Sequence[tuple[str, bytes, bool]]) -> None:
        if self._subscription is None:
            raise UserError("The collector does not run.")
        for topic, payload, is_retained in messages:
            await self._subscription.publish(topic, payload, is_retained=is_retained)

    async def _probe(self) -> None:
        """Tries a store that failed also when nobody sends anything."""
        while True:
            await asyncio.sleep(_FIRST_PAUSE_S)
            if self._store_failure is None or time.monotonic() < self._try_again_s:
                continue
            try:
                await asyncio.to_thread(self._write_something)
            except (StoreFailed, UserError, OSError) as error:
                self._note_failure(error)
            else:
                self._note_success()

    def _write_something(self) -> None:
        with self._database.begin() as connection:
            row = {"name": _PROBE, "failures": 0, "last_s": 0, "next_s": 0}
            connection.execute(delete(tables.attempt).where(tables.attempt.c.name == _PROBE))
            connection.execute(insert(tables.attempt).values(**row))
        if self._is_of_pictures:
            folder = self._database.pictures
            make_folder(folder)
            write_private(folder / _PROBE, bytes(_PROBE_BYTES))
            (folder / _PROBE).unlink()

    def _note_failure(self, error: Exception) -> None:
        self._close_store()
        sentence = _sentence(error)
        is_news = sentence != self._store_failure
        self._store_failure = sentence
        self._is_of_pictures = isinstance(error, OSError)
        self._try_again_s = time.monotonic() + self._pause_s
        self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)
        if is_news:
            _logger.error("%s", sentence)
            self._on_change()

    def _note_success(self) -> None:
        self._store_failure = None
        self._is_of_pictures = False
        self._pause_s = _FIRST_PAUSE_S
        _logger.info("The store works again.")
        self._on_change()

    def _close_store(self) -> None:
        self._collector = None
        # A connection that is gone may fail once more when it is closed.
        with contextlib.suppress(StoreFailed, OSError):
            self._open.close()


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"Pictures cannot be kept: {error.strerror or 'the disk failed'}."
    return str(error) or "The store failed."
