"""What the collector signs when it deletes a picture by rule: docs/protocol.md section 12, "Deletion".

Without it whoever edits the store could take a picture away and note that a rule had done so.
"""

from dataclasses import dataclass

import cbor
import cose

from lobbylock.signature import Signer, is_signed

_DELETION = 5
_MAX_BYTES = 512


@dataclass(frozen=True)
class Deletion:
    """That the picture which event `seq` announced was deleted, when and by which rule, under the collector's
    signature."""

    seq: int
    deleted_s: int
    rule: str
    signature: bytes


def sign_deletion(
    signer: Signer, door: str, public_key: bytes, seq: int, sha256: bytes, deleted_s: int, rule: str
) -> Deletion:
    """Returns the note that the picture with `sha256`, of event `seq` in the chain of `public_key` at `door`, went."""
    payload = cbor.encode([_DELETION, door, public_key, seq, sha256, deleted_s, rule])
    return Deletion(seq, deleted_s, rule, cose.pack(payload, signer.sign(cose.to_be_signed(payload))))


def deletion_holds(deletion: Deletion, door: str, public_key: bytes, sha256: bytes, collector_key: bytes) -> bool:
    """Whether the collector with `collector_key` signed all that `deletion` says, of this picture of this chain."""
    if not isinstance(deletion.signature, bytes) or len(deletion.signature) > _MAX_BYTES:
        return False
    try:
        payload, signature = cose.unpack(deletion.signature)
        fields = cbor.decode(payload, _MAX_BYTES)
    except (cose.CoseError, cbor.CborError):
        return False
    expected = [_DELETION, door, public_key, deletion.seq, sha256, deletion.deleted_s, deletion.rule]
    return fields == expected and is_signed(collector_key, cose.to_be_signed(payload), signature)
