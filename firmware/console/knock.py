"""What anybody may ask for: who is there, to be the owner of a lock that has none, and to be let in.

A nonce is a hash of the door's own secret, the number of the start, a counter and random bytes: an ESP32's random
numbers are true ones only while its radio is on. It is good for one signature.
"""

import os
import sys
from hashlib import sha256
from struct import pack

import ed25519
import edwards25519
from micropython import const

from firmware.console import session
from firmware.console.request import Refusal, hexadecimal
from firmware.core import event
from firmware.core.errors import FlashError
from firmware.store import claim, ledger

_PROTOCOL = const(1)
_DOMAIN = const(b"LobbyLock console 1")
_NONCE_MS = const(60_000)
# A signature takes a tenth of a second to check: not while somebody is at the door.
_QUIET_MS = const(2_500)
_PATIENCE_MS = const(3_000)
_TRIES = const(3)
_FIRST_S = const(10)
_LONGEST_S = const(600)
_EVENT_MS = const(60_000)


async def _hello(console, request: dict) -> dict:
    return {
        "lobbylock": console.version,
        "protocol": _PROTOCOL,
        "board": console.board,
        "chip": "esp32c3" if "C3" in sys.implementation._machine else "esp32",
        "door": console.door,
        "public_key": console.public.hex(),
        "claimed": claim.is_claimed(console.kept),
        "boot": console.boot,
        # As store.slots says, which is not loaded for so little.
        "slot": "b" if sys.path[0] == "/b" else "a",
    }


def enrolment(console):
    """Returns the number and the key of the next event, or None once a collector has acknowledged any."""
    journal = console.journal
    if journal.acked_seq:
        return None
    return {"seq": journal.seq + 1, "key": bytes(journal.next_key).hex()}


async def _claim(console, request: dict) -> dict:
    owner = key_in(request, "owner")
    release = key_in(request, "release") if "release" in request else owner
    # Recorded first, like all that is ordered here: what is done was written down.
    console.trail.record(event.CLAIMED, {event.KID: claim.kid(owner)})
    claim.keep(console.kept, owner, release)
    return {"public_key": console.public.hex(), "journal": enrolment(console)}


def key_in(request: dict, name: str) -> bytes:
    """Returns an Ed25519 public key of the request. Raises Refusal, also for bytes that are no key."""
    key = hexadecimal(request, name, 32)
    point = edwards25519.decode(key)
    if point is None or edwards25519.is_of_small_order(point):
        raise Refusal("value", "%s is no Ed25519 public key." % name)
    return key


async def _develop(console, request: dict) -> dict:
    console.trail.record(event.DEVELOPED, {})
    console.ending = "develop"
    return {}


async def _nonce(console, request: dict) -> dict:
    console.nonces += 1
    digest = sha256(b"lobbylock console nonce 1" + console.kept.get(ledger.IDENTITY))
    digest.update(pack(">II", console.boot, console.nonces) + os.urandom(32))
    console.nonce = digest.digest()
    console.nonce_ms = console.uptime.now_ms()
    return {"nonce": console.nonce.hex(), "valid_s": _NONCE_MS // 1000}


async def _open(console, request: dict) -> dict:
    key = hexadecimal(request, "key", 32)
    signature = hexadecimal(request, "sig", 64)
    if not await console.line.give_way(_QUIET_MS, _PATIENCE_MS):
        raise Refusal("busy", "Somebody is at the door: again in a moment.")
    now_ms = console.uptime.now_ms()
    left_ms = console.locked_ms - now_ms
    if left_ms > 0:
        raise _refused(console, event.LOCKED_OUT, "locked", "Too many wrong keys: wait %d s." % (left_ms // 1000 + 1))
    nonce = console.nonce
    console.nonce = None
    if nonce is None or now_ms - console.nonce_ms >= _NONCE_MS:
        raise _refused(console, event.EXPIRED, "nonce", "There is no nonce, or it is used or too old: ask for one.")
    rights = claim.rights_of(console.kept, key)
    if not rights:
        raise _wrong(console, event.UNKNOWN_ISSUER, now_ms)
    if not ed25519.verify(key, _DOMAIN + console.public + nonce, signature):
        raise _wrong(console, event.FORGED, now_ms)
    if console.session:
        console.session.end(console)
    kid = claim.kid(key)
    console.trail.record(event.SESSION_OPENED, {event.KID: kid, event.RIGHTS: rights})
    console.tries = 0
    console.session = session.Session(kid, rights, console.uptime.now_ms())
    role = "owner" if rights == event.OWNER else "installer"
    return {"role": role, "idle_s": session.IDLE_S, "limit_s": session.LIMIT_S}


def _wrong(console, reason: int, now_ms: int) -> Refusal:
    """Counts a wrong key or signature: three, and then none is looked at for a while."""
    console.tries += 1
    if console.tries >= _TRIES:
        console.locked_ms = now_ms + 1000 * min(_FIRST_S << min(console.tries - _TRIES, 6), _LONGEST_S)
    return _refused(console, reason, "signature", "That is not the owner's signature, nor an installer's.")


def _refused(console, reason: int, word: str, say: str) -> Refusal:
    console.refused += 1
    console.reason = reason
    note_refusals(console)
    return Refusal(word, say)


def note_refusals(console) -> None:
    """Records refusals that no event tells of yet, at most once a minute."""
    now_ms = console.uptime.now_ms()
    if not console.refused or console.refused_ms is not None and now_ms - console.refused_ms < _EVENT_MS:
        return
    try:
        console.trail.record(event.SESSION_REFUSED, {event.REASON: console.reason, event.COUNT: console.refused})
        console.refused = 0
        console.refused_ms = now_ms
    except FlashError:
        # Still to be told.
        pass


WORDS = {"hello": _hello, "claim": _claim, "develop": _develop, "nonce": _nonce, "open": _open}
