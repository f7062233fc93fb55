"""Waits for keys; what serves them is loaded at the first one, and let go when nobody has pressed any for a while."""

import gc
from typing import TYPE_CHECKING

from micropython import const

from firmware.core import indication

if TYPE_CHECKING:
    from typing import Any

# So often the task goes round even if nothing is due: one that is not resumed for long counts as stuck.
_LONGEST_MS = const(20_000)
_LOCKED = const(2)


class Keyway:
    """Has a `task.entry.Entry` made for `keys`. `settings` is None on a board without valid ones.

    `forget(names)` has modules of the firmware loaded no longer; `news` as for the Entry.
    """

    def __init__(
        self, keys, settings, ledger, access, trail, indicator, attention, uptime, timekeeping, forget, news=None
    ) -> None:
        self._keys = keys
        self._settings = settings
        self._ledger = ledger
        self._access = access
        self._trail = trail
        self._indicator = indicator
        self._attention = attention
        self._uptime = uptime
        self._timekeeping = timekeeping
        self._forget = forget
        self._news = news
        self._entry: Any = None
        # A key came that there was no memory for.
        self._is_missed = False
        # An installer who tries the keypad: called with each key, which is a digit of somebody's code.
        self.watcher = None
        self.is_stuck = False

    @property
    def is_pressed(self) -> bool:
        """Whether somebody is pressing a key, and it is not one that is stuck."""
        return self._keys.is_awake and not self.is_stuck

    @property
    def throttle(self):
        """The lock-out, None while there is none to end."""
        return self._entry.throttle if self._entry else None

    async def run(self) -> None:
        keys = self._keys
        while True:
            if not self._entry and self._ledger.throttle()[_LOCKED]:
                # Its end is due.
                self._open()
            key = await (self._entry.next_key() if self._entry else keys.next(_LONGEST_MS))
            if key == keys.MISSED and not self._attention.blindness:
                # A spike on a wire is nobody.
                key = None
            if key is not None:
                if self.watcher:
                    self.watcher(key)
                self.is_stuck = key == keys.STUCK
                self._open()
            if self._entry and not await self._entry.take(key):
                self._entry = None
                self._forget(("task.entry",))

    def _open(self) -> None:
        """Loads what serves keys; without memory for it the lamp says so, and the next key tries again."""
        if self._entry:
            return
        try:
            self._entry = self._make()
        except MemoryError:
            self._is_missed = True
            gc.collect()
            self._indicator.show(indication.FAULT)
            return
        if self._is_missed:
            self._is_missed = False
            self._entry.miss()

    def _make(self):
        from firmware.core.keycode import Checker
        from firmware.core.throttle import Throttle
        from firmware.task.entry import Entry

        settings, kept = self._settings, self._ledger
        throttle = Throttle(kept.throttle(), kept.put_throttle, self._uptime.now_ms())
        return Entry(
            self._keys,
            Checker(settings.code_key, settings.tag, settings.day_start_s) if settings else None,
            throttle,
            kept,
            self._access,
            self._trail,
            self._indicator,
            self._attention,
            self._uptime,
            self._timekeeping,
            self._news,
        )
