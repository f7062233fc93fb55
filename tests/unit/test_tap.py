"""The card reader's way in, every neighbour scripted: what happens in which order, and what a broken part leads to."""

import asyncio

from ndef import TagError
from pn532 import CardLost, NoReader

from firmware.core import event, proof
from firmware.core.attention import Attention
from firmware.core.decision import Decision
from firmware.core.errors import FlashError, LedgerFull
from firmware.reader.presentation import BADGE, NOTHING, PHONE, Presentation
from firmware.task.access import Access
from firmware.task.tap import Tap

GOOD = proof.pack(b"\x01" * 64)
PROVING_MS = 60


class Claim:
    """A credential that was judged already."""

    is_resident = False

    def __init__(self, scene, holder):
        self._scene = scene
        self.holder = holder

    def details(self):
        return {}

    def spend(self, ledger):
        if self._scene.broken == "full":
            raise LedgerFull()
        self._scene.do("spend")


class Gate:
    door = "maple-12/front"

    def __init__(self, scene, reason, holder):
        self._scene = scene
        self._reason = reason
        self._holder = holder

    def judge(self, data, via):
        self._scene.do("judge")
        return Decision(self._reason, Claim(self._scene, self._holder), via)


class Session:
    """A phone that says `said` to a challenge, or fails with `error`."""

    def __init__(self, said=GOOD, error=None):
        self.scene = None
        self._said = said
        self._error = error

    async def prove(self, challenge):
        self.scene.do("challenge")
        await asyncio.sleep_ms(PROVING_MS)
        if self._error:
            raise self._error
        self.scene.do("proof")
        return self._said

    async def tell(self, reason):
        self.scene.do("tell %d" % reason)


class Chip:
    def __init__(self, scene):
        self._scene = scene

    async def start(self):
        self._scene.starts += 1
        if self._scene.broken == "chip":
            raise NoReader("no answer")

    async def find(self, timeout_ms):
        while not self._scene.shown:
            await asyncio.sleep_ms(1000)
        return [1]

    async def release(self):
        pass


class Cards:
    def __init__(self, scene):
        self._scene = scene

    async def show(self, targets):
        return self._scene.shown.pop(0)

    def keep(self):
        pass

    def lose(self):
        self._scene.do("lose")
        return True


class Scene:
    """A Tap and its neighbours; `log` holds what was done, in order. `broken` names what fails."""

    is_required = False

    def __init__(self, *shown, broken="", reason=event.GRANTED, holder=None):
        self.log = []
        self.broken = broken
        self.shown = list(shown)
        self.starts = 0
        self.recorded = []
        self.held = []
        for one in shown:
            if one and one.session:
                one.session.scene = self
        access = Access(self, self, self, self.release, self.Lamp())
        gate = Gate(self, reason, holder)
        self.tap = Tap(Chip(self), Cards(self), gate, self, self.verify, access, self, self.Lamp(), Attention(), self)

    class Lamp:
        def show(self, pattern):
            pass

    def do(self, what):
        if self.broken == what:
            raise FlashError(what)
        self.log.append(what)

    # Nonces, the check of signatures, the camera, the trail, the strike, uptime.
    def next(self):
        return bytes(16)

    def verify(self, holder, message, signature):
        return signature == b"\x01" * 64

    async def shoot(self, is_grant):
        self.do("shoot")
        return 1

    def hold(self, is_held):
        self.held.append(is_held)

    def record(self, kind, details):
        self.do("event %d" % kind)
        self.recorded.append((kind, details.get(event.REASON)))
        return len(self.recorded)

    def release(self, access_seq):
        self.do("release")

    def now_ms(self):
        return 5000

    def run(self, for_ms=200):
        async def run():
            try:
                await asyncio.wait_for_ms(self.tap.run(), for_ms)
            except asyncio.TimeoutError:
                pass

        asyncio.run(run())
        return self.log


def badge():
    return Presentation(BADGE, via=event.BADGE, credential=b"badge")


def phone(*arguments, **named):
    return Presentation(PHONE, via=event.PHONE, credential=b"phone", session=Session(*arguments, **named))


def test_a_badge_is_pictured_spent_and_written_down_before_the_strike():
    assert Scene(badge()).run() == ["judge", "shoot", "spend", "event 2", "release"]


def test_a_phone_has_proved_itself_before_anything_is_spent_and_hears_of_it():
    scene = Scene(phone(), holder=bytes(64))
    log = scene.run()
    # The picture is taken meanwhile, and stays in the camera until the phone has been served.
    assert scene.held == [True, False]
    assert log[:2] == ["judge", "challenge"] and log.index("shoot") < log.index("proof")
    assert log[log.index("proof") :] == ["proof", "spend", "event 2", "release", "tell 0"]


def test_a_phone_that_proves_nothing_is_refused():
    for session in (phone(proof.pack(bytes(64))), phone(b""), phone(error=TagError("no"))):
        scene = Scene(session, holder=bytes(64))
        assert "spend" not in scene.run() and "release" not in scene.log
        assert scene.recorded == [(event.ACCESS, event.WRONG_HOLDER)]
        assert scene.log[-1] == "tell %d" % event.WRONG_HOLDER


def test_a_card_that_goes_half_way_may_be_shown_again_at_once():
    scene = Scene(phone(error=CardLost(1)), holder=bytes(64))
    assert "lose" in scene.run() and "release" not in scene.log
    assert scene.recorded == [(event.ACCESS, event.CARD_LOST)]


def test_a_refusal_spends_nothing():
    scene = Scene(badge(), reason=event.EXPIRED)
    assert scene.run() == ["judge", "shoot", "event 2"]


def test_what_holds_no_credential_is_written_down():
    scene = Scene(Presentation(NOTHING, via=event.BADGE, reason=event.TWO_CARDS))
    assert scene.run() == ["shoot", "event 2"]
    assert scene.recorded == [(event.ACCESS, event.TWO_CARDS)]


def test_a_full_ledger_refuses():
    scene = Scene(badge(), broken="full")
    assert "release" not in scene.run()
    assert scene.recorded == [(event.ACCESS, event.USES_FULL)]


def test_a_flash_that_fails_keeps_the_door_locked_and_the_reader_going():
    for broken in ("spend", "event 2"):
        scene = Scene(badge(), broken=broken)
        assert "release" not in scene.run()
        scene.broken = ""
        scene.shown.append(badge())
        assert "release" in scene.run()


def test_a_reader_that_is_out_of_order_is_reported_once():
    scene = Scene(broken="chip")
    scene.run(50)
    scene.run(50)
    assert scene.starts == 2
    assert scene.recorded == [(event.READER_FAULT, event.READER)]
    scene.broken = ""
    scene.run(50)
    assert scene.recorded[1:] == [(event.READER_RECOVERED, None)]


def test_refusals_in_a_row_make_the_reader_rest():
    scene = Scene(*[badge() for _ in range(8)], reason=event.FORGED)
    scene.run(1500)
    # Five at 200 ms each, then one rests.
    assert len(scene.recorded) == 5
