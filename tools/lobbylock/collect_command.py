"""`lobbylock collect`: takes in what the locks recorded."""

import asyncio
import contextlib
import signal
from pathlib import Path
from typing import Annotated

import typer

from lobbylock.address import Address
from lobbylock.collector import Collector, Reply
from lobbylock.door import Door
from lobbylock.enrolment import Enrolments
from lobbylock.home import Home
from lobbylock.options import (
    DEFAULT_HOME,
    HomeOption,
    JsonOption,
    KeepOption,
    PicturesOption,
    StoreOption,
    open_database,
    open_home,
)
from lobbylock.pruning import Pruning
from lobbylock.report import Report
from lobbylock.subscription import Subscription
from lobbylock.terminal import open_console

# A lock sends its next message a moment after the acknowledgement of the last one.
_QUIET_S = 3.0
_LOOK_S = 0.1


def collect(
    broker: Annotated[str, typer.Option(envvar="LOBBYLOCK_BROKER", metavar="URL")] = "mqtt://127.0.0.1:1883",
    user: Annotated[str | None, typer.Option(help="Broker user of the collector.")] = None,
    password: Annotated[str | None, typer.Option(envvar="LOBBYLOCK_MQTT_PASSWORD", show_envvar=True)] = None,
    ca: Annotated[
        Path | None, typer.Option(metavar="FILE", help="PEM certificate that the broker's chains to.")
    ] = None,
    cert: Annotated[Path | None, typer.Option(metavar="FILE", help="PEM certificate of the collector.")] = None,
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="PEM key of the collector.")] = None,
    store: StoreOption = None,
    pictures: PicturesOption = None,
    keep: KeepOption = None,
    once: Annotated[bool, typer.Option("--once", help="Stop when what the locks have to send is in.")] = False,
    for_s: Annotated[float | None, typer.Option("--for", metavar="SECONDS", help="Stop after this time.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Keep trying if the broker is not there at the start.")] = False,
    is_json: JsonOption = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Verify, store and acknowledge the events and pictures of all enrolled doors."""
    folder = open_home(home)
    signer = folder.collector()
    address = Address.parse(broker, user=user, password=password, ca=ca, cert=cert, key=key)
    report = Report(open_console(), is_json)
    with open_database(folder, store, pictures) as database, database.store() as opened:
        visit = _Visit(Collector(opened, Enrolments(folder), signer, report), report)
        pruning = Pruning(database, lambda: _doors(folder), signer, keep or [])
        pruning.start()
        try:
            asyncio.run(_run(address, visit, report, is_once=once, for_s=for_s, is_patient=wait))
        finally:
            pruning.stop()
        report.finish()
    if once and not visit.is_over():
        raise typer.Exit(1)


def _doors(folder: Home) -> dict[str, Door]:
    return {name: folder.door(name) for name in folder.door_names()}


class _Visit:
    """Notices when the locks have nothing more to send: for `--once`."""

    def __init__(self, collector: Collector, report: Report) -> None:
        self._collector = collector
        self._report = report
        self._answered_s: float | None = None

    def handle(self, topic: str, payload: bytes, is_retained: bool) -> list[Reply]:
        replies = self._collector.handle(topic, payload, is_retained)
        if replies:
            self._answered_s = asyncio.get_running_loop().time()
        return replies

    def is_over(self) -> bool:
        """Whether something came and every announced picture did."""
        return self._answered_s is not None and self._report.counts["pictures"] >= self._report.counts["announced"]

    async def watch(self, stop: asyncio.Event) -> None:
        """Sets `stop` when it is over and has been quiet for a while."""
        loop = asyncio.get_running_loop()
        while not self.is_over() or loop.time() - (self._answered_s or 0) < _QUIET_S:
            await asyncio.sleep(_LOOK_S)
        stop.set()


async def _run(
    address: Address, visit: _Visit, report: Report, *, is_once: bool, for_s: float | None, is_patient: bool
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Elsewhere than on Unix, Ctrl-C arrives as KeyboardInterrupt.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    if for_s is not None:
        loop.call_later(for_s, stop.set)
    watch = asyncio.create_task(visit.watch(stop)) if is_once else None
    try:
        await Subscription(address, visit.handle, report).run(stop, is_patient=is_patient)
    finally:
        if watch is not None:
            watch.cancel()
