"""The keypad's way in: keys -> presentation -> claim -> decision. A Wiegand reader's card numbers come this way too.

Loaded when a key is pressed, and let go when nothing is left to remember (`firmware.keyway`).
"""

from micropython import const

from firmware.core import event, indication, keycode
from firmware.core.decision import Decision
from firmware.core.errors import FlashError
from firmware.reader import keypad
from firmware.reader.presentation import NOTHING, TWO_KEYS, Presentation

# Whoever pauses for longer, with nothing typed, has gone.
_LONGEST_MS = const(10_000)


class Entry:
    """Serves the keypad. `checker` is None on a board without valid settings: each try is refused and recorded.

    `news` is the task.news.News that knows what was revoked, None where nothing can be.
    """

    def __init__(
        self, keys, checker, throttle, ledger, access, trail, indicator, attention, uptime, timekeeping, news=None
    ) -> None:
        self._keys = keys
        self._checker = checker
        self.throttle = throttle
        self._ledger = ledger
        self._access = access
        self._trail = trail
        self._indicator = indicator
        self._attention = attention
        self._uptime = uptime
        self._timekeeping = timekeeping
        self._news = news
        self._entry = keypad.CodeEntry()

    async def next_key(self):
        """Returns the next key, or None when something else is due: old digits, the end of a lock-out, or a rest."""
        now_ms = self._uptime.now_ms()
        wait_ms = _LONGEST_MS
        for due_ms in (self._entry.timeout_ms(now_ms), self.throttle.remaining_ms(now_ms)):
            wait_ms = min(wait_ms, due_ms or _LONGEST_MS)
        return await self._keys.next(wait_ms)

    async def take(self, key) -> bool:
        """Serves one key, None for none; returns whether there is something to remember until the next one."""
        now_ms = self._uptime.now_ms()
        self._end_lockout(now_ms)
        if key is None:
            self._entry.forget_old(now_ms)
            return not self._entry.is_empty or self.throttle.is_locked
        self._attention.touch(now_ms)
        shown = self._press(key, now_ms)
        if shown is not None:
            await self._serve(shown)
        return True

    def miss(self) -> None:
        """Keys came that nobody took."""
        self._entry.miss(self._uptime.now_ms())

    def _press(self, key, now_ms: int):
        """Feeds one key; returns a Presentation if it completes one."""
        if isinstance(key, Presentation):
            return key
        is_blind = self._attention.blindness
        if is_blind and (key == self._keys.MISSED or not self._keys.READS_LATE):
            self._entry.miss(now_ms)
            self._indicator.show(indication.AGAIN)
            return None
        if key == self._keys.TWO_KEYS:
            return self._entry.spoil()
        if key == self._keys.STUCK:
            self._trail_fault(event.STUCK_KEY)
            return None
        shown = self._entry.press(key, now_ms, is_blind)
        if shown is keypad.TYPED:
            self._indicator.show(indication.CLICK)
        elif shown is keypad.CLEARED:
            self._indicator.show(indication.CLEARED)
        elif shown is keypad.LOST:
            self._indicator.show(indication.AGAIN)
        else:
            return shown
        return None

    def _trail_fault(self, reason: int) -> None:
        try:
            self._trail.record(event.KEYPAD_FAULT, {event.REASON: reason})
        except FlashError:
            self._indicator.show(indication.FAULT)

    async def _serve(self, shown) -> None:
        """Decides on one presentation and acts on it; a flash that fails refuses."""
        try:
            decision = await self._access.act(self._decide(shown), None, self._revoked)
            self._settle(decision.is_granted)
        except FlashError:
            self._indicator.show(indication.FAULT)

    def _decide(self, shown) -> Decision:
        if self.throttle.is_locked:
            return Decision(event.LOCKED_OUT)
        if self._checker is None:
            return Decision(event.NOT_CONFIGURED)
        if shown.kind == TWO_KEYS:
            return Decision(event.TWO_KEYS)
        if shown.kind == NOTHING:
            return Decision(shown.reason, None, shown.via)
        # Paid before it is known, so that a power cut after a wrong guess gains nothing.
        self.throttle.charge()
        if shown.is_too_long:
            return Decision(event.MALFORMED, keycode.Claim(keycode.MALFORMED))
        claim = self._checker.check(shown.digits, self._timekeeping.now_s(self._uptime.now_ms()))
        if not claim.is_guess:
            self.throttle.refund()
        decision = keycode.decide(claim, self._ledger.is_code_used)
        if claim.outcome == keycode.VALID and self._revoked(claim):
            # Before the camera is asked, which need not see a resident whose code is good.
            decision = decision.refused(event.REVOKED)
        if decision.reason == event.EXPIRED:
            # Or whoever cuts the power now could bring the time back when it was valid.
            self._timekeeping.keep_floor()
        return decision

    def _revoked(self, claim) -> int:
        """Returns REVOKED if the building's list names this genuine code, else 0. Raises FlashError.

        Also while the list is lost: a code ends by itself, and people have to come in.
        """
        news = self._news
        if not news:
            return event.GRANTED
        key = keycode.code_id(news.config.full_name, claim.code_class, claim.slot, claim.window)
        try:
            reason = news.is_revoked(key)
        except MemoryError:
            # The list cannot be read, and there is no room for what would find out why: as if it were lost.
            reason = event.NO_LIST
        return reason if reason == event.REVOKED else event.GRANTED

    def _settle(self, is_granted: bool) -> None:
        """Lets the guess stand, or forgets all of them after a code that opened."""
        if is_granted:
            self.throttle.clear()
        elif self.throttle.settle(self._uptime.now_ms()):
            self._trail.record(event.LOCKOUT_STARTED, {event.DURATION_S: self.throttle.duration_s})
            self._indicator.show(indication.LOCKED_OUT)

    def _end_lockout(self, now_ms: int) -> None:
        try:
            if self.throttle.tick(now_ms):
                self._trail.record(event.LOCKOUT_ENDED, {})
        except FlashError:
            # Still locked out, then.
            self._indicator.show(indication.FAULT)
