"""A page over sockets with something on every page of it, hostile words in every field, and people in Chromium."""

import contextlib
import io
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from lock_client import LockClient
from pagecase import CHEAP, PASSWORD
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Page
from sqlalchemy import select
from starlette.routing import Route
from streetcase import LIMIT_MS, browser, wait_for
from visitcase import FRONT, NOON_S, House

from firmware.core import event
from lobbylock import tables
from lobbylock.address import Address
from lobbylock.broker import Broker
from lobbylock.database import Database
from lobbylock.page.accounts import MANAGER, RESIDENT, Accounts
from lobbylock.page.server import Listening
from lobbylock.page.service import Service, Serving

__all__ = ["Site", "browser", "site"]

BACK = "maple-12/back"
OTHER = "oak-3/front"
# Each would say so in the window if a browser took it for more than words.
IMAGE = '<img src=x onerror="window.stolen=1">'
SCRIPT = "\"'><script>window.stolen=1</script>"
LINK = "javascript:window.stolen=1"
TEMPLATE = "{{7*7}}${7*7}%s</title><b>"
STRANGE = "\u202eDr\u0000op\u200b\x1b[31m\U0001f512"
HOSTILE = (IMAGE, SCRIPT, LINK, TEMPLATE, STRANGE)
RESIDENT_NAME, MANAGER_NAME = "<i>anna</i>", "<b>mia</b>"
VERSION = "<svg onload=window.stolen=1>"
PARTS = {"building": "maple-12", "door": "front"}
# No pages: what is fetched by pages and by programs.
NO_PAGES = {"/live", "/static/{name}", "/healthz", "/metrics", "/deliveries/list", "/notices", "/exports/{id}/file"}
NO_PAGES |= {"/picture/{building}/{door}/{chain}/{seq}"}


class Painted(House):
    """A building whose pictures browsers can show."""

    def announce(self, lock, number) -> int:
        file = io.BytesIO()
        Image.new("RGB", (64, 48), (40 * number % 256, 90, 160)).save(file, "JPEG")
        lock.pictures[number] = file.getvalue()
        return super().announce(lock, number)


class Site:
    """The service over `house`: `url`, the application's routes, and the sessions of who logged in."""

    def __init__(self, house: House, service: Service, browser: Browser) -> None:
        self.house = house
        self.service = service
        self.url = service.url
        self._browser = browser
        self._states: dict[str, Any] = {}
        self._parts: dict[str, str] = {}

    def log_in(self, name: str) -> None:
        """Has somebody log in by the form, once for all windows of theirs."""
        with self.window() as page:
            page.goto(f"{self.url}/login")
            page.fill("input[name=name]", name)
            page.fill("input[name=password]", PASSWORD)
            page.get_by_role("button", name="Log in").click()
            page.wait_for_url(f"{self.url}/")
            self._states[name] = page.context.storage_state()

    @contextlib.contextmanager
    def window(self, name: str | None = None, **options: Any) -> Iterator[Page]:
        """Opens a window of whoever logged in as `name`, or of a stranger; `options` as new_context.

        Raises AssertionError at its end for whatever the browser had to complain of: the policy, scripts, dialogs.
        """
        context = self._browser.new_context(storage_state=self._states[name] if name else None, **options)
        faults: list[str] = []
        try:
            page = context.new_page()
            page.set_default_timeout(LIMIT_MS)
            page.on(
                "console", lambda message: faults.append(f"{page.url}: {message.text}") if is_fault(message) else None
            )
            page.on("pageerror", lambda error: faults.append(f"{page.url}: {error}"))
            # Without anybody who listens to them, dialogs are put away; a console message is left.
            page.add_init_script("alert = confirm = prompt = () => console.error('a dialog was opened')")
            yield page
            # What it says comes in order: with the answer to this, nothing is on its way any more.
            page.title()
            assert not faults, faults
        finally:
            context.close()

    def prepare(self) -> None:
        """Has the manager make what pages are about, with hostile names: codes, credentials, an export."""
        with self.window(MANAGER_NAME) as page:
            page.goto(f"{self.url}/")
            chain, seq = re.findall(r'href="/delivery/maple-12/front/(\d+)/(\d+)"', page.content())[0]
            page.goto(f"{self.url}/exports")
            page.select_option("select[name=place]", FRONT)
            page.locator("main form button").first.click()
            page.wait_for_url(f"{self.url}/exports/*")
            # It is made in a thread, and until then its page is another one each time.
            page.locator("a[download]").wait_for()
            self._parts = {**PARTS, "chain": chain, "seq": seq, "id": page.url.rsplit("/", 1)[-1]}
            for person in HOSTILE[:3]:
                self.make_code(page, person)
            self.make_credential(page, SCRIPT[:30])

    def make_code(self, page: Page, person: str) -> None:
        """Leaves the page at the code that was made."""
        page.goto(f"{self.url}/grants/code?door={FRONT}")
        page.fill("input[name=person]", person)
        page.get_by_role("button", name="Make it").click()
        page.locator("#secret").wait_for()

    def make_credential(self, page: Page, person: str) -> None:
        """Leaves the page at the credential that was made."""
        page.goto(f"{self.url}/grants/credential")
        page.fill("input[name=person]", person)
        page.get_by_role("button", name="Make it").click()
        page.locator("#secret").wait_for()

    def open(self, page: Page, path: str) -> None:
        """Leads a window to a page, which has to be there."""
        answer = page.goto(self.url + path)
        assert answer is not None and answer.status == 200, (path, answer and answer.status)

    def pages(self) -> list[str]:
        """Returns an address of every page, also of those that are yet to come; an unknown part is a KeyError."""
        found = [each for each in self.service.app.routes if isinstance(each, Route) and each.path not in NO_PAGES]
        patterns = [each.path for each in found if "GET" in (each.methods or {"GET"})]
        return [re.sub(r"\{(\w+)(:\w+)?\}", lambda part: self._parts[part.group(1)], path) for path in patterns]


