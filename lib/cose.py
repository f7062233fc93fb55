"""COSE_Sign1 (RFC 9052 section 4.2) with EdDSA over Ed25519 (RFC 9053 section 2.2).

The signature itself is the caller's business: the board signs with `ed25519`, the host with its own library.
"""

import cbor

# The protected header {1 (alg): -8 (EdDSA)}, already encoded.
EDDSA = b"\xa1\x01\x27"


class CoseError(Exception):
    """The bytes are not a COSE_Sign1 of the one form used here, or its signature does not hold."""


def to_be_signed(payload: bytes) -> bytes:
    """Returns the Sig_structure whose bytes are signed; nothing is added as external data."""
    return cbor.encode(["Signature1", EDDSA, b"", payload])


def pack(payload: bytes, signature: bytes) -> bytes:
    """Returns the COSE_Sign1 array, untagged, with an empty unprotected header."""
    return cbor.encode([EDDSA, {}, payload, signature])


def unpack(message: bytes, max_bytes: int = 1024) -> tuple:
    """Returns (payload, signature) without having checked the signature. Raises CoseError."""
    try:
        parts = cbor.decode(message, max_bytes)
    except cbor.CborError:
        raise CoseError("not CBOR")
    if not isinstance(parts, list) or len(parts) != 4:
        raise CoseError("not a COSE_Sign1")
    protected, unprotected, payload, signature = parts
    if protected != EDDSA or unprotected != {}:
        raise CoseError("other algorithm or headers")
    if not isinstance(payload, bytes) or not isinstance(signature, bytes) or len(signature) != 64:
        raise CoseError("not a COSE_Sign1")
    return payload, signature
