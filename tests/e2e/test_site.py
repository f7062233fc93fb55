"""Every page in Chromium: for whoever sees little, has no mouse or no scripts, and with hostile words in all of it."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from pagecase import PASSWORD
from sitecase import FRONT, HOSTILE, IMAGE, LINK, MANAGER_NAME, RESIDENT_NAME, VERSION, browser, site

__all__ = ["browser", "site"]

# Several waits in one test may each take long on a busy machine.
pytestmark = pytest.mark.timeout(420)

PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
SEVERE = ("serious", "critical")


def severe_faults(page, axe, rules=None):
    """Returns what axe-core finds that is serious or critical, as sentences; `rules` are all if none are named."""
    options = {"resultTypes": ["violations"], **({"runOnly": rules} if rules else {})}
    found = [fault for fault in axe.run(page, options=options).response["violations"] if fault["impact"] in SEVERE]
    return [f"{fault['id']}: {node['target']} {node['html'][:200]}" for fault in found for node in fault["nodes"]]


def check_looks(page, axe, looks):
    for scheme, size, rules in looks:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.set_viewport_size(size)
        assert severe_faults(page, axe, rules) == [], (page.url, scheme, size)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, (page.url, size, "goes beyond the window")


# What the colours and the width have a part in; the slow one looks for everything in all four.
SEEN = ["color-contrast", "scrollable-region-focusable", "link-in-text-block"]
LOOKS = [("light", DESK, None), ("dark", PHONE, SEEN)]
ALL_LOOKS = [(scheme, size, None) for scheme in ("light", "dark") for size in (DESK, PHONE)]


@pytest.mark.parametrize("looks", [LOOKS, pytest.param(ALL_LOOKS, marks=pytest.mark.slow)], ids=["two", "all"])
def test_no_page_has_a_serious_accessibility_fault(site, looks):
    axe = Axe()
    with site.window(MANAGER_NAME) as page:
        pages = site.pages()
        assert len(pages) >= 18
        for path in pages:
            site.open(page, path)
            check_looks(page, axe, looks)
        # It would see one.
        page.evaluate("document.querySelector('main').append(document.createElement('input'))")
        assert any(fault.startswith("label: ") for fault in severe_faults(page, axe))
        for make in (site.make_code, site.make_credential):
            make(page, "Cleo")
            check_looks(page, axe, looks)
    with site.window() as page:
        for path in ("/login", "/nothing"):
            page.goto(site.url + path)
            check_looks(page, axe, looks)


def test_hostile_words_are_shown_as_words_on_every_page(site):
    with site.window(MANAGER_NAME) as page:
        shown = ""
        for path in site.pages():
            site.open(page, path)
            page.wait_for_load_state("load")
            assert page.evaluate("window.stolen") is None, path
            assert page.locator("svg[onload], img[onerror], b b, main i").count() == 0, path
            shown += page.locator("body").inner_text() + page.evaluate(
                "[...document.querySelectorAll('input')].map((field) => field.value).join()"
            )
        for words in (*HOSTILE[:4], MANAGER_NAME, RESIDENT_NAME, VERSION):
            assert words in shown, words
        # What would turn a line round, hide in it or colour a terminal is not there.
        assert "Dr" in shown
        assert not [letter for letter in ("\u202e", "\u200b", "\x1b", "\0") if letter in shown]
        for words in HOSTILE:
            page.goto(f"{site.url}/")
            if not page.locator("input[name=person]").is_visible():
                page.locator(".filters summary").click()
            page.fill("input[name=person]", words.replace("\0", ""))
            page.get_by_role("button", name="Show", exact=True).click()
            page.wait_for_url("**/?*person=*")
            assert page.evaluate("window.stolen") is None, words
        page.goto(f"{site.url}/accounts")
        page.fill("#f-name", LINK)
        page.locator("input[name=building]").first.check()
        page.get_by_role("button", name="Make the account").click()
        page.locator(".secret").wait_for()
        assert LINK in page.locator("h1").inner_text()
    with site.window(RESIDENT_NAME) as page:
        page.goto(f"{site.url}/")
        assert IMAGE in page.locator("#deliveries").inner_text()
        assert page.evaluate("window.stolen") is None


def test_a_policy_that_is_broken_would_be_seen(site):
    with pytest.raises(AssertionError, match="Content Security Policy"), site.window() as page:
        page.goto(f"{site.url}/login")
        # The window hears of it in the same order, so before this does.
        with page.expect_console_message(lambda message: "Content Security Policy" in message.text):
            page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=1>')")


def test_everything_can_be_read_without_scripts(site):
    with site.window(MANAGER_NAME) as page, site.window(MANAGER_NAME, java_script_enabled=False) as plain:
        for path in site.pages():
            site.open(page, path)
            site.open(plain, path)
            texts = [each.locator("main").inner_text().split() for each in (page, plain)]
            # A button for what only scripts can do is not there.
            assert [word for word in texts[0] if word != "Print"] == texts[1], path
            assert plain.locator("main").inner_text().strip(), path
            assert plain.get_by_text("Loading").is_visible() is False, path
    with site.window(RESIDENT_NAME, java_script_enabled=False) as plain:
        plain.goto(f"{site.url}/")
        assert plain.locator("#deliveries > li").first.locator("img").evaluate("(image) => image.naturalWidth") == 64
        plain.fill("input[name=person]", "UPS 25")
        with plain.expect_navigation():
            plain.get_by_role("button", name="Show", exact=True).click()
        assert plain.locator("#deliveries > li").count() == 1
        with plain.expect_navigation():
            plain.get_by_role("link", name="UPS 25", exact=True).click()
        assert "opened" in plain.locator("main").inner_text()
        plain.goto(f"{site.url}/")
        with plain.expect_navigation():
            plain.get_by_role("link", name="Older deliveries").click()
        assert "UPS 01" in plain.locator("#deliveries").inner_text()


def press_to(page, selector):
    """Presses Tab until what `selector` names has the focus, and sees that one can see where it is."""
    for _ in range(200):
        page.keyboard.press("Tab")
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", selector
            return
    raise AssertionError(f"Tab does not lead to {selector}")


def test_a_picture_that_is_not_there_keeps_its_place(site):
    with site.window(MANAGER_NAME) as page:
        site.open(page, "/pictures?person=DPD")
        frame = page.locator(".strip .no-shot").bounding_box()
        words = page.locator(".strip .quiet").bounding_box()
        assert frame["width"] > 100 and abs(frame["width"] / frame["height"] - 4 / 3) < 0.1
        assert frame["y"] + frame["height"] <= words["y"]


def test_words_of_tables_stay_whole(site):
    broken = """() => [...document.querySelectorAll("td .mark, td.whole, td time")].filter((place) => {
        const walker = document.createTreeWalker(place, NodeFilter.SHOW_TEXT);
        const range = document.createRange();
        while (walker.nextNode()) {
            for (const word of walker.currentNode.data.matchAll(/\\S+/g)) {
                range.setStart(walker.currentNode, word.index);
                range.setEnd(walker.currentNode, word.index + word[0].length);
                if (new Set([...range.getClientRects()].map((box) => box.top)).size > 1) return true;
            }
        }
        return place.matches(".mark") && place.offsetHeight > 40;
    }).map((place) => place.textContent)"""
    with site.window(MANAGER_NAME) as page:
        for width in (720, 1000, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            site.open(page, f"/trail/{FRONT}")
            assert page.locator("td .mark").count() > 20
            assert page.evaluate(broken) == [], width


def test_alarms_leave_room_on_a_phone(site):
    with site.window(MANAGER_NAME, java_script_enabled=False) as page:
        for size, is_folded in ((DESK, False), (PHONE, True)):
            page.set_viewport_size(size)
            site.open(page, "/")
            shown = [each.is_visible() for each in page.locator(".notice.alarm").all()]
            assert shown[0] and len(shown) > 1 and all(shown) != is_folded and any(shown[1:]) != is_folded, size
            assert page.locator(".notice .folded").is_visible() == is_folded
        page.locator(".notice .folded a").click()
        page.wait_for_url(f"{site.url}/alarms")
        assert page.locator("#alarms .alarm").count() >= len(shown)


def test_without_a_mouse(site):
    with site.window() as page:
        page.goto(f"{site.url}/login")
        press_to(page, "input[name=name]")
        page.keyboard.type(RESIDENT_NAME)
        press_to(page, "input[name=password]")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{site.url}/")
        # The first stop leads past what is on every page.
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.locator("#main:focus").wait_for()
        press_to(page, "input[name=person]")
        page.keyboard.type("UPS 24")
        page.keyboard.press("Enter")
        page.wait_for_url("**/?*person=UPS+24*")
        assert page.locator("#deliveries > li").count() == 1
        press_to(page, "#deliveries .title a")
        page.keyboard.press("Enter")
        page.wait_for_url("**/delivery/**")
        assert "UPS 24" in page.locator("main").inner_text()


def test_a_dead_connection_is_seen_and_notices_are_not_printed(site):
    tell = """(name) => {
        document.body.dispatchEvent(new CustomEvent(name, {bubbles: true}));
        const place = document.querySelector("#offline[role=status]");
        return [getComputedStyle(place).display, place.textContent];
    }"""
    with site.window(MANAGER_NAME) as page:
        site.open(page, "/")
        shown, text = page.evaluate(tell, "htmx:sseError")
        assert shown == "block" and "No connection" in text
        assert page.evaluate(tell, "htmx:sseOpen") == ["none", ""]
        page.emulate_media(media="print")
        assert page.locator("#notices").evaluate("(place) => getComputedStyle(place).display") == "none"
