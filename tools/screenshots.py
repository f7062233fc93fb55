"""Takes the pictures of the page for README and docs/: `make screenshots`. A morning is played at a virtual door first.

The morning is always the same one, on the same day, so that only what is random in any record differs: keys and hashes.
"""

import contextlib
import io
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, TimeoutError, sync_playwright

from lobbylock.demo.browser import MANAGER_NAME, RELEASE_MS, Scene
from lobbylock.demo.hand import Hand
from lobbylock.demo.pocket import EXPIRED, VALID, Pocket, as_card
from lobbylock.demo.stage import DOOR, Stage
from lobbylock.errors import UserError

OUT = Path(__file__).resolve().parents[1] / "docs" / "screenshots"
MAX_BYTES = 150_000
_CHROMIUM = "/usr/bin/chromium"
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")
_DAY = (2026, 5, 12)
_ZONE = "UTC"
_START = (8, 50)
_PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 1.5}
_DESK: dict[str, Any] = {"viewport": {"width": 1100, "height": 760}, "device_scale_factor": 1}
_LIMIT_MS = 60_000
_ARRIVAL_MS = 60_000
_ATTEMPTS = 4
_ATTEMPT_MS = 20_000
_HALF_WAY_MS = 2_000
# Until what a visitor did is over: the pulse, the picture's way, the seal.
_CALM_MS = 9_000
_COLORS = 200


def at_s(hour: int, minute: int) -> int:
    """Returns Unix time of a moment of the day."""
    return int(datetime(*_DAY, hour, minute, tzinfo=timezone.utc).timestamp())


