"""What a phone is told, handed and asked for once the door has been served. Loaded for that moment."""

from hashlib import sha256

from firmware.core import event, proof, receipt
from firmware.core.decision import Decision


async def say(session, decision: Decision, door: str, news, trail) -> None:
    """Tells the phone what became of it, hands out the receipt, and takes the list that it brings.

    Raises PhoneGone as soon as it is, and FlashError.
    """
    if session.version < proof.VERSION_2:
        await session.tell(proof.result(decision.reason))
        return
    await session.tell(proof.result(decision.reason, news.version, news.nonce()))
    if session.wants_receipt and decision.record:
        await session.give(_record_receipt(decision.record, door, trail))
    # Whoever has a genuine credential may bring news, also one that does not open.
    if decision.claim:
        await news.collect(session)


def _record_receipt(record: bytes, door: str, trail) -> bytes:
    """Returns the receipt for the access event in `record`. It is in the trail before anybody has it."""
    made = receipt.make(door, record, trail.sign)
    seq = event.decode(record).seq
    trail.record(event.RECEIPT, {event.ACCESS_SEQ: seq, event.SHA256: sha256(made).digest()})
    return made
