"""The street of the demonstration: what is done there reaches the lock by its chips, and the real page shows it."""

import threading
import time

import httpx
import pytest
from streetcase import LIMIT_S, browser, enter, open_by_code, open_page, scene, wait_for

from lobbylock.demo.browser import Scene
from lobbylock.demo.pocket import BADGES
from lobbylock.demo.street import View
from lobbylock.errors import UserError

__all__ = ["browser", "scene"]

# Several waits in one test may each take long on a busy machine.
pytestmark = pytest.mark.timeout(420)

_AFTERWARDS_MS = 1_500


class Passer:
    """Somebody in the street, who does things and waits for what is to be seen."""

    def __init__(self, scene: Scene) -> None:
        self.street = scene.street
        self.stage = scene.stage

    def do(self, act: str, value: str) -> str:
        return self.street.do(act, value)

    def expect(self, condition) -> View:
        end_s = time.monotonic() + LIMIT_S
        while time.monotonic() < end_s:
            view = self.street.view
            if condition(view):
                return view
            time.sleep(0.02)
        raise AssertionError(f"never seen; last {self.street.view}, console {self.stage.board.console[-5:]}")

    def expect_event(self, condition):
        """Waits for an event in the collector's lines; returns it."""
        end_s = time.monotonic() + LIMIT_S
        while time.monotonic() < end_s:
            found = next(filter(condition, self.stage.events()), None)
            if found:
                return found
            time.sleep(0.05)
        raise AssertionError(f"no such event: {self.stage.events()[-5:]}")

    def expect_reason(self, reason: str, count: int = 1) -> None:
        """Waits until the collector has had `count` accesses with that reason."""
        self.expect_event(lambda _: len(self._reasons(reason)) >= count)

    def _reasons(self, reason: str):
        return [found for found in self.stage.events("access") if found["details"]["reason"] == reason]

    @property
    def moves(self) -> int:
        """How often the strike has moved so far."""
        return len(self.stage.board.strike.history)

    def expect_release(self, moves: int) -> None:
        """Waits until the strike was released behind its first `moves`; whoever looks late finds it at rest again."""
        self.expect(lambda _: any(level for _, level in self.stage.board.strike.history[moves:]))

    def rest(self) -> None:
        """Waits until nobody is at the reader and the strike is at rest."""
        # The view may be of a moment ago.
        strike = self.stage.board.strike
        self.expect(lambda view: not view.held and not view.is_released and not strike.is_released)


@pytest.fixture(scope="module")
def passer(scene) -> Passer:
    return Passer(scene)


@pytest.fixture(scope="module")
def street_page(scene, browser):
    """The street in a browser that came by the printed link."""
    page = open_page(browser)
    page.goto(scene.link)
    yield page
    page.context.close()


def test_link_lets_one_browser_in(scene, street_page):
    assert street_page.url == f"{scene.url}/street"
    assert httpx.get(scene.link, timeout=LIMIT_S).status_code == 404


def check_what_is_empty(page):
    """Each list says so while nothing is in it, and no longer."""
    for place, lines in (("#happened + .nothing", "#happened li"), (".scroll + .nothing", "#deliveries li")):
        assert page.locator(place).is_visible() == (page.locator(lines).count() == 0), place


def test_the_menu_leads_back_to_the_street(scene, street_page):
    street_page.locator("#deliveries").wait_for(state="attached")
    check_what_is_empty(street_page)
    street_page.goto(f"{scene.url}/doors")
    street_page.get_by_role("navigation").get_by_role("link", name="Street").click()
    street_page.wait_for_url(f"{scene.url}/street")


def test_the_keyboard_opens_the_door_and_the_page_shows_who_came(passer, street_page):
    before = passer.street.view.frames
    open_by_code(street_page)
    # The camera comes before the strike.
    assert passer.street.view.frames > before
    assert passer.street.frame[:2] == b"\xff\xd8"
    street_page.get_by_role("button", name="Close it").click()
    street_page.locator('#street[data-door="closed"][data-strike="rest"]').wait_for()
    delivery = street_page.locator("#deliveries li").first
    delivery.get_by_text("UPS 4711").wait_for()
    delivery.locator("img").wait_for()
    check_what_is_empty(street_page)
    passer.rest()


def test_badges_open_once_or_not_at_all(passer, monkeypatch):
    granted = len(passer._reasons("granted"))
    with monkeypatch.context() as patch:
        # It stays at the reader until the second one has come, however long it takes to make that.
        patch.setattr(passer.street._hand, "let_go", lambda: None)
        passer.do("badge", "valid")
        passer.expect(lambda view: view.held == "valid")
        # A second click is a badge that never gets to the reader, so that nothing is copied of it.
        with pytest.raises(UserError):
            passer.do("badge", "valid")
    passer.expect_reason("granted", granted + 1)
    passer.rest()
    moves = passer.moves
    for kind, reason in (("copied", "already_used"), ("expired", "expired"), ("forged", "forged")):
        assert BADGES[kind] in passer.do("badge", kind)
        passer.expect_reason(reason)
        passer.rest()
    assert passer.moves == moves


