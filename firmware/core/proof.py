"""How somebody with a credential shows it, and proves to be its holder: docs/protocol.md, sections 9 and 10.

The lock sends a challenge that names the door and a fresh nonce; the holder's key signs both of them, and the hash of
everything that was said, so that a proof is worth nothing at another door, another time or with other words. Only
messages: how they travel is not said here. Runs on the board and on the host.
"""

from hashlib import sha256

import cbor
import cose
from constant import const

# How a credential is recognised: a record of this media type on a badge, this application on a phone.
MEDIA_TYPE = b"application/vnd.lobbylock.credential+cwt"
AID = b"\xf0LOBBYLOCK"

VERSION = 1
NONCE_BYTES = 16

# A COSE_Sign1 (RFC 9052) of one form only: protected header {1 (alg): -7 (ES256)}, no other headers, detached payload.
_HEAD = const(b"\x84\x43\xa1\x01\x26\xa0\xf6\x58\x40")
_SIGNATURE_BYTES = const(64)
# With the longest names.
_MAX_CHALLENGE_BYTES = const(86)


def challenge(door: str, nonce: bytes) -> bytes:
    """Returns what the lock `door` ("building/door") sends; `nonce` is 16 bytes that were never used before."""
    return cbor.encode([VERSION, door, nonce])


def to_be_signed(credential: bytes, challenge: bytes) -> bytes:
    """Returns what the holder signs (RFC 9052 section 4.4) after sending `credential` and getting `challenge`.

    Raises cbor.CborError or ValueError for what is no challenge.
    """
    _, door, nonce = cbor.decode(challenge, _MAX_CHALLENGE_BYTES)
    payload = ["lobbylock proof 1", door, nonce, sha256(credential + challenge).digest()]
    return cose.to_be_signed(cbor.encode(payload), cose.ES256)


def result(reason: int) -> bytes:
    """Returns what the lock tells the holder in the end: a reason of `core.event`."""
    return cbor.encode([VERSION, reason])


def pack(signature: bytes) -> bytes:
    """Returns the proof with `signature`, 64 bytes r || s."""
    return _HEAD + signature


def read(proof: bytes):
    """Returns the signature in `proof`, 64 bytes r || s, or None if it is not a proof of the one form used here."""
    if len(proof) != len(_HEAD) + _SIGNATURE_BYTES or proof[: len(_HEAD)] != _HEAD:
        return None
    return proof[len(_HEAD) :]


def holds(holder: bytes, credential: bytes, challenge: bytes, proof: bytes, verify) -> bool:
    """Whether `proof` answers the lock's own `challenge` after `credential`, by the key `holder` (x || y, 64 bytes).

    `verify(holder, message, signature) -> bool` checks ES256. A bad proof raises nothing.
    """
    signature = read(proof)
    return signature is not None and verify(holder, to_be_signed(credential, challenge), signature)
