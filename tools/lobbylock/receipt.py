"""What the collector signs for itself about a chain: docs/protocol.md section 12, "Receipt".

An acknowledgement says how far a chain went. A receipt says what else an editor of the store could take away: the gaps
that are known, the pictures that came, the evidence of other histories, and how many chains there are.
"""

from dataclasses import astuple, dataclass
from hashlib import sha256

import cbor
import cose

from lobbylock.signature import Signer, is_signed
from lobbylock.verify import Gap

_RECEIPT = 3
_MAX_BYTES = 1024
_NO_PICTURES = bytes(32)


@dataclass(frozen=True)
class Account:
    """A chain as the store has it. Digests are SHA-256; `chains` counts the chains of the door, `all_chains` all."""

    door: str
    public_key: bytes
    last_seq: int
    head: bytes
    gaps: bytes
    pictures: int
    picture_digest: bytes
    conflicts: bytes
    chains: int
    all_chains: int


def digest_gaps(gaps: list[Gap]) -> bytes:
    """Returns the digest of a chain's gaps, in their order."""
    return sha256(cbor.encode([[gap.first_seq, gap.last_seq, gap.head] for gap in gaps])).digest()


def digest_picture(before: bytes | None, seq: int, digest: bytes) -> bytes:
    """Returns the digest of the pictures that came up to the one of event `seq`; `before` is that of those before."""
    return sha256((before or _NO_PICTURES) + seq.to_bytes(8, "big") + digest).digest()


def digest_conflicts(kept: list[tuple[bytes, int, int]]) -> bytes:
    """Returns the digest of the evidence kept: (SHA-256 of the message, seq, received_s) each, in order."""
    return sha256(cbor.encode([list(each) for each in sorted(kept)])).digest()


def sign_receipt(signer: Signer, account: Account) -> bytes:
    """Returns the COSE_Sign1 of `account`."""
    payload = cbor.encode([_RECEIPT, *astuple(account)])
    return cose.pack(payload, signer.sign(cose.to_be_signed(payload)))


def read_receipt(message: object, public_key: bytes) -> Account | None:
    """Returns what a receipt signed by the collector's `public_key` says, None if it is not one."""
    if not isinstance(message, bytes) or len(message) > _MAX_BYTES:
        return None
    try:
        payload, signature = cose.unpack(message)
        fields = cbor.decode(payload, _MAX_BYTES)
    except (cose.CoseError, cbor.CborError):
        return None
    if not is_signed(public_key, cose.to_be_signed(payload), signature):
        return None
    if not isinstance(fields, list) or len(fields) != 11 or fields[0] != _RECEIPT:
        return None
    return Account(*fields[1:])