class Morning:
    """What is played at the door of an open `stage` before anybody looks at the page."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._board = stage.board
        self._hand = Hand(stage)
        self._pocket = Pocket(stage)
        self._came = 0

    def play(self) -> None:
        moment = datetime.fromtimestamp
        self._board.camera.wall_clock = lambda: moment(self._stage.now_s, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
        for (hour, minute), come in (
            ((9, 4), lambda: self._type("UPS 4711")),
            ((9, 41), lambda: self._hold(VALID)),
            ((9, 58), lambda: self._hold(EXPIRED)),
            ((10, 15), self._tap),
            ((10, 22), lambda: self._type("GLS 5")),
        ):
            self._stage.skip(max(0.0, at_s(hour, minute) - self._stage.now_s) * 1_000)
            self._came += 1
            come()
            self._wait(lambda: self._hand.let_go() or len(self._stage.events("access")) >= self._came)
            if self._board.strike.is_released:
                self._pass_through()
            self._wait(lambda: self._hand.let_go() or not self._hand.is_holding)
            self._stage.skip(_CALM_MS)
        self._wait(lambda: len(self._stage.pictures()) >= len(self._board.camera.pictures))
        seals = len(self._stage.events("seal"))
        self._wait(lambda: len(self._stage.events("seal")) > seals or self._is_sealed())

    def _is_sealed(self) -> bool:
        found = self._stage.events()
        return bool(found) and found[-1]["kind"] == "seal"

    def _type(self, driver: str) -> None:
        for key in self._pocket.code(driver).digits + "#":
            self._hand.type(key)

    def _hold(self, kind: str) -> None:
        card = self._pocket.badge(kind)
        if card is not None:
            self._hand.hold(card)

    def _tap(self) -> None:
        self._hand.hold(as_card(self._pocket.phone()))

    def _pass_through(self) -> None:
        self._board.contact.open()
        self._board.run_for(_HALF_WAY_MS)
        self._board.contact.close()

    def _wait(self, condition: Callable[[], bool]) -> None:
        if not self._stage.wait(condition, _ARRIVAL_MS):
            raise UserError(f"The morning does not go on: {self._stage.board.console[-3:]}")


class Camera:
    """Takes the pictures of `scene` with `browser` into the folder `out`."""

    def __init__(self, scene: Scene, browser: Browser, out: Path) -> None:
        self._scene = scene
        self._browser = browser
        self._out = out
        self._state: Any = None

    def log_in(self) -> None:
        """Lets the manager in; the pages that are opened from now on are the manager's."""
        with self._page(_DESK) as page:
            page.goto(self._scene.url + "/login")
            page.fill("input[name=name]", MANAGER_NAME)
            page.fill("input[name=password]", self._scene.passwords[MANAGER_NAME])
            page.get_by_role("button", name="Log in").click()
            page.wait_for_url(self._scene.url + "/")
            self._state = page.context.storage_state()

    def take_all(self) -> None:
        self._deliveries("light")
        self._deliveries("dark")
        self._door()
        self._trail()
        self._code()
        self._street()
        self._alarm()

    def _deliveries(self, scheme: Any) -> None:
        with self._page(_PHONE, color_scheme=scheme) as page:
            page.goto(self._scene.url + "/")
            page.locator("#deliveries > li").first.wait_for()
            self._keep(page, f"deliveries-{scheme}")

    def _door(self) -> None:
        with self._page(_DESK) as page:
            page.goto(f"{self._scene.url}/door/{DOOR}")
            self._keep(page, "door", is_full=True)

    def _trail(self) -> None:
        with self._page(_DESK) as page:
            page.goto(f"{self._scene.url}/")
            page.locator("#deliveries li a").first.click()
            page.get_by_role("link", name="its record and every check").click()
            page.wait_for_url("**/trail/**")
            self._keep(page, "trail", is_full=True)

    def _code(self) -> None:
        with self._page(_DESK) as page:
            page.goto(f"{self._scene.url}/grants/code?door={DOOR}")
            page.fill("input[name=person]", "FedEx 12")
            page.get_by_role("button", name="Make it").click()
            page.locator("#secret").wait_for()
            self._keep(page, "grant")

    def _street(self) -> None:
        with self._page(_DESK) as page:
            page.set_viewport_size({"width": 1180, "height": 900})
            page.goto(f"{self._scene.url}/street")
            page.locator("#deliveries > li").first.wait_for()
            self._show_badge(page)
            page.get_by_role("button", name="Pull it open").click()
            page.locator('#street[data-door="open"]').wait_for()
            page.evaluate("scrollTo(0, 0)")
            # The leaf takes a moment to swing.
            page.wait_for_timeout(600)
            self._keep(page, "street")
            page.get_by_role("button", name="Close it").click()
            page.locator('#street[data-strike="rest"]').wait_for(timeout=RELEASE_MS * 4)

    def _show_badge(self, page: Page) -> None:
        """Holds a badge to the reader until the strike is released: a starved machine may need more than one."""
        for _ in range(_ATTEMPTS):
            page.get_by_role("button", name="Valid").click()
            with contextlib.suppress(TimeoutError):
                page.locator('#street[data-strike="released"]').wait_for(timeout=_ATTEMPT_MS)
                return
        raise UserError("No badge opens the door.")

    def _alarm(self) -> None:
        with self._page(_PHONE) as page:
            page.goto(self._scene.url + "/")
            self._scene.street.do("row", "alter")
            page.locator(".notice.broken").first.wait_for()
            page.locator("#deliveries > li.bad").first.wait_for()
            self._keep(page, "alarm")

    @contextlib.contextmanager
    def _page(self, size: dict[str, Any], **options: Any) -> Iterator[Page]:
        context = self._browser.new_context(
            **size, storage_state=self._state, reduced_motion="reduce", timezone_id=_ZONE, **options
        )
        page = context.new_page()
        page.set_default_timeout(_LIMIT_MS)
        try:
            yield page
        finally:
            context.close()

    def _keep(self, page: Page, name: str, *, is_full: bool = False) -> None:
        """Waits for the images in sight and writes what is seen, in few colours: photographs make PNGs large."""
        page.wait_for_load_state("load")
        page.wait_for_function("[...document.images].every((image) => image.complete || image.loading === 'lazy')")
        # Fragments that were asked for when the page opened.
        page.wait_for_timeout(500)
        picture = Image.open(io.BytesIO(page.screenshot(full_page=is_full))).convert("RGB")
        data = shrink(picture)
        (self._out / f"{name}.png").write_bytes(data)
        sys.stdout.write(f"{name}.png {picture.width}x{picture.height} {len(data):,} bytes\n")


def shrink(picture: Image.Image) -> bytes:
    """Returns a PNG of at most MAX_BYTES: with fewer colours first, then smaller."""
    colors = _COLORS
    while True:
        out = io.BytesIO()
        picture.quantize(colors, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
        if len(out.getvalue()) <= MAX_BYTES:
            return out.getvalue()
        if colors > 32:
            colors //= 2
        else:
            picture = picture.resize((picture.width * 4 // 5, picture.height * 4 // 5))


def main() -> None:
    if not Path(_CHROMIUM).exists():
        raise SystemExit("Chromium is not installed: `apt-get install chromium` does that on Debian.")
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lobbylock-screenshots-") as folder:
        with Scene(
            Path(folder), now_s=None, start_s=at_s(*_START), prelude=lambda stage: Morning(stage).play()
        ) as scene:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=list(_ARGUMENTS))
                try:
                    camera = Camera(scene, browser, OUT)
                    camera.log_in()
                    camera.take_all()
                finally:
                    browser.close()


if __name__ == "__main__":
    main()
