"""machine.Timer, RTC and WDT."""

import time

import _frames
import _virtual


class Timer:
    """A timer whose callback runs in the main thread, as soon as that looks at the clock or waits."""

    ONE_SHOT = 0
    PERIODIC = 1

    def __init__(self, id: int = -1, **options) -> None:
        if id > 3:
            raise ValueError("Timer(%d) doesn't exist, there are only 4 hardware timers" % id)
        self.due = 0
        if options:
            self.init(**options)

    def init(self, mode: int = PERIODIC, callback=None, period: int = -1, tick_hz: int = 1000, freq=None) -> None:
        self.deinit()
        self._period_us = int(1000000 / freq) if freq else period * 1000000 // tick_hz
        if self._period_us <= 0:
            raise ValueError("Timer period is too short for this timer")
        self._mode = mode
        self.callback = callback
        self.due = _virtual.clock() + self._period_us
        _virtual.timers.append(self)

    def deinit(self) -> None:
        if self in _virtual.timers:
            _virtual.timers.remove(self)

    def value(self) -> int:
        return (self._period_us - max(0, self.due - _virtual.clock())) // 1000

    def fire(self, now_us: int) -> None:
        """Sets the next time; the board's `run` does this, then calls the callback."""
        if self._mode == Timer.ONE_SHOT:
            _virtual.timers.remove(self)
        else:
            # Periods that passed while the program was busy are skipped, not made up for.
            self.due += (now_us - self.due) // self._period_us * self._period_us + self._period_us


class RTC:
    """The clock that goes on through a reset, and starts at 2000-01-01 when the power comes."""

    def datetime(self, moment=None):
        if moment is None:
            at_us = _virtual.clock(1) + _virtual.rtc
            year, month, day, hour, minute, second, weekday, _ = time.gmtime(at_us // 1000000)
            return (year, month, day, weekday, hour, minute, second, at_us % 1000000)
        year, month, day, _, hour, minute, second, microsecond = moment
        self._set(time.mktime((year, month, day, hour, minute, second)) * 1000000 + microsecond)

    def init(self, moment) -> None:
        self.datetime(tuple(moment[:3]) + (0,) + tuple(moment[3:7]))

    def _set(self, at_us: int) -> None:
        _virtual.rtc = at_us - _virtual.clock()
        _virtual.tell(_frames.RTC, 0, _virtual.rtc)


class WDT:
    """The watchdog. It cannot be stopped; making it again changes its time-out and feeds it."""

    def __init__(self, id: int = 0, timeout: int = 5000) -> None:
        if id:
            raise ValueError
        if timeout <= 0:
            raise ValueError("WDT timeout too short")
        _virtual.tell(_frames.WDT, 0, timeout * 1000)

    def feed(self) -> None:
        _virtual.tell(_frames.WDT)
