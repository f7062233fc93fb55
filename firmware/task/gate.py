"""Judges credentials for one door: the issuers it trusts, its time, what was used up already, what was revoked."""

from firmware.core import credential, event
from firmware.core.decision import Decision, judge


class Gate:
    """`config` are the door's settings, `issuers` what `core.credential.read` wants.

    `verify(holder, message, signature) -> bool` checks ES256. `news` knows what was revoked. `forget(names)` has
    modules of the firmware loaded no longer.
    """

    def __init__(self, config, issuers: dict, ledger, clock, timekeeping, uptime, verify, news, forget) -> None:
        self.door = config.full_name
        self._config = config
        self._issuers = issuers
        self._ledger = ledger
        self._clock = clock
        self._timekeeping = timekeeping
        self._uptime = uptime
        self.verify = verify
        self._news = news
        self._forget = forget

    def judge(self, data: bytes, via: int) -> Decision:
        """Returns the Decision on the credential or chain `data`; a grant to a key's holder still wants the proof."""
        try:
            shown = self._read(data)
        except credential.CredentialError as error:
            # The second one is genuine, but not worth what it says.
            return Decision(error.args[0], error.args[1] if len(error.args) > 1 else None, via)
        if shown.issued_s is not None:
            # Its issuer signed it at that time, so it is no earlier now.
            self._timekeeping.witness(shown.issued_s)
        reason = self.revoked(shown)
        if reason:
            return Decision(reason, shown, via)
        now_s = self._clock.now_s(self._uptime.now_ms())
        decision = judge(shown, self._config, now_s, via, self._ledger.uses_of)
        if decision.reason == event.EXPIRED:
            # Or whoever cuts the power now could bring the time back when it was valid.
            self._timekeeping.keep_floor()
        return decision

    def revoked(self, shown) -> int:
        """Returns the reason for which a genuine credential opens no more, whatever it says: REVOKED, NO_LIST or 0."""
        reason = self._news.is_revoked(shown.key)
        if not reason and shown.parent:
            reason = self._news.is_revoked(shown.parent.key)
        return reason

    def _read(self, data: bytes) -> credential.Credential:
        if data[:1] != credential.CHAIN:
            return credential.read(data, self._issuers)
        # Visitors of residents are few: what reads theirs is loaded for the moment.
        from firmware.core import chain

        try:
            return chain.read(data, self._issuers, self.verify)
        finally:
            self._forget(("core.chain",))
