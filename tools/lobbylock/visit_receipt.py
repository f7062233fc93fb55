"""What a door signs for whoever it let in: docs/protocol.md section 17. Not the collector's own receipt of a chain."""

from dataclasses import dataclass
from hashlib import sha256

import cbor
import cose

from lobbylock.names import is_door
from lobbylock.signature import is_signed
from lobbylock.verify import is_number

MAX_RECEIPT_BYTES = 240
_TITLE = "lobbylock receipt 1"
_DIGEST_BYTES = 32
_MAX_KID_BYTES = 8
_MAX_ID_BYTES = 16


@dataclass(frozen=True)
class VisitReceipt:
    """What a receipt says: event `seq` of the door, whose record has the SHA-256 `record_sha256`, let in the holder of
    the credential `credential_id` that the issuer key `kid` signed. `sha256` is that of the receipt itself."""

    door: str
    seq: int
    record_sha256: bytes
    time_s: int | None
    kid: bytes
    credential_id: bytes
    sha256: bytes


def read_visit_receipt(data: bytes, public_key: bytes | None) -> VisitReceipt | None:
    """Returns what the receipt says if the door's `public_key` signed it; None looks at its form only."""
    found = _parse(data)
    if found is None or public_key is None:
        return found
    payload, signature = cose.unpack(data, MAX_RECEIPT_BYTES)
    return found if is_signed(public_key, cose.to_be_signed(payload), signature) else None


def _parse(data: bytes) -> VisitReceipt | None:
    try:
        payload, _ = cose.unpack(data, MAX_RECEIPT_BYTES)
        title, door, seq, digest, time_s, kid, credential_id = cbor.decode(payload, MAX_RECEIPT_BYTES)
    except (cose.CoseError, cbor.CborError, TypeError, ValueError):
        return None
    is_one = title == _TITLE and isinstance(door, str) and is_door(door)
    is_one = is_one and is_number(seq) and seq > 0 and (time_s is None or is_number(time_s))
    is_one = is_one and _is_bytes(digest, _DIGEST_BYTES, _DIGEST_BYTES)
    is_one = is_one and _is_bytes(kid, 1, _MAX_KID_BYTES) and _is_bytes(credential_id, 1, _MAX_ID_BYTES)
    if not is_one:
        return None
    return VisitReceipt(door, seq, digest, time_s, kid, credential_id, sha256(data).digest())


def _is_bytes(value: object, least: int, most: int) -> bool:
    return isinstance(value, bytes) and least <= len(value) <= most
