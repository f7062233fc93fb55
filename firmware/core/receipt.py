"""What a phone gets for an entry that was granted: the door's signature over the event, docs/protocol.md, section 17.

It names the event by its number and the hash of its record, so whoever holds the record can tell whether it is the one,
and whoever holds only the receipt can tell the door, the time and the credential. Runs on the board and on the host.
"""

from hashlib import sha256

import cbor
import cose

from firmware.core import event

MAX_BYTES = 240


def payload(door: str, record: bytes) -> bytes:
    """Returns what `door` ("building/door") signs for the access event in `record`, which tells of a credential."""
    access = event.decode(record)
    details = access.details
    digest = sha256(record).digest()
    said = ["lobbylock receipt 1", door, access.seq, digest, access.time_s]
    return cbor.encode(said + [details[event.KID], details[event.CREDENTIAL_ID]])


def make(door: str, record: bytes, sign) -> bytes:
    """Returns the receipt, a COSE_Sign1 of at most MAX_BYTES; `sign(message)` makes the door's Ed25519 signature."""
    signed = payload(door, record)
    return cose.pack(signed, sign(cose.to_be_signed(signed)))
