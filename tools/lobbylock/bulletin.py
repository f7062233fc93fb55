"""What an issuer tells its doors, signed: docs/protocol.md section 16."""

from collections.abc import Iterable
from hashlib import sha256
from typing import Any

import cbor
import cose

from firmware.core import bulletin
from lobbylock.errors import UserError
from lobbylock.grant import key_id
from lobbylock.signature import Signer, is_signed

# Of a list, a message carries so many bytes of ids: with the longest names it fits what a lock reads.
PIECE_BYTES = 896
MAX_PIECES = -(-bulletin.MAX_IDS * bulletin.ID_BYTES // PIECE_BYTES)


def make_list(signer: Signer, building: str, version: int, ids: Iterable[bytes]) -> bytes:
    """Returns the list of `ids` (8 bytes each) for a building. Raises UserError for more than locks have room for."""
    body = b"".join(sorted(set(ids)))
    count = len(body) // bulletin.ID_BYTES
    if count > bulletin.MAX_IDS:
        raise UserError(f"A list has {bulletin.MAX_IDS} ids at most, and that would be {count}.")
    return _sign(signer, bulletin.list_payload(building, version, count, sha256(body).digest())) + body


def make_token(signer: Signer, door: str, nonce: bytes, time_s: int) -> bytes:
    """Returns the token that tells `door` ("building/door"), which has given `nonce` (16 bytes), Unix time `time_s`.

    Raises UserError for a time that no lock takes.
    """
    token = _sign(signer, bulletin.time_payload(door, nonce, time_s))
    try:
        # By the lock's own measure.
        bulletin.read_time(token, door, nonce, lambda *_: 0)
    except bulletin.BulletinError:
        raise UserError("Locks take times from 2024 to 2060 only.") from None
    return token


def _sign(signer: Signer, payload: bytes) -> bytes:
    header = bulletin.protected(key_id(signer.public_key))
    return cose.pack(payload, signer.sign(cose.to_be_signed(payload, header)), header)


def split_list(data: bytes) -> tuple[bytes, list[bytes]]:
    """Returns the head of a list and the payloads of its pieces, as they are published."""
    head, version = data[: head_bytes(data)], read_version(data)
    body = data[len(head) :]
    pieces = [body[at : at + PIECE_BYTES] for at in range(0, len(body), PIECE_BYTES)]
    return head, [version.to_bytes(4, "big") + piece for piece in pieces]


def head_bytes(data: bytes) -> int:
    """Returns how long the head of a list is. Raises UserError for what is no list."""
    try:
        size = bulletin.head_bytes(data)
    except bulletin.BulletinError:
        size = 0
    if not size:
        raise UserError("That is no list of revoked credentials.")
    return size


def read_version(data: bytes) -> int:
    """Returns the version that a list says, whoever signed it. Raises UserError."""
    return read_list(data)[1]


def read_list(data: bytes, keys: dict[bytes, bytes] | None = None) -> tuple[str, int, list[bytes]]:
    """Returns (building, version, ids) of a list. Raises UserError for what locks would refuse.

    `keys` maps kids to public keys; without them the signature is not looked at.
    """
    size = head_bytes(data)

    def verify(kid: bytes, message: bytes, signature: bytes) -> int:
        return 0 if is_signed((keys or {}).get(kid, b""), message, signature) else 1

    try:
        building = str(_fields(data[:size])[1])
        version, count, digest = bulletin.read_head(data[:size], building, verify if keys else None)
    except (ValueError, IndexError, bulletin.BulletinError):
        raise UserError("The list's head is not one that locks take.") from None
    body = data[size:]
    ids = [body[at : at + bulletin.ID_BYTES] for at in range(0, len(body), bulletin.ID_BYTES)]
    if len(body) != count * bulletin.ID_BYTES or sha256(body).digest() != digest or ids != sorted(set(ids)):
        raise UserError("The list is damaged: its ids are not those that were signed.")
    return building, version, ids


def read_token(data: bytes) -> tuple[str, int]:
    """Returns (door, Unix time) of a time token, whatever nonce it answers and whoever signed it. Raises UserError."""
    try:
        _, name, nonce, _ = _fields(data)
        door = str(name)
        return door, bulletin.read_time(data, door, nonce, lambda *_: 0)
    except (ValueError, bulletin.BulletinError):
        raise UserError("That is no time token.") from None


def _fields(message: bytes) -> list[Any]:
    """Returns what was signed, whatever it is. Raises ValueError for what is no list of fields."""
    try:
        fields = cbor.decode(cose.parse(message)[3])
    except (cose.CoseError, cbor.CborError, TypeError):
        fields = None
    if not isinstance(fields, list):
        raise ValueError("no fields")
    return fields
