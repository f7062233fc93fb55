"""The floor is in flash before anybody is told that something has expired: real clock, ledger and gate."""

from fake_flash import FakeFlash
from fake_issuer import KID, FakeIssuer, mint, usual_claims

from firmware.core import event
from firmware.core.clock import Clock
from firmware.core.errors import FlashError
from firmware.core.tz_string import parse
from firmware.store import ledger
from firmware.store.ledger import Ledger
from firmware.task.gate import Gate
from firmware.task.timekeeping import Timekeeping

END_S = usual_claims()[4]


class Scene:
    """A lock on `flash` that has just started; it is its own trail, RTC, uptime and door."""

    full_name = "maple-12/front"
    building = "maple-12"
    areas = ["lobby"]
    revoked = []
    bearer = "off"
    zone = parse("UTC0")

    def __init__(self, flash):
        self.uptime_ms = 0
        self.kinds = []
        self.rtc_s = None
        self.kept = Ledger(flash)
        self.clock = Clock(self.kept.integer(ledger.CLOCK_FLOOR))
        self.timekeeping = Timekeeping(self.clock, self.kept, self, self, self)
        self.issuer = FakeIssuer()
        self.gate = Gate(self, {KID: self.issuer}, self.kept, self.clock, self.timekeeping, self, None, self, None)

    def now_ms(self):
        return self.uptime_ms

    # Nothing was revoked.
    def is_revoked(self, key):
        return 0

    def record(self, kind, details):
        self.kinds.append(kind)

    def set(self, time_s):
        self.rtc_s = time_s

    def judge(self):
        return self.gate.judge(mint(usual_claims(), self.issuer), event.PHONE).reason


def test_a_power_cut_behind_a_refusal_as_expired_brings_no_time_back():
    flash = FakeFlash(3)
    scene = Scene(flash)
    scene.timekeeping.tell(END_S - 20, 1, 0, "ntp")
    scene.uptime_ms = 30_000
    assert scene.judge() == event.EXPIRED
    assert Ledger(flash).integer(ledger.CLOCK_FLOOR) == END_S + 10
    # The power was cut, and the network now says that it is earlier.
    again = Scene(flash)
    again.timekeeping.tell(END_S - 20, 1, 0, "ntp")
    assert again.kinds == [event.CLOCK_REFUSED] and again.judge() == event.TIME_UNKNOWN


def test_what_has_not_expired_costs_no_write():
    flash = FakeFlash(3)
    scene = Scene(flash)
    scene.timekeeping.tell(END_S - 86_400, 1, 0, "ntp")
    scene.uptime_ms = 30_000
    before = flash.operations
    assert scene.judge() != event.EXPIRED and flash.operations == before


def test_what_leaves_the_clock_too_uncertain_does_not_set_the_rtc():
    scene = Scene(FakeFlash(3))
    scene.timekeeping.tell(END_S, 590, 0, "token")
    scene.timekeeping.tell(END_S - 500, 300, 0, "ntp")
    assert scene.clock.now_s(0) is None and scene.rtc_s == END_S


def test_no_verdict_when_the_floor_cannot_be_kept():
    flash = FakeFlash(3)
    scene = Scene(flash)
    scene.timekeeping.tell(END_S, 1, 0, "ntp")
    scene.uptime_ms = 5_000
    flash.is_broken = True
    try:
        scene.judge()
        raise AssertionError("judged")
    except FlashError:
        pass


def test_a_time_years_ahead_is_refused_and_on_record():
    scene = Scene(FakeFlash(3))
    scene.timekeeping.tell(END_S, 1, 0, "ntp")
    scene.timekeeping.tell(END_S + 10 * 365 * 86_400, 1, 0, "ntp")
    assert scene.kinds == [event.CLOCK_SET, event.CLOCK_REFUSED]
    assert scene.kept.integer(ledger.CLOCK_FLOOR) == END_S and scene.timekeeping.now_s(0) == END_S == scene.rtc_s


def test_how_far_off_the_time_may_be():
    scene = Scene(FakeFlash(4))
    timekeeping = scene.timekeeping
    assert timekeeping.uncertainty_ms(0) is None
    timekeeping.tell(END_S, 2, 0, "ntp")
    assert timekeeping.uncertainty_ms(0) == 2_000
    # The crystal's share of a day.
    assert timekeeping.uncertainty_ms(86_400_000) == 3_000
    # Too much of it, and the time is not known any more.
    assert timekeeping.uncertainty_ms(598 * 50_000_000) == 600_000
    assert timekeeping.uncertainty_ms(599 * 50_000_000) is None