def is_fault(message: ConsoleMessage) -> bool:
    """Whether a page's own work made the browser complain; that a page says 404 is none."""
    return message.type == "error" and not message.text.startswith("Failed to load resource")


def fill(house: House) -> None:
    """Three dozen visits, the latest of them by people with hostile names, and alarms."""
    for number in range(26):
        house.come(f"UPS {number:02}", picture=number > 22, opens=number % 5 > 0)
    for name in HOSTILE:
        house.come(name)
    house.come(RESIDENT_NAME, role=2, picture=False)
    house.come(SCRIPT, REASON=3, picture=False, opens=False)
    house.come("DHL 81", name=OTHER)
    lock = house.locks[FRONT]
    house.come("DPD 7", picture=False, PICTURE_NUMBER=700)
    for kind, details in (
        (event.DOOR_FORCED, {}),
        (event.DOOR_HELD, {}),
        (event.LOCKOUT_STARTED, {event.DURATION_S: 9}),
    ):
        lock.add(kind, details)
    lock.seal()
    house.come("GLS 5", picture=True)
    house.collect()


@pytest.fixture(scope="module")
def site(tmp_path_factory, browser) -> Iterator[Site]:
    """The page, with a manager and a resident who have logged in."""
    folder = tmp_path_factory.mktemp("site")
    with Broker() as broker, Database.open(folder / "collector.db") as database:
        house = Painted(database, folder / "home")
        for seed, name in enumerate((FRONT, BACK, OTHER), 1):
            house.enrol(name, bytes([seed]) * 32)
        fill(house)
        accounts = Accounts(database, CHEAP)
        accounts.create(MANAGER_NAME, MANAGER, PASSWORD, NOON_S)
        accounts.create(RESIDENT_NAME, RESIDENT, PASSWORD, NOON_S, buildings=["maple-12"], person=RESIDENT_NAME)
        accounts.create(SCRIPT, RESIDENT, PASSWORD, NOON_S, buildings=["maple-12"], person=IMAGE)
        serving = Serving(Listening(port=0))
        address = Address.parse(broker.url)
        with (
            Service(house.home, database, address, serving, now_s=lambda: NOON_S + 7_200, passwords=CHEAP) as service,
            LockClient(broker.port, house.locks[FRONT], house.home.collector().public_key) as lock,
        ):
            said = {"online": True, "pending": 2, "version": VERSION, "heap": 80_000, "clock": 120}
            # Retained, as locks have it: the service may not have come to the broker yet.
            lock.client.publish(f"lobbylock/{FRONT}/status", json.dumps(said).encode(), 1, retain=True)
            made = Site(house, service, browser)
            for name in (MANAGER_NAME, RESIDENT_NAME):
                made.log_in(name)
            made.prepare()
            wait_for(lambda: VERSION[:8] in str(statuses(database)))
            yield made


def statuses(database: Database) -> list[str]:
    """Returns what the doors said of themselves."""
    with database.connect() as connection:
        return list(connection.execute(select(tables.status.c.content)).scalars())