def test_phone_opens_by_nfc_and_by_ble(passer):
    passer.do("phone", "nfc")
    passer.expect_event(lambda found: found["kind"] == "access" and found["details"]["via"] == "phone")
    passer.rest()
    passer.do("phone", "ble")
    view = passer.expect(lambda view: any("told: granted" in line.what for line in view.lines))
    assert any("with a receipt of" in line.what for line in view.lines)
    passer.expect_event(lambda found: found["kind"] == "access" and found["details"]["via"] == "ble")
    passer.rest()


def test_a_locked_door_stays_shut_unless_it_is_forced(passer):
    passer.rest()
    assert "locked" in passer.do("door", "open")
    assert not passer.street.view.is_open
    # A door that is opened a moment after the strike came to rest was being pulled by whom it was released for.
    board = passer.stage.board
    start_ms = board.now_ms
    passer.expect(lambda _: board.now_ms - start_ms > _AFTERWARDS_MS)
    passer.do("door", "force")
    passer.expect_event(lambda found: found["kind"] == "door_forced")
    passer.do("door", "close")
    moves = passer.moves
    passer.do("exit", "press")
    passer.expect_release(moves)
    passer.expect_event(lambda found: found["kind"] == "exit_requested")
    passer.rest()


def test_without_network_the_door_opens_and_the_event_comes_later(passer):
    passer.do("network", "off")
    passer.expect(lambda view: not view.is_networked)
    moves = passer.moves
    passer.do("badge", "valid")
    passer.expect_release(moves)
    passer.rest()
    # Half a minute at most until the lock tries again.
    known = len(passer.stage.events("access"))
    passer.do("network", "on")
    passer.expect_event(lambda _: len(passer.stage.events("access")) > known)


def test_power_cut_rests_the_strike_and_the_lock_starts_anew(passer):
    boot, moves = passer.stage.boot, passer.moves
    passer.do("exit", "press")
    passer.expect_release(moves)
    passer.do("power", "off")
    view = passer.expect(lambda view: view.power == "off")
    assert not view.is_released
    passer.do("power", "on")
    passer.expect(lambda view: view.power == "on")
    assert passer.stage.boot == boot + 1


def test_only_what_there_is_can_be_done(passer):
    for act, value in (("key", "12"), ("key", ""), ("badge", "golden"), ("door", ""), ("strike", "on"), ("exit", "")):
        with pytest.raises(KeyError):
            passer.do(act, value)


def test_the_board_is_touched_by_one_thread(passer, monkeypatch):
    seen = set()
    contact = passer.stage.board.contact
    for name in ("open", "close"):
        act = getattr(contact, name)
        monkeypatch.setattr(contact, name, lambda act=act: (seen.add(threading.current_thread().name), act()))
    leave = passer.street.listen(lambda _: seen.add(threading.current_thread().name))
    threads = [threading.Thread(target=passer.do, args=("door", act)) for act in ("force", "close") * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    leave()
    assert seen == {"street"}
    passer.do("door", "close")


def test_an_altered_row_turns_the_page_red_until_it_is_put_back(passer, street_page):
    street_page.get_by_role("button", name="Alter a stored row").click()
    altered = passer.expect(lambda view: view.altered).altered
    row = altered.split()[1]
    notice = street_page.locator(".notice.broken").first
    notice.wait_for()
    assert row in notice.inner_text()
    street_page.locator("#deliveries > li.bad").wait_for()
    street_page.get_by_role("button", name="Alter a stored row").wait_for(state="hidden")
    street_page.get_by_role("button", name="Put the row back").click()
    notice.wait_for(state="detached")
    passer.expect(lambda view: not view.altered)


def test_the_street_is_for_managers_and_for_this_page_alone(scene, browser, street_page):
    page = enter(browser, scene, "anna")
    assert page.get_by_role("link", name="Street").count() == 0
    for path in ("/street", "/street/frame.jpg", "/street/live"):
        assert page.request.get(scene.url + path).status == 404
    page.context.close()
    cookies = {each["name"]: each["value"] for each in street_page.context.cookies()}
    with httpx.Client(base_url=scene.url, cookies=cookies, timeout=LIMIT_S) as client:
        form = {"value": "press"}
        assert client.post("/street/exit", data=form).status_code == 403
        token = street_page.locator("#street input[name=csrf]").first.input_value()
        assert client.post("/street/exit", data={**form, "csrf": token}).status_code == 303
        assert client.post("/street/strike", data={**form, "csrf": token}).status_code == 404
        foreign = {"origin": "http://elsewhere.example"}
        assert client.post("/street/exit", data={**form, "csrf": token}, headers=foreign).status_code == 403
    with httpx.Client(base_url=scene.url, timeout=LIMIT_S) as client:
        assert client.get("/street").status_code == 303
        assert client.post("/street/exit", data=form).status_code == 303
        assert client.get("/street/live").status_code == 303


def test_without_javascript_the_buttons_work(scene, browser, passer, street_page):
    passer.rest()
    page = open_page(browser, java_script_enabled=False, storage_state=street_page.context.storage_state())
    page.goto(f"{scene.url}/street")
    page.get_by_role("button", name="Force it").click()
    # Such a page stays as it was made, which may have been a moment too early.
    wait_for(lambda: passer.street.view.is_open)
    page.goto(f"{scene.url}/street")
    page.locator('#street[data-door="open"]').wait_for()
    page.get_by_role("button", name="Close it").click()
    # What bounced may have come after the answer.
    wait_for(lambda: not passer.street.view.is_open)
    page.context.close()
