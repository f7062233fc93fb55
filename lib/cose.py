"""COSE_Sign1 (RFC 9052 section 4.2) with EdDSA over Ed25519 or ES256 (RFC 9053 sections 2.2 and 2.1).

The signature itself is the caller's business: the board signs with `ed25519`, the host with its own library.
"""

import cbor
from constant import const

# Encoded protected headers that hold nothing but the algorithm: {1: -8} and {1: -7}.
EDDSA = b"\xa1\x01\x27"
ES256 = b"\xa1\x01\x26"

_ALG = const(1)
_KID = const(4)


class CoseError(Exception):
    """The bytes are not a COSE_Sign1 of the forms used here, or its signature does not hold."""


def to_be_signed(payload: bytes, protected: bytes = EDDSA) -> bytes:
    """Returns the Sig_structure whose bytes are signed; nothing is added as external data.

    `protected` is the encoded header as it stands in the message: EDDSA, ES256, or what `parse` found.
    """
    return cbor.encode(["Signature1", protected, b"", payload])


def pack(payload, signature: bytes, protected: bytes = EDDSA) -> bytes:
    """Returns the COSE_Sign1 array, untagged, with an empty unprotected header; a `payload` of None is detached."""
    return cbor.encode([protected, {}, payload, signature])


def unpack(message: bytes, max_bytes: int = 1024) -> tuple:
    """Returns (payload, signature) of the form that `pack` makes by itself, EdDSA; raises CoseError for any other.

    The signature has not been checked.
    """
    protected, _, kid, payload, signature = parse(message, max_bytes)
    if protected != EDDSA or kid is not None or payload is None:
        raise CoseError("other algorithm or headers")
    return payload, signature


def parse(message: bytes, max_bytes: int = 1024) -> tuple:
    """Returns (protected header as it stands, alg -8 or -7, kid or None, payload or None if detached, signature).

    The kid may be in either header, but in one only; no other parameter is taken. Raises CoseError.
    """
    try:
        parts = cbor.decode(message, max_bytes)
        if not isinstance(parts, list) or len(parts) != 4:
            raise CoseError("not a COSE_Sign1")
        protected, unprotected, payload, signature = parts
        header = cbor.decode(protected) if isinstance(protected, bytes) else None
    except cbor.CborError:
        raise CoseError("not CBOR")
    if not isinstance(header, dict) or not isinstance(unprotected, dict):
        raise CoseError("headers are not maps")
    # The algorithm counts only where the signature covers it.
    alg = header.pop(_ALG, None)
    if alg not in (-8, -7):
        raise CoseError("other algorithm")
    if _KID in unprotected and _KID not in header:
        header[_KID] = unprotected.pop(_KID)
    kid = header.pop(_KID, None)
    if header or unprotected or not isinstance(kid, (bytes, type(None))):
        raise CoseError("other headers")
    if not isinstance(payload, (bytes, type(None))) or not isinstance(signature, bytes) or len(signature) != 64:
        raise CoseError("not a COSE_Sign1")
    return protected, alg, kid, payload, signature
