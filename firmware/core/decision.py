"""A claim held against what the lock knows: opens or not, with the reason. Never raises for "no"."""

from firmware.core import event


class Decision:
    """The outcome of one presentation: a reason of `core.event`, how it came in, and the claim it is about, if any.

    A claim is a genuine keycode.Claim or credential.Credential: `details()`, `is_spent(ledger)`, `spend(ledger)`,
    `is_resident`. `record` is that of the access event, once the strike was released for it.
    """

    def __init__(self, reason: int, claim=None, via: int = event.KEYPAD) -> None:
        self.reason = reason
        self.claim = claim
        self.via = via
        self.record = None

    @property
    def is_granted(self) -> bool:
        return self.reason == event.GRANTED

    @property
    def is_pictured(self) -> bool:
        """Whether the camera looks: always, but for residents who come home."""
        return not (self.is_granted and self.claim.is_resident)

    def refused(self, reason: int):
        """Returns the same decision turned down for `reason`."""
        return Decision(reason, self.claim, self.via)

    def spend(self, ledger) -> None:
        """Writes down what a grant uses up. Raises FlashError or LedgerFull, and then it must not open."""
        if self.is_granted:
            self.claim.spend(ledger)

    def details(self) -> dict:
        """Returns the details of the access event, less the picture."""
        details = {event.REASON: self.reason, event.VIA: self.via}
        if self.claim is not None:
            details.update(self.claim.details())
        return details


def judge(credential, door, now_s, via: int, uses_of) -> Decision:
    """Returns the Decision on a verified credential.Credential at Unix time `now_s`, None while that is unknown.

    `door` tells `building`, `areas`, `zone` (a zone.Zone), `bearer`, `bearer_s` and `revoked`, as store.settings does;
    `uses_of(key)` how often a credential has opened. A grant to the holder of a key still wants the proof.
    """
    reason = event.GRANTED
    if credential.parent:
        reason = _hold(credential.parent, door, now_s)
    reason = reason or _hold(credential, door, now_s)
    if not reason and not _may_come(credential, door, via):
        reason = event.NO_BEARER
    counted = credential
    while counted and not reason:
        if counted.uses is not None and uses_of(counted.key) >= counted.uses:
            reason = event.ALREADY_USED
        counted = counted.parent
    return Decision(reason, credential, via)


def _hold(credential, door, now_s) -> int:
    """Returns what speaks against `credential` itself, however it is shown."""
    credential.judged_s = now_s
    if credential.id in door.revoked:
        return event.REVOKED
    if credential.building != door.building:
        return event.OTHER_BUILDING
    if not any(area in door.areas for area in credential.areas):
        return event.WRONG_AREA
    if now_s is None:
        return event.TIME_UNKNOWN
    if credential.not_before_s is not None and now_s < credential.not_before_s:
        return event.NOT_YET_VALID
    if now_s >= credential.expires_s:
        return event.EXPIRED
    if credential.hours is not None and not door.zone.is_within(credential.hours, now_s):
        return event.OUTSIDE_HOURS
    return event.GRANTED


def _may_come(credential, door, via: int) -> bool:
    """Whether a credential may be shown this way: what can be copied off a badge opens only within the policy."""
    if credential.holder is not None:
        return via in (event.PHONE, event.BLE)
    # Over the air nobody shows that somebody acts, unless a key says so.
    if door.bearer == "off" or via == event.BLE:
        return False
    if credential.uses == 1:
        return True
    # Without a "not before" the window has no length that anybody promised.
    if door.bearer != "short" or credential.not_before_s is None:
        return False
    return credential.expires_s - credential.not_before_s <= door.bearer_s
