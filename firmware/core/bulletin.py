"""What an issuer tells doors, whoever carries it: which credentials and codes are revoked, and how late it is.

Form and signature only, docs/protocol.md section 16. Runs on the board and on the host.
"""

import cbor
import cose
from constant import const

from firmware.core import event

MAX_IDS = 1000
ID_BYTES = 8
NONCE_BYTES = 16
# With the longest names a head has 181 bytes, and a token 191.
MAX_HEAD_BYTES = 190
MAX_TOKEN_BYTES = 200
MAX_LIST_BYTES = 8190

_REVOKED = const("lobbylock revoked 1")
_TIME = const("lobbylock time 1")
_MAX_VERSION = const(0xFFFFFFFF)
_DIGEST_BYTES = const(32)
# The head of a byte string of a signature, and that.
_SIGNATURE_BYTES = const(66)
# 2024-01-01 to 2060-01-01, as for a time that is told over the serial line.
_FIRST_S = const(1_704_067_200)
_LAST_S = const(2_840_140_800)


class BulletinError(Exception):
    """It counts for nothing at this door; the first argument is the reason of `core.event`."""


def list_payload(building: str, version: int, count: int, digest: bytes) -> bytes:
    """Returns what the issuer signs of a list: `digest` is SHA-256 of its `count` ids, 8 bytes each."""
    return cbor.encode([_REVOKED, building, version, count, digest])


def time_payload(door: str, nonce: bytes, time_s: int) -> bytes:
    """Returns what the issuer signs for `door` ("building/door"), which has given `nonce`, at Unix time `time_s`."""
    return cbor.encode([_TIME, door, nonce, time_s])


def protected(kid: bytes) -> bytes:
    """Returns the encoded protected header: EdDSA, by the issuer's key `kid`."""
    return cbor.encode({1: -8, 4: kid})


def head_bytes(start) -> int:
    """Returns how long the head is that a list begins with, 0 while `start` is too short to tell.

    Raises BulletinError for what begins as no head does.
    """
    size = _head_bytes(start)
    if size > MAX_HEAD_BYTES or (size == 0 and len(start) >= MAX_HEAD_BYTES):
        raise BulletinError(event.MALFORMED)
    return size if size <= len(start) else 0


def _head_bytes(start) -> int:
    """Goes by the lengths that stand in it; whether they are true is seen when all of it is decoded."""
    at = 2
    if len(start) > 1:
        # An array of four, and a byte string of less than 24.
        if start[0] != 0x84 or not 0x40 <= start[1] < 0x58:
            raise BulletinError(event.MALFORMED)
        at += start[1] & 31
    # No other headers, and a byte string of 24 to 255.
    if len(start) < at + 3:
        return 0
    if start[at] != 0xA0 or start[at + 1] != 0x58:
        raise BulletinError(event.MALFORMED)
    return at + 3 + start[at + 2] + _SIGNATURE_BYTES


def read_head(head: bytes, building: str, verify) -> tuple:
    """Returns (version, count of ids, SHA-256 of the ids) of a list for `building`. Raises BulletinError.

    `verify(kid, message, signature)` returns a reason, 0 if the signature holds; None leaves that out.
    """
    message, fields = _open(head, MAX_HEAD_BYTES, _REVOKED, 5)
    _, name, version, count, digest = fields
    _require(_is_number(version, 1, _MAX_VERSION) and _is_number(count, 0, MAX_IDS))
    _require(isinstance(digest, bytes) and len(digest) == _DIGEST_BYTES)
    if name != building:
        raise BulletinError(event.OTHER_BUILDING)
    if verify:
        _check(verify, message)
    return version, count, digest


def read_time(token: bytes, door: str, nonce: bytes, verify) -> int:
    """Returns the Unix time that a token tells `door` in answer to `nonce`. Raises BulletinError.

    `verify` as for `read_head`; it is asked only about a token for this nonce.
    """
    message, fields = _open(token, MAX_TOKEN_BYTES, _TIME, 4)
    _, name, answered, time_s = fields
    _require(_is_number(time_s, _FIRST_S, _LAST_S))
    if name != door:
        raise BulletinError(event.OTHER_BUILDING)
    if answered != nonce:
        raise BulletinError(event.OLDER)
    _check(verify, message)
    return time_s


def _open(data: bytes, most: int, kind: str, count: int) -> tuple:
    """Returns ((kid, what was signed, signature), fields of the payload)."""
    try:
        header, alg, kid, payload, signature = cose.parse(data, most)
        fields = cbor.decode(payload) if payload else None
    except (cose.CoseError, cbor.CborError):
        raise BulletinError(event.MALFORMED)
    # Covered by the signature, and nothing beside it.
    _require(alg == -8 and isinstance(kid, bytes) and 1 <= len(kid) <= 8 and header == protected(kid))
    _require(isinstance(fields, list) and len(fields) == count and fields[0] == kind)
    return (kid, cose.to_be_signed(payload, header), signature), fields


def _check(verify, message: tuple) -> None:
    reason = verify(*message)
    if reason:
        raise BulletinError(reason)


def _is_number(value, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _require(is_right: bool) -> None:
    if not is_right:
        raise BulletinError(event.MALFORMED)
