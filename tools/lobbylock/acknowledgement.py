"""What the collector answers a lock: docs/protocol.md section 5, "Acknowledgement"."""

import cbor
import cose

from lobbylock.signature import Signer, is_signed
from lobbylock.verify import is_number

EVENTS = 1
PICTURE = 2


def acknowledge(signer: Signer, kind: int, door: str, number: int, digest: bytes) -> bytes:
    """Returns the COSE_Sign1 that says: at `door`, everything up to event `number` with chain head `digest` is stored
    (kind EVENTS), or picture `number` with SHA-256 `digest` is (kind PICTURE).
    """
    payload = cbor.encode([kind, door, number, digest])
    return cose.pack(payload, signer.sign(cose.to_be_signed(payload)))


def read_events_acknowledgement(message: object, public_key: bytes, door: str) -> tuple[int, bytes] | None:
    """Returns (seq, head) of an acknowledgement of events at `door` that `public_key` signed, else None."""
    if not isinstance(message, bytes):
        return None
    try:
        payload, signature = cose.unpack(message)
        fields = cbor.decode(payload)
    except (cose.CoseError, cbor.CborError):
        return None
    if not is_signed(public_key, cose.to_be_signed(payload), signature):
        return None
    if not isinstance(fields, list) or len(fields) != 4 or fields[:2] != [EVENTS, door]:
        return None
    if not is_number(fields[2]) or not isinstance(fields[3], bytes):
        return None
    return fields[2], fields[3]
