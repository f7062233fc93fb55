"""The way in: keys -> presentation -> claim -> decision -> picture -> event -> strike."""

import asyncio

from firmware.core import event, indication, keycode
from firmware.core.decision import Decision, decide
from firmware.core.errors import FlashError, StrikeError
from firmware.reader import keypad
from firmware.reader.presentation import TWO_KEYS


class Entry:
    """Serves the keypad. `release(access_seq)` opens the door or raises StrikeError.

    `checker` and `photographer` are None on a board without valid settings: then nobody is let in, and every try is
    still written down.
    """

    def __init__(
        self, keys, checker, throttle, ledger, photographer, trail, release, indicator, attention, uptime, clock
    ):
        self._keys = keys
        self._checker = checker
        self._throttle = throttle
        self._ledger = ledger
        self._photographer = photographer
        self._trail = trail
        self._release = release
        self._indicator = indicator
        self._attention = attention
        self._uptime = uptime
        self._clock = clock
        self._entry = keypad.CodeEntry()

    async def run(self) -> None:
        while True:
            key = await self._next_key()
            now_ms = self._uptime.now_ms()
            self._end_lockout(now_ms)
            if key is None:
                self._entry.forget_old(now_ms)
                continue
            self._attention.touch(now_ms)
            shown = self._press(key, now_ms)
            if shown is not None:
                await self._serve(shown)

    async def _next_key(self):
        """Returns the next key, or None when something else is due: old digits, the end of a lock-out."""
        now_ms = self._uptime.now_ms()
        waits = [wait for wait in (self._entry.timeout_ms(now_ms), self._throttle.remaining_ms(now_ms)) if wait]
        if not waits:
            return await self._keys.next()
        try:
            return await asyncio.wait_for_ms(self._keys.next(), min(waits))
        except asyncio.TimeoutError:
            return None

    def _press(self, key, now_ms: int):
        """Feeds one key; returns a Presentation if it completes one."""
        if key == self._keys.TWO_KEYS:
            return self._entry.spoil()
        if key == self._keys.STUCK:
            self._trail_fault(event.STUCK_KEY)
            return None
        shown = self._entry.press(key, now_ms)
        if shown is keypad.TYPED:
            self._indicator.show(indication.CLICK)
        elif shown is keypad.CLEARED:
            self._indicator.show(indication.CLEARED)
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
            decision = self._decide(shown)
            await self._act(decision)
        except FlashError:
            self._indicator.show(indication.FAULT)

    def _decide(self, shown) -> Decision:
        if self._throttle.is_locked:
            return Decision(event.LOCKED_OUT)
        if self._checker is None:
            return Decision(event.NOT_CONFIGURED)
        if shown.kind == TWO_KEYS:
            return Decision(event.TWO_KEYS)
        # Paid before it is known, so that a power cut after a wrong guess gains nothing.
        self._throttle.charge()
        if shown.is_too_long:
            return Decision(event.MALFORMED, keycode.Claim(keycode.MALFORMED))
        claim = self._checker.check(shown.digits, self._clock.now_s(self._uptime.now_ms()))
        if not claim.is_guess:
            self._throttle.refund()
        return decide(claim, self._ledger.is_code_used)

    async def _act(self, decision: Decision) -> None:
        picture = None
        if self._photographer is not None:
            picture = await self._photographer.shoot(decision.is_granted)
            if decision.is_granted and picture is None and self._photographer.is_required:
                decision = Decision(event.CAMERA, decision.claim)
        if decision.is_granted and decision.claim.is_single_use:
            self._ledger.use_code(decision.claim.slot, decision.claim.window)
        details = decision.details()
        if picture is not None:
            details[event.PICTURE_NUMBER] = picture
        access_seq = self._trail.record(event.ACCESS, details)
        if decision.is_granted:
            self._open(access_seq)
        else:
            self._refuse(decision.reason)

    def _open(self, access_seq: int) -> None:
        try:
            self._release(access_seq)
        except StrikeError:
            self._trail.record(event.STRIKE_FAILED, {event.REASON: event.STRIKE, event.ACCESS_SEQ: access_seq})
            self._indicator.show(indication.FAULT)
            return
        self._indicator.show(indication.GRANTED)
        self._throttle.clear()

    def _refuse(self, reason: int) -> None:
        if self._throttle.settle(self._uptime.now_ms()):
            self._trail.record(event.LOCKOUT_STARTED, {event.DURATION_S: self._throttle.duration_s})
            reason = event.LOCKED_OUT
        if reason == event.LOCKED_OUT:
            self._indicator.show(indication.LOCKED_OUT)
        elif reason == event.TIME_UNKNOWN:
            self._indicator.show(indication.TIME_UNKNOWN)
        elif reason in (event.CAMERA, event.NOT_CONFIGURED):
            self._indicator.show(indication.FAULT)
        else:
            self._indicator.show(indication.REFUSED)

    def _end_lockout(self, now_ms: int) -> None:
        try:
            if self._throttle.tick(now_ms):
                self._trail.record(event.LOCKOUT_ENDED, {})
        except FlashError:
            # Still locked out, then.
            self._indicator.show(indication.FAULT)
