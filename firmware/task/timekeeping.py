"""Feeds the clock: answers from the network, the RTC across a reset, and the floor in flash."""

from micropython import const

from firmware.core import clock, event
from firmware.core.errors import FlashError
from firmware.store import ledger

# A clock that is set by less than this is the same clock a little better.
_NOTEWORTHY_S = const(2)


class Timekeeping:
    """`rtc` keeps Unix time across a reset: `set(time_s)`."""

    def __init__(self, lock_clock, kept, trail, rtc, uptime) -> None:
        self._clock = lock_clock
        self._ledger = kept
        self._trail = trail
        self._rtc = rtc
        self._uptime = uptime

    def now_s(self, uptime_ms: int):
        """Returns Unix time, or None while it is unknown."""
        return self._clock.now_s(uptime_ms)

    def uncertainty_ms(self, uptime_ms: int):
        """Returns how far off the time may be, or None while it is unknown."""
        known = self._clock.now_s(uptime_ms) is not None
        return 1000 * self._clock.uncertainty_s(uptime_ms) if known else None

    def tell(self, time_s: int, uncertainty_s: int, age_ms: int, source: str) -> int:
        """Takes an answer that is `age_ms` old; returns what the clock makes of it, as `clock.Clock.tell`."""
        now_ms = self._uptime.now_ms()
        was_known = self._clock.now_s(now_ms) is not None
        outcome, step_s = self._clock.tell(time_s + age_ms // 1000, uncertainty_s, now_ms)
        details = {event.STEP_S: step_s, event.NAME: source}
        try:
            if outcome == clock.REFUSED:
                self._trail.record(event.CLOCK_REFUSED, details)
                return outcome
            self.keep_floor()
            if not was_known or abs(step_s) >= _NOTEWORTHY_S:
                self._trail.record(event.CLOCK_SET, details)
        except FlashError:
            pass
        now_s = self._clock.now_s(now_ms)
        # What it was told may leave it too uncertain to be used.
        if now_s is not None:
            self._rtc.set(now_s)
        return outcome

    def witness(self, issued_s: int) -> None:
        """Takes the time at which a verified credential was issued. Raises FlashError."""
        if self._clock.witness(issued_s, self._uptime.now_ms()):
            self.keep_floor()

    def keep_floor(self) -> None:
        """Writes down how late it is, so that a power cut cannot make it earlier. Raises FlashError.

        Whoever refuses something because it has expired calls this first.
        """
        self._clock.now_s(self._uptime.now_ms())
        self._ledger.put_integer(ledger.CLOCK_FLOOR, self._clock.floor_s)
