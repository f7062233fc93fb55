"""From the virtual door to the people in front of their browsers, and back: the firmware, the broker, the service."""

import contextlib
import re

import pytest
from sqlalchemy import delete
from streetcase import browser, enter, open_by_code, open_page, scene, type_code, wait_for

from bench.arrival import Glance
from lobbylock import tables

__all__ = ["browser", "scene"]

# Several waits in one test may each take long on a busy machine.
pytestmark = pytest.mark.timeout(420)

DOOR = "maple-12/front"
# Fewer than lock the keypad.
_TRIES = 4
_ATTEMPT_S = 20
_LONG_S = 4


@pytest.fixture(scope="module")
def street(scene, browser):
    """The street in the manager's browser."""
    page = open_page(browser)
    page.goto(scene.link)
    yield page
    page.context.close()


@pytest.fixture(scope="module")
def resident(scene, browser):
    """The resident's page, open and never loaded again."""
    page = enter(browser, scene, "anna")
    page.evaluate("window.isTheSame = true")
    yield page
    assert page.evaluate("window.isTheSame") is True
    page.context.close()


def rest(scene):
    """Waits until nobody is at the door."""
    # The view may be of a moment ago.
    strike = scene.stage.board.strike
    wait_for(lambda: not scene.street.view.held and not scene.street.view.is_released and not strike.is_released)


def accesses(scene, reason):
    return [found for found in scene.stage.events("access") if found["details"]["reason"] == reason]


def test_a_delivery_appears_on_the_open_page_with_its_picture(scene, street, resident):
    glance = Glance(resident)
    open_by_code(street)
    # How soon it is, `make bench` says: here other tests run at the same time.
    glance.wait_for_picture()
    newest = resident.locator("#deliveries > li").first
    assert "UPS 4711" in newest.inner_text()
    assert newest.locator("img").evaluate("(image) => image.naturalWidth") > 100
    newest.get_by_text("opened after").wait_for()
    street.get_by_role("button", name="Close it").click()
    newest.get_by_text("closed, open for").wait_for()
    rest(scene)


def test_a_code_made_on_the_page_opens_the_door_until_it_is_revoked_there(scene, browser, street, resident):
    page = open_page(browser, storage_state=street.context.storage_state())
    page.goto(f"{scene.url}/grants/code?door={DOOR}")
    page.fill("input[name=person]", "FedEx 12")
    page.get_by_role("button", name="Make it").click()
    code = page.locator("#secret").inner_text().replace(" ", "")
    assert re.fullmatch(r"[0-9]{6,12}", code)
    type_code(street, code)
    resident.locator("#deliveries > li", has_text="FedEx 12").first.wait_for()
    rest(scene)

    page.goto(f"{scene.url}/grants?person=FedEx+12")
    page.get_by_role("button", name=re.compile("^Revoke: FedEx 12,")).click()
    page.get_by_text("revoked", exact=False).first.wait_for()
    wait_for(lambda: scene.stage.events("list_taken"))
    moves = len(scene.stage.board.strike.history)
    for _ in range(_TRIES):
        street.keyboard.type("*" + code + "#")
        # A starved machine may miss a key.
        with contextlib.suppress(AssertionError):
            wait_for(lambda: accesses(scene, "revoked"), _ATTEMPT_S)
            break
    assert accesses(scene, "revoked")
    assert len(scene.stage.board.strike.history) == moves
    page.goto(f"{scene.url}/?outcome=refused")
    assert "FedEx 12" in page.locator("#deliveries").inner_text()
    page.context.close()


def test_an_altered_row_turns_a_residents_page_red_and_is_named(scene, street, resident):
    # The tests before this one may have been another process's.
    if not resident.locator("#deliveries > li").count():
        open_by_code(street)
        resident.locator("#deliveries > li").first.wait_for()
        street.get_by_role("button", name="Close it").click()
        rest(scene)
    scene.street.do("row", "alter")
    # It is to be seen a moment behind the answer.
    wait_for(lambda: scene.street.view.altered)
    number = re.findall(r"\d+", scene.street.view.altered)
    notice = resident.locator(".notice.broken").first
    notice.wait_for()
    named = re.findall(rf"{DOOR} #(\d+)", notice.inner_text())
    assert named and named[0] in number, (named, number)
    resident.locator("#deliveries > li.bad").first.wait_for()
    color = "getComputedStyle(document.querySelector('.notice.broken')).backgroundColor"
    red, green, blue = map(float, re.findall(r"[\d.]+", resident.evaluate(color))[:3])
    assert red > green and red > blue
    scene.street.do("row", "restore")
    notice.wait_for(state="detached")
    resident.locator("#deliveries > li.bad").first.wait_for(state="detached")


def guess(page, scene, password):
    """Tries a password of the manager's; returns the seconds that one is to wait, 0 if it was looked at."""
    page.goto(f"{scene.url}/login")
    page.fill("input[name=name]", "manager")
    page.fill("input[name=password]", password)
    # The page that comes may look like the one that was left.
    with page.expect_navigation():
        page.get_by_role("button", name="Log in").click()
    found = re.search(r"try again in (\d+) s", page.locator("main").inner_text())
    return int(found.group(1)) if found else 0


def test_guessing_a_password_takes_longer_and_longer(scene, browser, monkeypatch):
    page = open_page(browser)
    waits = [0]
    # It stands while somebody types, however slow the machine is.
    now_s = scene.stage.now_s
    monkeypatch.setattr(scene.stage, "_now_s", lambda: now_s)
    try:
        while waits[-1] < _LONG_S:
            wait_s = guess(page, scene, "a guess")
            if wait_s:
                waits.append(wait_s)
                if wait_s < _LONG_S:
                    now_s += wait_s
        assert waits == sorted(set(waits))
        # The right password is no way round it.
        assert guess(page, scene, scene.passwords["manager"]) > 0
    finally:
        # They come from this machine as everybody else here does.
        with scene.service.context.database.begin() as connection:
            connection.execute(delete(tables.attempt))
        page.context.close()
