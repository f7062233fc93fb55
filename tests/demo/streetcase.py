"""The whole scene for tests in a browser: a virtual door, the service and the street, once a module."""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, TimeoutError, sync_playwright

from lobbylock.demo.browser import Scene

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Generous: a busy machine delays it, nothing else does.
LIMIT_S = 60
LIMIT_MS = LIMIT_S * 1_000
_ATTEMPT_MS = 20_000
# Fewer than lock the keypad.
_ATTEMPTS = 4


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Iterator[Scene]:
    """An open `Scene` on a free port; the lock knows the time."""
    with Scene(tmp_path_factory.mktemp("scene")) as opened:
        yield opened


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    if not Path(CHROMIUM).exists():
        pytest.skip("chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS), timeout=2 * LIMIT_MS)
        yield opened
        opened.close()


def open_page(browser: Browser, **options: Any) -> Page:
    """Returns a page with cookies of its own, that fails the test's waits after LIMIT_MS; `options` as new_context."""
    page = browser.new_context(**options).new_page()
    page.set_default_timeout(LIMIT_MS)
    return page


def enter(browser: Browser, scene: Scene, name: str, **options: Any) -> Page:
    """Returns a page where the account `name` of the scene has logged in by the form."""
    page = open_page(browser, **options)
    page.goto(f"{scene.url}/login")
    page.fill("input[name=name]", name)
    page.fill("input[name=password]", scene.passwords[name])
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{scene.url}/")
    return page


def type_code(page: Page, code: str) -> None:
    """Types a code at the street until the strike is released.

    The lock runs at the real pace, so on a starved machine it may miss a key; then it is typed again, as people do.
    """
    for _ in range(_ATTEMPTS):
        page.keyboard.type("*" + code + "#")
        with contextlib.suppress(TimeoutError):
            page.locator('#street[data-strike="released"]').wait_for(timeout=_ATTEMPT_MS)
            return
    raise AssertionError(f"the code does not open: {page.locator('#happened').inner_text()}")


def open_by_code(page: Page) -> None:
    """Types the code on the driver's note at the street and pulls the door open, while the strike is released.

    On a starved machine it may be at rest again before the button is pressed; then it is done again, as people do.
    """
    code = page.locator(".code").inner_text().replace(" ", "").removesuffix("#")
    for _ in range(_ATTEMPTS):
        type_code(page, code)
        page.get_by_role("button", name="Pull it open").click()
        with contextlib.suppress(TimeoutError):
            page.locator('#street[data-door="open"]').wait_for(timeout=_ATTEMPT_MS)
            return
    raise AssertionError(f"nobody pulls it open in time: {page.locator('#happened').inner_text()}")


def wait_for(condition: Callable[[], object], limit_s: float = LIMIT_S) -> None:
    """Waits until `condition()` holds. Raises AssertionError."""
    end_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end_s, "it never came to hold"
        time.sleep(0.02)
