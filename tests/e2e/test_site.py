"""Every page in Chromium: for whoever sees little, has no mouse or no scripts, and with hostile words in all of it."""


import pytest
from axe_playwright_python.sync_playwright import Axe
from sitecase import MANAGER_NAME, browser, site

__all__ = ["browser", "site"]

PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
SEVERE = ("serious", "critical")


def severe_faults(page, axe):
    """Returns what axe-core finds that is serious or critical, as sentences."""
    found = [fault for fault in axe.run(page).response["violations"] if fault["impact"] in SEVERE]
    return [f"{fault['id']}: {node['target']} {node['html'][:200]}" for fault in found for node in fault["nodes"]]


def check_looks(page, axe, looks):
    for scheme, size in looks:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.set_viewport_size(size)
        assert severe_faults(page, axe) == [], (page.url, scheme, size)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, (page.url, size, "goes beyond the window")


LOOKS = [("light", DESK), ("dark", PHONE)]
OTHER_LOOKS = [("dark", DESK), ("light", PHONE)]


@pytest.mark.parametrize("looks", [LOOKS, pytest.param(OTHER_LOOKS, marks=pytest.mark.slow)], ids=["two", "others"])
def test_no_page_has_a_serious_accessibility_fault(site, looks):
    axe = Axe()
    with site.window(MANAGER_NAME) as page:
        for path in site.pages():
            page.goto(site.url + path)
            check_looks(page, axe, looks)
        for make in (site.make_code, site.make_credential):
            make(page, "Cleo")
            check_looks(page, axe, looks)
    with site.window() as page:
        for path in ("/login", "/nothing"):
            page.goto(site.url + path)
            check_looks(page, axe, looks)
