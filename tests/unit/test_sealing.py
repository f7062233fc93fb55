import asyncio

import bell

from firmware.core.errors import FlashError
from firmware.task import sealing
from firmware.task.sealing import Sealing

HOUR_MS = 3_600_000


class Over(Exception):
    pass


class Uptime:
    """Time that passes in waits only; at its end the test is over."""

    def __init__(self, end_ms):
        self.ms = 0
        self._end_ms = end_ms

    def now_ms(self):
        return self.ms

    def move(self, by_ms):
        self.ms += by_ms
        if self.ms > self._end_ms:
            raise Over


class Waits:
    """What Sealing uses of asyncio, on that time."""

    def __init__(self, uptime):
        self._uptime = uptime
        self.longest_ms = 0

    async def sleep_ms(self, ms):
        self._pass(ms)

    def _pass(self, ms):
        self.longest_ms = max(self.longest_ms, ms)
        self._uptime.move(ms)


class Trail:
    def __init__(self, uptime):
        self._uptime = uptime
        self.unsealed = 0
        self.changed = None
        self.seals = []
        self.failures = 0

    def seal(self):
        if self.failures:
            self.failures -= 1
            raise FlashError("injected")
        self.unsealed = 0
        self.seals.append(self._uptime.ms)


class Journal:
    wants_preparing = False


class Attention:
    def is_quiet(self, now_ms):
        return True


def seals(hours, unsealed=0, failures=0):
    """Returns when an idle lock seals in so many hours, and the longest wait."""
    uptime = Uptime(hours * HOUR_MS)
    trail = Trail(uptime)
    trail.unsealed = unsealed
    trail.failures = failures
    waits = Waits(uptime)
    sealing.asyncio = bell.asyncio = waits
    task = Sealing(trail, Journal(), Attention(), uptime)
    try:
        asyncio.run(task.run())
    except Over:
        return trail.seals, waits.longest_ms
    finally:
        sealing.asyncio = bell.asyncio = asyncio
    raise AssertionError("ended")


def test_an_idle_lock_seals_every_six_hours():
    found, longest_ms = seals(25)
    assert len(found) == 4
    for before, after in zip([0] + found, found):
        assert 5.9 * HOUR_MS < after - before <= 6 * HOUR_MS
    assert longest_ms <= 20_000


def test_what_is_unsealed_is_sealed_at_once_and_after_a_failure_soon():
    found, _ = seals(1, unsealed=1)
    assert found == [0]
    found, longest_ms = seals(1, unsealed=1, failures=3)
    assert found == [60_000] and longest_ms <= 20_000
