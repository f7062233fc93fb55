"""The street door: strike, contact and what they mean together. One state machine, no pins, no clock of its own.

              release                    opened
    SECURE ------------> RELEASED --------------------> OPEN --held_ms--> HELD
      ^  ^                  |  pulse over                 |                 |
      |  '------------------'                             '---- closed -----'
      |                                                            |
      '---------------- pulse over -------- (RELEASED again) <-----'
      |
      '-- opened without a release --> FORCED -- closed --> SECURE

The strike ends its pulse by itself (`board.strike`); here the end is only noted. Every method returns the events that
it caused, as a list of (kind, details) in order; the caller records each one.

One release lasts from the first pulse until the strike rests. Whoever is let in meanwhile belongs to it; an opening in
it is that of the last one let in, and a release without any is said for each of them, if there is a contact to tell.
"""

from constant import const

from firmware.core import event
from firmware.core.errors import StrikeError

SECURE = 0
RELEASED = 1
OPEN = 2
HELD = 3
FORCED = 4

# A door pulled open in the last moment of the pulse is seen a debounce later.
_GRACE_MS = const(500)
# Who is let in while a pulse follows the other may be without end.
_MOST_WAITING = const(8)


class Door:
    """`strike.pulse(ms)` releases the strike for `ms` and returns, or raises StrikeError."""

    def __init__(self, strike, release_ms: int, held_ms: int) -> None:
        self._strike = strike
        self._release_ms = release_ms
        self._held_ms = held_ms
        # End of the pulse that is running, and until when the last release wants it.
        self._released_until_ms = None
        self._wanted_until_ms = 0
        self._grace_until_ms = 0
        self._opened_ms = 0
        self._has_contact = False
        # Access events of the release: the last one, those that have seen no open door, the one it was opened for.
        self._access_seq = None
        self._waiting = ()
        self._opened_for = None
        self.state = SECURE

    @property
    def is_open(self) -> bool:
        return self.state in (OPEN, HELD, FORCED)

    @property
    def is_released(self) -> bool:
        """Whether a pulse is running, as far as was noted."""
        return self._released_until_ms is not None

    def release(self, cause: int, access_seq, now_ms: int) -> list:
        """Starts the strike pulse, or makes the one that is running last as long again, by another behind it.

        Raises StrikeError, and then nothing has changed.
        """
        happened = []
        if self._released_until_ms is None:
            self._strike.pulse(self._release_ms)
            self._released_until_ms = now_ms + self._release_ms
            happened = self._give_up()
        self._wanted_until_ms = now_ms + self._release_ms
        if self.state == SECURE:
            self.state = RELEASED
        details = {event.CAUSE: cause}
        if access_seq is not None:
            details[event.ACCESS_SEQ] = self._access_seq = access_seq
            if self._has_contact and not self.is_open:
                self._waiting = self._waiting[1 - _MOST_WAITING :] + (access_seq,)
        happened.append((event.UNLOCKED, details))
        return happened

    def start(self, is_open: bool, now_ms: int) -> list:
        """Takes the contact as it stands at power-on; a door found open is open, not forced."""
        self._has_contact = True
        if not is_open:
            return []
        self.state = OPEN
        self._opened_ms = now_ms
        return [(event.DOOR_OPENED, {})]

    def _give_up(self) -> list:
        """Ends what the last release was for."""
        happened = [(event.NOT_OPENED, {event.ACCESS_SEQ: access_seq}) for access_seq in self._waiting]
        self._access_seq = None
        self._waiting = ()
        return happened

    def contact(self, is_open: bool, now_ms: int) -> list:
        """Takes the debounced contact; repeating the same level changes nothing."""
        if is_open == self.is_open:
            return []
        if not is_open:
            self.state = SECURE if self._released_until_ms is None else RELEASED
            details = {event.DURATION_S: (now_ms - self._opened_ms) // 1000}
            if self._opened_for is not None:
                details[event.ACCESS_SEQ] = self._opened_for
            return [(event.DOOR_CLOSED, details)]
        self._opened_ms = now_ms
        if self.state == RELEASED or now_ms < self._grace_until_ms:
            self.state = OPEN
            self._waiting = ()
            self._opened_for = self._access_seq
            return [(event.DOOR_OPENED, {} if self._opened_for is None else {event.ACCESS_SEQ: self._opened_for})]
        self._opened_for = None
        self.state = FORCED
        return self._give_up() + [(event.DOOR_FORCED, {})]

    def tick(self, now_ms: int) -> list:
        """Notes what time alone brings: the end of the pulse, a door held open."""
        happened = []
        if self._released_until_ms is not None and now_ms >= self._released_until_ms and not self._goes_on(now_ms):
            self._grace_until_ms = self._released_until_ms + _GRACE_MS
            self._released_until_ms = None
            if self.state == RELEASED:
                self.state = SECURE
            happened.append((event.LOCKED, {}))
        if self._waiting and self._released_until_ms is None and now_ms >= self._grace_until_ms:
            happened += self._give_up()
        if self.state == OPEN and now_ms - self._opened_ms >= self._held_ms:
            self.state = HELD
            happened.append((event.DOOR_HELD, {event.DURATION_S: (now_ms - self._opened_ms) // 1000}))
        return happened

    def _goes_on(self, now_ms: int) -> bool:
        """Starts the pulse behind the one that is over, if somebody was let in during it."""
        if self._wanted_until_ms <= now_ms:
            return False
        try:
            self._strike.pulse(self._wanted_until_ms - now_ms)
        except StrikeError:
            # It rests, earlier than the second visitor was promised.
            return False
        self._released_until_ms = self._wanted_until_ms
        return True

    def next_ms(self):
        """Returns when `tick` has something to do next, or None."""
        due_ms = self._released_until_ms
        if due_ms is None and self._waiting:
            due_ms = self._grace_until_ms
        if self.state != OPEN:
            return due_ms
        held_ms = self._opened_ms + self._held_ms
        return held_ms if due_ms is None else min(held_ms, due_ms)
