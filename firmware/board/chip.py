"""The chip itself: reset, watchdog, and the RTC that keeps the time across a reset."""

import time

import machine
from micropython import const

# Seconds between 1970 and the epoch of this port: 0, or 946,684,800 where time starts in 2000.
_EPOCH_S = 0 if time.gmtime(0)[0] == 1970 else 946_684_800

# Without a feed for so long the board resets: three times the longest piece of work between two feeds.
_WATCHDOG_MS = const(20_000)

# An RTC that shows an earlier year was never set.
_FIRST_YEAR = const(2024)


def reset_cause() -> int:
    """Returns the port's number for why the chip started."""
    return machine.reset_cause()


def is_power_on() -> bool:
    """Whether the chip started because the power came, not after a reset."""
    return machine.reset_cause() == machine.PWRON_RESET


def reset() -> None:
    """Starts the chip afresh; every pin falls back to its rest."""
    machine.reset()


def watchdog(timeout_ms: int = _WATCHDOG_MS) -> machine.WDT:
    """Starts the watchdog, or gives the one that runs another time-out."""
    return machine.WDT(timeout=timeout_ms)


class Rtc:
    """The chip's own clock: it runs on through a reset, not through a power cut."""

    def __init__(self) -> None:
        self._rtc = machine.RTC()

    def set(self, time_s: int) -> None:
        """Sets it to Unix time."""
        year, month, day, hour, minute, second, weekday, _ = time.gmtime(time_s - _EPOCH_S)
        self._rtc.datetime((year, month, day, weekday, hour, minute, second, 0))

    def now_s(self):
        """Returns Unix time, or None if it was not set since the power came on."""
        year, month, day, weekday, hour, minute, second, _ = self._rtc.datetime()
        if year < _FIRST_YEAR:
            return None
        return time.mktime((year, month, day, hour, minute, second, weekday, 0)) + _EPOCH_S
