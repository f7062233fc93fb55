"""A claim held against what the lock knows: opens or not, with the reason. Never raises for "no"."""

from firmware.core import event, keycode

_REASONS = {
    keycode.WRONG: event.WRONG_CODE,
    keycode.OTHER_BUILDING: event.OTHER_BUILDING,
    keycode.EXPIRED: event.EXPIRED,
    keycode.NOT_YET_VALID: event.NOT_YET_VALID,
    keycode.MALFORMED: event.MALFORMED,
    keycode.TIME_UNKNOWN: event.TIME_UNKNOWN,
}


class Decision:
    """The outcome of one presentation: a reason of `core.event`, and the claim it is about, if one was read."""

    def __init__(self, reason: int, claim=None) -> None:
        self.reason = reason
        self.claim = claim

    @property
    def is_granted(self) -> bool:
        return self.reason == event.GRANTED

    def details(self) -> dict:
        """Returns the details of the access event, less the picture."""
        details = {event.REASON: self.reason, event.VIA: event.KEYPAD}
        if self.claim is not None and self.claim.slot is not None:
            details[event.SLOT] = self.claim.slot
            details[event.CODE_CLASS] = self.claim.code_class
            details[event.WINDOW] = self.claim.window
        return details


def decide(claim, is_used) -> Decision:
    """Returns the Decision on a keycode.Claim; `is_used(slot, window)` tells whether a single-use code is spent."""
    if claim.outcome != keycode.VALID:
        return Decision(_REASONS[claim.outcome], claim)
    if claim.is_single_use and is_used(claim.slot, claim.window):
        return Decision(event.ALREADY_USED, claim)
    return Decision(event.GRANTED, claim)
