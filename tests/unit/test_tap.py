"""The card reader's way in, every neighbour scripted: what becomes of what is in its field, and of a broken reader."""

import asyncio

from pn532 import NoReader

from firmware.core import event
from firmware.core.attention import Attention
from firmware.core.decision import Decision
from firmware.core.errors import FlashError
from firmware.reader.presentation import BADGE, NOTHING, PHONE, Presentation
from firmware.task.tap import Tap


class Chip:
    def __init__(self, scene):
        self._scene = scene

    async def start(self):
        self._scene.starts += 1
        if self._scene.is_broken:
            raise NoReader("no answer")

    async def find(self, timeout_ms):
        while not self._scene.shown:
            if not timeout_ms:
                return []
            await asyncio.sleep_ms(1000)
        return [1]

    async def seek(self):
        self._scene.log.append("seek")

    async def release(self):
        self._scene.log.append("release")


class Cards:
    def __init__(self, scene):
        self._scene = scene

    async def show(self, targets):
        return self._scene.shown.pop(0)

    def keep(self):
        self._scene.log.append("keep")

    def lose(self):
        return "is it news"


class Visit:
    """Says `reason` of everybody; of `broken` ones that the flash fails."""

    def __init__(self, scene):
        self._scene = scene

    async def serve(self, session, data, via, is_trusted, is_news):
        self._scene.served.append((session, data, via, is_trusted, is_news()))
        if data == b"broken":
            raise FlashError("broken")
        return Decision(self._scene.reason, None, via)


class Scene:
    """A Tap and its neighbours; `shown` is what is held to the reader."""

    def __init__(self, *shown, reason=event.GRANTED, is_broken=False):
        self.shown = list(shown)
        self.reason = reason
        self.is_broken = is_broken
        self.starts = 0
        self.log = []
        self.served = []
        self.refused = []
        self.recorded = []
        self.tap = Tap(Chip(self), Cards(self), Visit(self), self, self, self, Attention(), self)

    # Access, the indicator, the trail, uptime.
    async def act(self, decision):
        self.refused.append((decision.reason, decision.via))
        return decision

    def show(self, pattern):
        self.log.append("shown")

    def record(self, kind, details):
        self.recorded.append((kind, details))

    def now_ms(self):
        return 5000

    def run(self, for_ms=200, is_seeking=True):
        async def run():
            try:
                await asyncio.wait_for_ms(self.tap.run(is_seeking), for_ms)
            except asyncio.TimeoutError:
                pass

        asyncio.run(run())
        return self


def badge(data=b"badge"):
    return Presentation(BADGE, via=event.BADGE, credential=data)


def test_what_is_shown_is_served_and_let_go():
    phone = Presentation(PHONE, via=event.PHONE, credential=b"phone", session="its session")
    scene = Scene(badge(), None, phone).run(800)
    assert scene.served[0] == (None, b"badge", event.BADGE, True, "is it news")
    assert scene.served[1] == ("its session", b"phone", event.PHONE, True, "is it news")
    assert scene.log == ["release", "keep"] * 3 and not scene.refused


def test_after_a_refusal_nobody_is_trusted_until_somebody_was_let_in():
    scene = Scene(badge(), badge(), reason=event.CARD_LOST).run(600)
    scene.reason = event.GRANTED
    scene.shown += [badge(), badge()]
    scene.run(600)
    assert [trusted for _, _, _, trusted, _ in scene.served] == [True, False, False, True]


def test_what_holds_no_credential_is_refused_without_a_visit():
    scene = Scene(Presentation(NOTHING, via=event.BADGE, reason=event.TWO_CARDS)).run()
    assert scene.refused == [(event.TWO_CARDS, event.BADGE)] and not scene.served


def test_a_flash_that_fails_keeps_the_reader_going():
    scene = Scene(badge(b"broken"), badge()).run(500)
    assert scene.log[0] == "shown"
    assert [data for _, data, _, _, _ in scene.served] == [b"broken", b"badge"]


def test_a_reader_that_is_out_of_order_is_reported_once():
    scene = Scene(is_broken=True).run(50, False).run(50, False)
    assert scene.starts == 2 and not scene.tap.is_ready
    assert scene.recorded == [(event.READER_FAULT, {event.REASON: event.READER})]
    scene.is_broken = False
    scene.run(50, False)
    assert scene.recorded[1:] == [(event.READER_RECOVERED, {})]


def test_refusals_in_a_row_make_the_reader_rest():
    scene = Scene(*[badge() for _ in range(8)], reason=event.FORGED).run(1500)
    # Five at 200 ms each, then one rests.
    assert len(scene.served) == 5


def test_the_chip_waits_for_cards_by_itself():
    # Set up, and asked to; then it has found nobody after all.
    assert Scene().run(50, False).log == ["seek"]
    assert Scene().run(50).log == ["seek"]
