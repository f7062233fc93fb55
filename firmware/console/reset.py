"""The factory reset, up to the point of no return: the next start does it, and each one after that until it is done."""

import asyncio

from micropython import const

from firmware.console.request import Refusal, note, text
from firmware.core import event
from firmware.store import ledger

_UPLINK_MS = const(10_000)
_LOOK_MS = const(200)


async def _reset(console, request: dict) -> dict:
    if text(request, "door") != console.door:
        raise Refusal("door", "This is another door: reset wants the full name of this one, %s." % console.door)
    seq = note(console, event.FACTORY_RESET, {})
    console.trail.seal()
    await _send(console, seq)
    # From here on every start takes everything away, until it is done.
    console.kept.put(ledger.RESETTING, b"\x01")
    console.ending = "restart"
    return {"sent": console.journal.acked_seq >= seq}


async def _send(console, seq: int) -> None:
    """Gives the uplink a moment to bring the last events away."""
    if not console.uplink or not console.uplink.courier.is_connected:
        return
    for _ in range(_UPLINK_MS // _LOOK_MS):
        if console.journal.acked_seq >= seq:
            return
        await asyncio.sleep_ms(_LOOK_MS)


WORDS = {"reset": _reset}
