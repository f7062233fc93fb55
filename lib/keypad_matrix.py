"""Scanner for a matrix keypad: rows that are pulled low in turn, columns with pull-ups, a key where they cross.

Every key is debounced by itself, by time. Closed keys can make a crossing look closed that is not (three corners of a
rectangle show the fourth), but never turn one pressed key into another; whatever shows two is reported as two.

`scan` allocates nothing, so that it may run in a timer callback, also while the heap is locked.
"""

import time

from micropython import const

# What `next_event` returns besides characters.
TWO_KEYS = 1
STUCK = 2

_LEAST_DEBOUNCE_MS = const(20)
_RING = const(16)
# The ring holds TWO_KEYS, STUCK, or the number of a key and this.
_FIRST_KEY = const(16)

# The state of one key.
_CLOSED = const(1)  # at the last look
_DOWN = const(2)  # debounced
_STUCK = const(4)  # left out until it is up
_DONE = const(8)  # reported


class Matrix:
    """Watches `rows` and `columns`, pins with `value(level)` and `value()`; rows are outputs, best open-drain.

    `keys` names the keys row by row, one character each. A key counts after `debounce_ms` (20 or more) without a
    change, and as stuck after `stuck_ms`.
    """

    def __init__(self, rows, columns, keys: str, debounce_ms: int = 20, stuck_ms: int = 10_000) -> None:
        if len(keys) != len(rows) * len(columns) or len(keys) > 256 - _FIRST_KEY:
            raise ValueError("one character for each crossing")
        if debounce_ms < _LEAST_DEBOUNCE_MS:
            raise ValueError("contacts bounce longer than that")
        self._rows = rows
        self._columns = columns
        self._keys = keys
        self._debounce_ms = debounce_ms
        self._stuck_ms = stuck_ms
        self._states = bytearray(len(keys))
        self._changed_ms = [0] * len(keys)
        self._is_chord = False
        # The first scan after a rest counts as a change: a key may be pressed, and the last one was long ago.
        self._is_resting = True
        self._is_idle = False
        self._last_change_ms = 0
        self._ring = bytearray(_RING)
        self._put_at = 0
        self._take_at = 0

    @property
    def is_idle(self) -> bool:
        """Whether at the last scan every key was up and none had moved for `debounce_ms`; a stuck key is not up."""
        return self._is_idle

    def idle(self) -> bool:
        """Pulls all rows low, so that any key that is pressed pulls its column low: an edge to wake up on.

        Returns False if a column is low already, so that there will be no edge: then go on scanning.
        """
        self._is_resting = True
        for row in self._rows:
            row.value(0)
        for column in self._columns:
            if not column.value():
                return False
        return True

    def next_event(self):
        """Returns the oldest event: a key's character, TWO_KEYS once for each chord, STUCK once for each key, or None.

        Of what nobody takes, the first 15 events are kept.
        """
        at = self._take_at
        if at == self._put_at:
            return None
        event = self._ring[at]
        self._take_at = (at + 1) % _RING
        return event if event < _FIRST_KEY else self._keys[event - _FIRST_KEY]

    def scan(self, now_ms: int) -> bool:
        """Looks at every key at `now_ms` (of time.ticks_ms) and returns whether there are events to take.

        To be called several times within `debounce_ms` until `is_idle`.
        """
        if self._is_resting:
            self._is_resting = False
            self._last_change_ms = now_ms
            self._release_rows()
        key = 0
        for row in self._rows:
            row.value(0)
            for column in self._columns:
                self._look(key, not column.value(), now_ms)
                key += 1
            row.value(1)
        self._judge()
        self._is_idle = time.ticks_diff(now_ms, self._last_change_ms) >= self._debounce_ms and self._are_all_up()
        return self._take_at != self._put_at

    def _release_rows(self) -> None:
        for row in self._rows:
            row.value(1)

    def _look(self, key: int, is_closed: bool, now_ms: int) -> None:
        """Brings one key's state up to date."""
        state = self._states[key]
        if is_closed != bool(state & _CLOSED):
            self._states[key] = state ^ _CLOSED
            self._changed_ms[key] = self._last_change_ms = now_ms
            return
        same_ms = time.ticks_diff(now_ms, self._changed_ms[key])
        if is_closed:
            if not state & _DOWN and same_ms >= self._debounce_ms:
                self._states[key] = state | _DOWN
            elif not state & _STUCK and same_ms >= self._stuck_ms:
                self._states[key] = state | _STUCK
                self._put(STUCK)
        elif state and same_ms >= self._debounce_ms:
            self._states[key] = 0

    def _judge(self) -> None:
        """Reports what the keys mean together. One that is closed but not yet down makes the others wait for it."""
        busy = closed = down = 0
        new = -1
        for key in range(len(self._states)):
            state = self._states[key]
            if not state or state & _STUCK:
                continue
            busy += 1
            if state & _CLOSED:
                closed += 1
                if state & _DOWN:
                    down += 1
                    if not state & _DONE:
                        new = key
        if not busy:
            self._is_chord = False
        elif down > 1 and not self._is_chord:
            self._is_chord = True
            self._put(TWO_KEYS)
        elif new >= 0 and closed == 1 and not self._is_chord:
            self._states[new] |= _DONE
            self._put(_FIRST_KEY + new)

    def _are_all_up(self) -> bool:
        for state in self._states:
            if state:
                return False
        return True

    def _put(self, event: int) -> None:
        after = (self._put_at + 1) % _RING
        if after != self._take_at:
            self._ring[self._put_at] = event
            self._put_at = after
