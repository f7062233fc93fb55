"""Judges credentials for one door: the issuers it trusts, its time, what was used up already."""

from firmware.core import credential, event
from firmware.core.decision import Decision, judge


class Gate:
    """`config` are the door's settings, `issuers` what `core.credential.read` wants."""

    def __init__(self, config, issuers: dict, ledger, clock, timekeeping, uptime) -> None:
        self.door = config.full_name
        self._config = config
        self._issuers = issuers
        self._ledger = ledger
        self._clock = clock
        self._timekeeping = timekeeping
        self._uptime = uptime

    def judge(self, data: bytes, via: int) -> Decision:
        """Returns the Decision on the credential in `data`; a grant to a key's holder still wants the proof."""
        try:
            shown = credential.read(data, self._issuers)
        except credential.CredentialError as error:
            return Decision(error.args[0], None, via)
        if shown.issued_s is not None:
            # Its issuer signed it at that time, so it is no earlier now.
            self._timekeeping.witness(shown.issued_s)
        now_s = self._clock.now_s(self._uptime.now_ms())
        decision = judge(shown, self._config, now_s, via, self._ledger.uses_of)
        if decision.reason == event.EXPIRED:
            # Or whoever cuts the power now could bring the time back when it was valid.
            self._timekeeping.keep_floor()
        return decision
