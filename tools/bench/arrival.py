"""How long a delivery takes from the lock to an open page: Chromium, the whole service, and a virtual door.

From the moment that the last piece of the picture went over the broker, which is when the lock sent it, until the
browser has loaded that picture into the list of deliveries, which nobody reloaded.
"""

import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from playwright.sync_api import Page, sync_playwright

from bench.figure import Figure
from lobbylock.address import Address
from lobbylock.demo.browser import RESIDENT_NAME, Scene

CHROMIUM = "/usr/bin/chromium"
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")
_DELIVERIES = 10
_MOST_MS = 1_000
_LIMIT_S = 60
# By the address of each picture that is shown, when it was loaded: ms of Unix time.
_WATCH = """() => {
    window.arrivals = {};
    const note = (image) => { window.arrivals[image.getAttribute("src")] ??= Date.now(); };
    const look = () => {
        for (const image of document.querySelectorAll("#deliveries img")) {
            if (image.complete && image.naturalWidth > 0) {
                note(image);
            } else {
                image.addEventListener("load", () => note(image), { once: true });
            }
        }
    };
    look();
    new MutationObserver(look).observe(document.body, { childList: true, subtree: true, attributes: true });
}"""


class Ear:
    """Hears when locks send pictures, beside the collector; as a context manager it is connected. `sent_s` holds the
    times of the pieces, Unix time."""

    def __init__(self, broker_url: str) -> None:
        self.sent_s: list[float] = []
        self._address = Address.parse(broker_url)
        self._is_listening = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = self._subscribe
        self._client.on_subscribe = lambda *_: self._is_listening.set()
        self._client.on_message = lambda *_: self.sent_s.append(time.time())

    def _subscribe(self, client: Any, *_: object) -> None:
        client.subscribe("lobbylock/+/+/picture", 1)

    def __enter__(self) -> "Ear":
        self._client.connect(self._address.host, self._address.port)
        self._client.loop_start()
        if not self._is_listening.wait(_LIMIT_S):
            raise RuntimeError("the broker does not answer")
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Glance:
    """Somebody's open page, on which pictures arrive."""

    def __init__(self, page: Page) -> None:
        self._page = page
        page.evaluate(_WATCH)
        self._known = set(self._read())

    def _read(self) -> dict[str, float]:
        return self._page.evaluate("window.arrivals") or {}

    def wait(self, ear: Ear) -> float:
        """Waits for the next picture; returns the ms from when it was sent. Raises TimeoutError."""
        shown_ms = self.wait_for_picture()
        # The browser's clock has whole milliseconds.
        sent_s = [at_s for at_s in ear.sent_s if at_s * 1_000 <= shown_ms + 1]
        return max(0.0, shown_ms - sent_s[-1] * 1_000)

    def wait_for_picture(self) -> float:
        """Waits for the next picture; returns when it was loaded, ms of Unix time. Raises TimeoutError."""
        end_s = time.monotonic() + _LIMIT_S
        while time.monotonic() < end_s:
            added = {name: at_ms for name, at_ms in self._read().items() if name not in self._known}
            if added:
                self._known |= set(added)
                return min(added.values())
            self._page.wait_for_timeout(20)
        raise TimeoutError("no picture arrives on the page")


def log_in(page: Page, scene: Scene, name: str) -> None:
    """Enters by the form, and stays at the deliveries."""
    page.goto(f"{scene.url}/login")
    page.fill("input[name=name]", name)
    page.fill("input[name=password]", scene.passwords[name])
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{scene.url}/")


def delivery_to_page(count: int = _DELIVERIES) -> list[Figure]:
    """Returns median and longest of `count` deliveries, seen by a resident. Raises RuntimeError or TimeoutError."""
    with (
        tempfile.TemporaryDirectory() as name,
        Scene(Path(name)) as scene,
        Ear(scene.stage.broker.url) as ear,
        sync_playwright() as playwright,
    ):
        browser: Any = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_ARGUMENTS))
        page = browser.new_page()
        log_in(page, scene, RESIDENT_NAME)
        glance = Glance(page)
        times_ms = []
        for _ in range(count):
            _wait_for(lambda: not scene.street.view.held and not scene.street.view.is_released)
            scene.street.do("badge", "valid")
            times_ms.append(glance.wait(ear))
        browser.close()
    return [
        Figure("from the lock to an open page, with picture", median(times_ms), "ms", _MOST_MS),
        Figure("  longest", max(times_ms), f"ms of {count}", _MOST_MS),
    ]


def _wait_for(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + _LIMIT_S
    while not condition():
        if time.monotonic() > end_s:
            raise TimeoutError("the street does not come to rest")
        time.sleep(0.02)
