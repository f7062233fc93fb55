"""The virtual door in the browser: the real page, with the street beside it, in one process until Ctrl-C."""

import contextlib
import os
import secrets
import signal
import sys
import time
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO, cast

from rich.console import Console
from rich.text import Text

from lobbylock.address import Address
from lobbylock.database import Database
from lobbylock.demo.deck import BUILDING, RESIDENT
from lobbylock.demo.lines import LineFile
from lobbylock.demo.stage import Stage
from lobbylock.demo.street import Street
from lobbylock.demo.street_page import STREET, Entrance, StreetPage
from lobbylock.errors import UserError
from lobbylock.home import Home
from lobbylock.page.accounts import MANAGER, Accounts
from lobbylock.page.accounts import RESIDENT as RESIDENT_ROLE
from lobbylock.page.server import Listening, bind
from lobbylock.page.service import Service, Serving
from lobbylock.report import Report

HOST = "127.0.0.1"
MANAGER_NAME = "manager"
RESIDENT_NAME = "anna"
# Long enough to reach for the door with a mouse.
RELEASE_MS = 5_000
_PASSWORD_BYTES = 12
_CAMERA_STARTS_MS = 2_500
_LOOK_S = 60.0


class Scene:
    """Stage, page and street in the empty `folder`, all of it as a context manager; `port` 0 is a free one.

    `url` is the page's address, `link` the way in that works once; `passwords` by account name, with a `manager` and
    a resident of the door's building. `prelude` is played on the open stage before the street is.
    """

    def __init__(
        self, folder: Path, port: int = 0, *, prelude: Callable[[Stage], object] | None = None, **stage_options: Any
    ) -> None:
        self.passwords = {name: secrets.token_urlsafe(_PASSWORD_BYTES) for name in (MANAGER_NAME, RESIDENT_NAME)}
        self._port = port
        self._prelude = prelude
        options = {"now_s": time.time, "door_options": ("--release-ms", str(RELEASE_MS)), **stage_options}
        self.stage = Stage(folder, make_collector=self._serve, **options)
        self.street = Street(self.stage)
        self._entrance = Entrance(MANAGER_NAME)
        self._page = StreetPage(self.street, self._entrance)
        self._closing = contextlib.ExitStack()
        self.service: Service | None = None

    @property
    def url(self) -> str:
        return self.service.url if self.service else ""

    @property
    def link(self) -> str:
        return self.url + self._entrance.path

    def __enter__(self) -> "Scene":
        try:
            self._closing.enter_context(self.stage)
            self.stage.wait_for_time()
            self.stage.board.run_for(_CAMERA_STARTS_MS)
            if self._prelude is not None:
                self._prelude(self.stage)
            # Its end lets go of whoever listens, before the server ends.
            self._closing.callback(self._page.close)
            self._closing.enter_context(self.street)
        except BaseException:
            self._closing.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    @contextlib.contextmanager
    def _serve(self, stage: Stage) -> Iterator[None]:
        """Runs `lobbylock serve` in this process, as the collector of `stage`."""
        with contextlib.closing(Database.open(str(stage.store))) as database:
            accounts = Accounts(database)
            now_s = int(stage.now_s)
            accounts.create(MANAGER_NAME, MANAGER, self.passwords[MANAGER_NAME], now_s)
            resident = self.passwords[RESIDENT_NAME]
            accounts.create(RESIDENT_NAME, RESIDENT_ROLE, resident, now_s, buildings=[BUILDING], person=RESIDENT)
            report = Report(Console(file=cast(TextIO, LineFile(stage.take))), is_json=True)
            with Service(
                Home(stage.home),
                database,
                Address.parse(stage.broker.url),
                Serving(Listening(HOST, self._port)),
                extra_routes=self._page.routes,
                more_pages=[("Street", STREET)],
                listeners=[report],
                now_s=lambda: stage.now_s,
            ) as self.service:
                yield


def show(folder: Path, port: int, console: Console, *, opens_browser: bool) -> None:
    """Opens the door in the empty `folder`, prints the way in, and goes on until Ctrl-C or SIGTERM."""
    try:
        # Before anything is started that would have to be ended again.
        bind(Listening(HOST, port)).close()
    except UserError as error:
        raise UserError(f"{error} `--port 0` takes a free one.") from None
    console.print(Text("Starting a broker, the page and the firmware ...", "dim"))
    with interruptible() as ignore:
        with Scene(folder, port) as scene:
            _greet(scene, console)
            if opens_browser and has_display():
                webbrowser.open(scene.link)
            with contextlib.suppress(KeyboardInterrupt):
                while True:
                    time.sleep(_LOOK_S)
            # A second Ctrl-C must not leave half of it running.
            ignore()
            console.print(Text("Closing ...", "dim"))


@contextlib.contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """Makes SIGTERM and SIGINT raise KeyboardInterrupt inside; yields what makes them do nothing from then on."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    def ignore() -> None:
        for number in before:
            signal.signal(number, signal.SIG_IGN)

    # SIGINT, too: a shell starts what it puts in the background without it.
    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield ignore
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _greet(scene: Scene, console: Console) -> None:
    console.print(Text.assemble("The street, for one browser:  ", (scene.link, "bold green")), soft_wrap=True)
    console.print(Text(f"  later, as {MANAGER_NAME}:  {scene.url}{STREET}"), soft_wrap=True)
    console.print(Text.assemble("The page:  ", (f"{scene.url}/", "green")), soft_wrap=True)
    for name, what in ((MANAGER_NAME, "all of it"), (RESIDENT_NAME, "what a resident sees")):
        console.print(Text(f"  {name}  {scene.passwords[name]}  ({what})"), soft_wrap=True)
    console.print(Text("Ctrl-C ends it, and nothing of it is kept.", "dim"))


def has_display() -> bool:
    """Whether a browser could be opened that is not one in this terminal."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
