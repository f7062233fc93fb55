"""One way for everybody with a credential, whatever carries it: news, decision, proof, door, receipt.

    time token -> judged -> echo -> challenge, proof -> Access -> result -> receipt -> revocation list

A session is the phone as the lock sees it: reader.phone over NFC, reader.ble over Bluetooth. Several are served at
once, so what others may change is looked at again by `Access` right before it counts.
"""

import asyncio
import gc
from hashlib import sha256

from constant import const

from firmware.core import event, proof
from firmware.core.decision import Decision
from firmware.core.errors import FlashError, PhoneGone, PhoneStrange

# By then the phone has the challenge; it takes some 100 ms to sign.
_ASKED_MS = const(30)

# At a distance: light is no measure in software, but a link that somebody else lengthens shows.
_ECHO_MS = const(250)
_ECHOES = const(3)
_ECHO_BYTES = const(8)
_PROOF_MS = const(2_000)


class Visit:
    """`gate` judges credentials, `news` takes what visitors bring, `access` does what follows a decision.

    `prepare(holder)` returns what `verify(prepared, message, signature) -> bool` wants of a key, None if it is none.
    """

    def __init__(self, gate, nonces, prepare, verify, access, trail, news, forget) -> None:
        self._gate = gate
        self._nonces = nonces
        self._prepare = prepare
        self._verify = verify
        self._access = access
        self._trail = trail
        self._news = news
        self._forget = forget

    async def serve(self, session, data: bytes, via: int, is_trusted: bool = True, is_news=None, rest=None) -> Decision:
        """Returns what became of the credential in `data`. Raises FlashError, and then the door stays locked.

        `session` is None for a badge. Unless `is_trusted` there is no picture before the proof. `is_news()` says
        whether a phone that goes before it has proved anything is recorded; one that was pictured is. A refusal is
        recorded once `await rest(session)` is through, and what that raises ends the visit.
        """
        decision = await self._judge(session, data, via)
        if session and decision.is_granted and session.is_remote:
            decision = await self._echo(session, decision)
        exposure = asking = held = None
        try:
            if decision.is_granted and decision.claim.holder is not None:
                challenge = proof.challenge(self._gate.door, self._nonces.next())
                asking = asyncio.create_task(_ask(session, challenge))
                exposure = held = self._access.expose(decision) if is_trusted else None
                # While the phone computes, so does the lock: nothing is in the way of the answer then.
                await asyncio.sleep_ms(_ASKED_MS)
                gc.collect()
                prepared = self._prepare(decision.claim.holder)
                decision = self._weigh(session, decision, prepared, data, challenge, await asking)
                # A KB that the rest of a visit has better use for.
                prepared = None
                if decision.reason == event.CARD_LOST and is_news and not is_news() and exposure is None:
                    return decision
            if rest and not decision.is_granted:
                if held:
                    # Nobody else's picture waits for a refusal.
                    await held
                    held = None
                    self._access.end_exposure()
                await rest(session)
            decision = await self._access.act(decision, exposure, self._gate.revoked)
        finally:
            # Whatever went wrong, the camera goes on.
            if held:
                self._access.end_exposure()
        # Two tasks that are done: what follows has better use for their memory.
        asking = exposure = held = None
        if session and decision.reason != event.CARD_LOST:
            await self._part(session, decision)
        return decision

    async def _judge(self, session, data: bytes, via: int) -> Decision:
        """Returns the Decision, after news that it depends on; a grant to a key's holder still wants the proof."""
        news = self._news
        if session and session.has_token and news.nonce():
            try:
                news.take_token(await session.fetch(proof.TOKEN, 0, proof.MAX_TOKEN_BYTES))
                # There is less room while a proof is checked.
                news.rest()
            except PhoneGone:
                # If it is really gone it will not prove anything either.
                pass
        decision = self._gate.judge(data, via)
        if decision.reason == event.NO_LIST and session and session.list_version:
            await news.collect(session)
            decision = self._gate.judge(data, via)
        return decision

    async def _echo(self, session, decision: Decision) -> Decision:
        """Returns `decision` if the phone answers as quickly as one that is near, a refusal otherwise."""
        try:
            for _ in range(_ECHOES):
                if await session.echo(self._nonces.next()[:_ECHO_BYTES]) <= _ECHO_MS:
                    return decision
        except PhoneGone as gone:
            return decision.refused(_reason(gone))
        return decision.refused(event.TOO_SLOW)

    def _weigh(self, session, decision: Decision, prepared, data: bytes, challenge: bytes, said) -> Decision:
        """Returns `decision` if `said` proves that the phone holds the credential's key, a refusal otherwise."""
        if isinstance(said, int):
            return decision.refused(said)
        act_ms = None
        if session.is_remote:
            if session.took_ms > _PROOF_MS:
                return decision.refused(event.TOO_SLOW)
            act_ms = session.act_ms
            if act_ms is None or act_ms > proof.MAX_ACT_MS:
                return decision.refused(event.NO_ACT)
        if prepared and proof.holds(prepared, data, challenge, said, self._verify, session.channel, act_ms):
            return decision
        return decision.refused(event.WRONG_HOLDER)

    async def _part(self, session, decision: Decision) -> None:
        """Tells the phone what became of it, hands out the receipt, and takes the list that it brings."""
        news = self._news
        try:
            if session.version < proof.VERSION_2:
                await session.tell(proof.result(decision.reason))
                return
            await session.tell(proof.result(decision.reason, news.version, news.nonce()))
            if session.wants_receipt and decision.record:
                await session.give(self._receipt(decision.record))
            # Whoever has a genuine credential may bring news, also one that does not open.
            if decision.claim:
                await news.collect(session)
        except (PhoneGone, FlashError, MemoryError):
            # The door has been served; what was not brought or handed out is not.
            pass

    def _receipt(self, record: bytes) -> bytes:
        """Returns the receipt for the access event in `record`. It is in the trail before anybody has it."""
        from firmware.core import receipt

        try:
            made = receipt.make(self._gate.door, record, self._trail.sign)
        finally:
            self._forget(("core.receipt",))
        seq = event.decode(record).seq
        self._trail.record(event.RECEIPT, {event.ACCESS_SEQ: seq, event.SHA256: sha256(made).digest()})
        return made


async def _ask(session, challenge: bytes):
    """Returns what the phone says to `challenge`, unchecked, or a reason of `core.event`."""
    try:
        return await session.prove(challenge)
    except PhoneGone as gone:
        return _reason(gone)


def _reason(gone: PhoneGone) -> int:
    """Returns why a phone is refused that did not answer as it should."""
    if isinstance(gone, PhoneStrange):
        return event.WRONG_HOLDER
    # Gone, or it says no: perhaps it heard the challenge twice. It may be shown again.
    return gone.args[0] if gone.args else event.CARD_LOST
