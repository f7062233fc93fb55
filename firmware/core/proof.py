"""How somebody with a credential shows it, and proves to be its holder: docs/protocol.md, sections 9 and 10.

The lock sends a challenge that names the door and a fresh nonce; the holder's key signs both of them, and the hash of
everything that was said, so that a proof is worth nothing at another door, another time or with other words. Only
messages: how they travel is not said here. Runs on the board and on the host.

A phone that is not held to the reader signs two things more: the channel it speaks through, so that nobody passes its
answers on, and how long ago its holder asked for the door to be opened, since being near is not asking.
"""

from hashlib import sha256

import cbor
import cose
from constant import const

# How a credential is recognised: a record of this media type on a badge, this application on a phone.
MEDIA_TYPE = b"application/vnd.lobbylock.credential+cwt"
AID = b"\xf0LOBBYLOCK"

# Of challenges, and of phones that neither want nor bring anything. A phone of version 2 says what it wants and brings.
VERSION = 1
VERSION_2 = 2
NONCE_BYTES = 16

# Of a phone that may bring a chain.
MAX_CREDENTIAL_BYTES = 1024

# Flags of an offer.
_WANTS_RECEIPT = const(1)
_HAS_TOKEN = const(2)
_OFFER_BYTES = const(8)

# What a phone may bring.
LIST = 1
TOKEN = 2
MAX_TOKEN_BYTES = 200

# A press longer ago than this was meant for something else.
MAX_ACT_MS = 10_000

# A COSE_Sign1 (RFC 9052) of one form only: protected header {1 (alg): -7 (ES256)}, no other headers, detached payload.
_HEAD = const(b"\x84\x43\xa1\x01\x26\xa0\xf6\x58\x40")
_SIGNATURE_BYTES = const(64)
# With the longest names.
_MAX_CHALLENGE_BYTES = const(86)


def challenge(door: str, nonce: bytes) -> bytes:
    """Returns what the lock `door` ("building/door") sends; `nonce` is 16 bytes that were never used before."""
    return cbor.encode([VERSION, door, nonce])


def offer(size: int, wants_receipt: bool = False, has_token: bool = False, list_version: int = 0) -> bytes:
    """Returns what a phone of version 2 says first, 8 bytes: its credential has `size` bytes, what it wants and brings.

    `list_version` is that of the revocation list it brings, 0 for none.
    """
    flags = (_WANTS_RECEIPT if wants_receipt else 0) | (_HAS_TOKEN if has_token else 0)
    return bytes((VERSION_2,)) + size.to_bytes(2, "big") + bytes((flags,)) + list_version.to_bytes(4, "big")


def read_offer(data: bytes):
    """Returns (size of the credential, wants a receipt, has a token, list version), None if `data` is no offer."""
    size = int.from_bytes(data[1:3], "big")
    if len(data) != _OFFER_BYTES or data[0] != VERSION_2 or data[3] > 3 or not 0 < size <= MAX_CREDENTIAL_BYTES:
        return None
    return size, bool(data[3] & _WANTS_RECEIPT), bool(data[3] & _HAS_TOKEN), int.from_bytes(data[4:], "big")


def to_be_signed(credential: bytes, challenge: bytes, channel: bytes = b"", act_ms=None) -> bytes:
    """Returns what the holder signs (RFC 9052 section 4.4) after sending `credential` and getting `challenge`.

    Over Bluetooth `channel` is the hash of the channel and `act_ms` how long ago the holder acted; held to the reader
    there is neither. Raises cbor.CborError or ValueError for what is no challenge.
    """
    _, door, nonce = cbor.decode(challenge, _MAX_CHALLENGE_BYTES)
    payload = ["lobbylock proof 1", door, nonce, sha256(credential + challenge + channel).digest()]
    if act_ms is not None:
        payload[0] = "lobbylock proof 2"
        payload.append(act_ms)
    return cose.to_be_signed(cbor.encode(payload), cose.ES256)


def result(reason: int, list_version=None, nonce=None) -> bytes:
    """Returns what the lock tells the holder in the end: a reason of `core.event`.

    A phone of version 2 also hears which list the lock has, and a `nonce` if it would like the time signed; a
    `list_version` of None is for one of version 1.
    """
    return cbor.encode([VERSION, reason] if list_version is None else [VERSION_2, reason, list_version, nonce])


def pack(signature: bytes) -> bytes:
    """Returns the proof with `signature`, 64 bytes r || s."""
    return _HEAD + signature


def read(proof: bytes):
    """Returns the signature in `proof`, 64 bytes r || s, or None if it is not a proof of the one form used here."""
    if len(proof) != len(_HEAD) + _SIGNATURE_BYTES or proof[: len(_HEAD)] != _HEAD:
        return None
    return proof[len(_HEAD) :]


def holds(holder: bytes, credential: bytes, challenge: bytes, proof: bytes, verify, channel=b"", act_ms=None) -> bool:
    """Whether `proof` answers the lock's own `challenge` after `credential`, by the key `holder`.

    `verify(holder, message, signature) -> bool` checks ES256; all else as in `to_be_signed`. No proof raises anything.
    """
    signature = read(proof)
    return signature is not None and verify(holder, to_be_signed(credential, challenge, channel, act_ms), signature)
