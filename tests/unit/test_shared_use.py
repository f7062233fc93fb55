"""Several phones at once at one door: real credentials, gate, ledger and access; nobody spends what somebody spent."""

# ruff: noqa: I001 - first what takes the most to compile, while there is room.
from firmware.task.visit import Visit

import asyncio

from fake_flash import FakeFlash
from fake_issuer import KID, FakeIssuer, mint, with_claim

from firmware.core import event, proof
from firmware.core.clock import Clock
from firmware.core.tz_string import parse
from firmware.store.ledger import Ledger
from firmware.task.access import Access
from firmware.task.gate import Gate

# Monday 21 September 2026, 12:00 UTC, inside the usual hours.
NOON_S = 1_789_992_000


class Phone:
    """One that proves after `proving_ms`, and then looks on while `proved` is called."""

    is_remote = False
    version = 1
    channel = b""
    wants_receipt = has_token = False

    def __init__(self, data, proving_ms=60, proved=None):
        self.data = data
        self._proving_ms = proving_ms
        self._proved = proved

    async def prove(self, challenge):
        await asyncio.sleep_ms(self._proving_ms)
        if self._proved:
            self._proved()
        return proof.pack(bytes(64))

    async def tell(self, result):
        pass


class Scene:
    """A lock; it is its own settings, timekeeping, news, nonces, trail, indicator and uptime."""

    full_name = "maple-12/front"
    building = "maple-12"
    areas = ["lobby"]
    bearer = "off"
    zone = parse("UTC0")

    def __init__(self):
        self.revoked = []
        self.listed = []
        self.opened = []
        self.last = b""
        self.issuer = FakeIssuer()
        clock = Clock(0)
        clock.tell(NOON_S, 1, 0)
        self.kept = Ledger(FakeFlash(3))
        self.gate = Gate(self, {KID: self.issuer}, self.kept, clock, self, self, self.verify, self, None)
        access = Access(self.kept, None, self, self.opened.append, self)
        self.visit = Visit(self.gate, self, lambda holder: holder, self.verify, access, self, self, self.forget)

    def now_ms(self):
        return 0

    def witness(self, issued_s):
        pass

    def verify(self, holder, message, signature):
        return True

    def is_revoked(self, key):
        return event.REVOKED if key in self.listed else 0

    def next(self):
        return bytes(16)

    def forget(self, names):
        pass

    def record(self, kind, details):
        return 1

    def show(self, pattern):
        pass

    def credential(self, uses=None, name=b"delivery"):
        claims = with_claim(7, name)
        del claims[-70003]
        if uses:
            claims[-70003] = uses
        return mint(claims, self.issuer)

    def serve(self, *phones):
        """Serves all of them at once; returns the reasons."""

        async def all_of_them():
            return await asyncio.gather(*[self.visit.serve(phone, phone.data, event.PHONE) for phone in phones])

        return [decision.reason for decision in asyncio.run(all_of_them())]


def test_two_phones_share_one_use():
    for waits in ((60, 60), (40, 90), (90, 40)):
        scene = Scene()
        data = scene.credential(1)
        reasons = scene.serve(*[Phone(data, wait_ms) for wait_ms in waits])
        assert sorted(reasons) == [event.GRANTED, event.ALREADY_USED] and len(scene.opened) == 1
        assert scene.serve(Phone(data)) == [event.ALREADY_USED] and len(scene.opened) == 1


def test_three_phones_share_two_uses():
    scene = Scene()
    data = scene.credential(2)
    reasons = scene.serve(Phone(data), Phone(data, 61), Phone(data, 62))
    assert sorted(reasons) == [0, 0, event.ALREADY_USED] and len(scene.opened) == 2


def test_phones_with_their_own_do_not_stand_in_each_other_s_way():
    scene = Scene()
    assert scene.serve(*[Phone(scene.credential(1, b"visitor%d" % number)) for number in range(3)]) == [0, 0, 0]


def test_what_is_revoked_while_a_phone_signs_does_not_open():
    scene = Scene()
    data = scene.credential()
    key = scene.gate.judge(data, event.PHONE).claim.key
    phone = Phone(data, proved=lambda: scene.listed.append(key))
    assert scene.serve(phone) == [event.REVOKED] and not scene.opened
    scene.listed.clear()
    assert scene.serve(Phone(data)) == [event.GRANTED]
