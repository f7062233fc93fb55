"""What follows a decision, whatever was shown: picture, what it spends, event, strike, and a sign for the person."""

import asyncio

from firmware.core import event, indication
from firmware.core.decision import Decision
from firmware.core.errors import LedgerFull, StrikeError


class Access:
    """`release(access_seq)` opens the door or raises StrikeError.

    `photographer` is None where no camera is fitted, and on a board without valid settings; the latter grants nothing.
    """

    def __init__(self, ledger, photographer, trail, release, indicator) -> None:
        self._ledger = ledger
        self._photographer = photographer
        self._trail = trail
        self._release = release
        self._indicator = indicator

    def expose(self, decision: Decision):
        """Starts on the picture for what will probably be a grant; returns a task for `act`, or None.

        Whoever gets one calls `end_exposure` afterwards: until then nobody reads the picture out.
        """
        if self._photographer is None or not decision.is_pictured:
            return None
        self._photographer.hold(True)
        return asyncio.create_task(self._photographer.shoot(True))

    def end_exposure(self) -> None:
        self._photographer.hold(False)

    async def act(self, decision: Decision, exposure=None, revoked=None) -> Decision:
        """Acts on `decision`; returns what became of it. Raises FlashError, and then the door stays locked.

        `revoked(claim)` returns the reason for which a credential or code opens no more, 0 if there is none. `record`
        of what is returned is that of the access event, if the strike was released for it.
        """
        picture = None
        if exposure is not None:
            picture = await exposure
        elif self._photographer is not None and decision.is_pictured:
            picture = await self._photographer.shoot(decision.is_granted)
        if self._photographer is not None and decision.is_pictured:
            if decision.is_granted and picture is None and self._photographer.is_required:
                decision = decision.refused(event.CAMERA)
        if decision.is_granted:
            # Others were served since it was judged, and news came; from here on nobody else has a turn.
            reason = revoked(decision.claim) if revoked else event.GRANTED
            if not reason and decision.claim.is_spent(self._ledger):
                reason = event.ALREADY_USED
            if reason:
                decision = decision.refused(reason)
        # Durable before the verdict: whoever cuts the power now has spent it.
        try:
            decision.spend(self._ledger)
        except LedgerFull:
            decision = decision.refused(event.USES_FULL)
        details = decision.details()
        if picture is not None:
            details[event.PICTURE_NUMBER] = picture
        access_seq = self._trail.record(event.ACCESS, details)
        if decision.is_granted:
            record = self._trail.last
            if self._open(access_seq):
                decision.record = record
        else:
            self._indicator.show(indication.of(decision.reason))
        return decision

    def _open(self, access_seq: int) -> bool:
        try:
            self._release(access_seq)
        except StrikeError:
            self._trail.record(event.STRIKE_FAILED, {event.REASON: event.STRIKE, event.ACCESS_SEQ: access_seq})
            self._indicator.show(indication.FAULT)
            return False
        self._indicator.show(indication.GRANTED)
        return True
