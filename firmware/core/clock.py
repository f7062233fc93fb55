"""Unix time with a confidence, never backwards.

    unknown --first answer at or above the floor--> known --no answer for weeks, drift adds up--> unknown

A lock without a battery starts without a time. The floor is the latest time it ever knew, kept in flash: whatever
is told to it later, time starts at or after the floor, so that no expired code comes to life again.
"""

from constant import const

# What an ESP32's crystal may be off: 20 ppm is 12 s a week. Kept as "one second in so many".
_DRIFT_ONE_IN = const(50_000)

# An uncertainty above this counts as not knowing the time: half of the shortest code window is 30 minutes.
_USABLE_UNCERTAINTY_S = const(600)

# Answers that lie this far behind the clock are the same time seen through a slow network: the clock just goes on.
_TOLERANCE_S = const(5)

# The farthest that a time of issue may move the floor: an issuer's computer with a calendar of its own must not leave
# a lock that refuses the right time for years.
_LEAP_S = const(63_072_000)

# Answers this far beyond the floor, 1,827 days, are no time but a forgery or a fault: taken, they would end every
# credential for years.
_BEYOND_S = const(157_852_800)

# Outcomes of `tell`.
SET = 0
KEPT = 1
REFUSED = 2


class Clock:
    """Tells the time as far as it is known. `floor_s` is the kept floor, 0 on a new board."""

    def __init__(self, floor_s: int) -> None:
        self.floor_s = floor_s
        self._base_s = None
        self._base_ms = 0
        self._uncertainty_s = 0

    def now_s(self, uptime_ms: int):
        """Returns Unix time, or None while it is unknown or has become too uncertain."""
        if self._base_s is None or self.uncertainty_s(uptime_ms) > _USABLE_UNCERTAINTY_S:
            return None
        now_s = self._base_s + (uptime_ms - self._base_ms) // 1000
        # The floor moves with the clock, so that a later answer can be held against the present second.
        self.floor_s = max(self.floor_s, now_s)
        return now_s

    def uncertainty_s(self, uptime_ms: int) -> int:
        """Returns how far off the time may be: what it was told with, and drift since."""
        return self._uncertainty_s + (uptime_ms - self._base_ms) // (1000 * _DRIFT_ONE_IN)

    def tell(self, time_s: int, uncertainty_s: int, uptime_ms: int) -> tuple:
        """Takes an answer about the time; returns (SET, KEPT or REFUSED, step in seconds).

        SET: the clock now goes by it. KEPT: it lies a little behind the clock, which goes on as it was, its
        confidence renewed. REFUSED: it lies behind what was already known, or more than five years beyond it; nothing
        changes. A lock that never knew a time takes any.
        """
        present_s = self.now_s(uptime_ms)
        if self.floor_s and time_s - self.floor_s > _BEYOND_S:
            return REFUSED, time_s - self.floor_s
        if present_s is None:
            # After the floor the time is at least the floor, however the answer looks.
            if time_s + uncertainty_s + _TOLERANCE_S < self.floor_s:
                return REFUSED, time_s - self.floor_s
            self._set(max(time_s, self.floor_s), uncertainty_s, uptime_ms)
            return SET, 0
        step_s = time_s - present_s
        if step_s < -(uncertainty_s + _TOLERANCE_S + self.uncertainty_s(uptime_ms)):
            return REFUSED, step_s
        if step_s <= 0:
            self._set(present_s, uncertainty_s - step_s, uptime_ms)
            return KEPT, step_s
        self._set(time_s, uncertainty_s, uptime_ms)
        return SET, step_s

    def witness(self, issued_s: int, uptime_ms: int) -> bool:
        """Takes when a verified credential was issued: it is at least that late. Returns whether the floor moved.

        Only while the time is unknown: a clock that goes knows better. A lock that never knew the time, or was off for
        more than two years, learns nothing from it.
        """
        if self.now_s(uptime_ms) is not None or not 0 < issued_s - self.floor_s <= _LEAP_S or not self.floor_s:
            return False
        self.floor_s = issued_s
        return True

    def _set(self, time_s: int, uncertainty_s: int, uptime_ms: int) -> None:
        self._base_s = time_s
        self._base_ms = uptime_ms
        self._uncertainty_s = uncertainty_s
        self.floor_s = max(self.floor_s, time_s)
