"""A resident's credential and a visitor's behind it: docs/protocol.md section 8, "Delegation".

The resident's key, which their credential names, signs the visitor's. That one opens nothing that the first does not
open, at no other time and not more often. Loaded for the moment when somebody brings one.
"""

import cbor
import cose

from firmware.core import credential, event
from firmware.core.credential import Credential, CredentialError


def read(data: bytes, issuers: dict, verify) -> Credential:
    """Returns the visitor's credential in `data` with the resident's as its `parent`, both signatures checked.

    `issuers` are as `credential.read` wants them; `verify(holder, message, signature) -> bool` checks ES256. Raises
    CredentialError; with the visitor's as its second argument where that one is genuine, and wider than its parent.
    """
    try:
        parts = cbor.decode(data, credential.MAX_CHAIN_BYTES)
    except cbor.CborError:
        raise CredentialError(event.MALFORMED)
    if not isinstance(parts, list) or len(parts) != 2:
        raise CredentialError(event.MALFORMED)
    for part in parts:
        if not isinstance(part, bytes):
            raise CredentialError(event.MALFORMED)
        if part[:1] == credential.CHAIN:
            # A visitor lets nobody in, and nothing is hung on anything else than an issuer's.
            raise CredentialError(event.NO_DELEGATION)
    parent = credential.read(parts[0], issuers)
    if not parent.is_resident or parent.holder is None:
        raise CredentialError(event.NO_DELEGATION)
    return _child(parts[1], parent, verify)


def _child(data: bytes, parent: Credential, verify) -> Credential:
    _, payload, protected, signature = credential.unwrap(data, -7)
    if not verify(parent.holder, cose.to_be_signed(payload, protected), signature):
        raise CredentialError(event.FORGED)
    child = credential.parse(parent.kid, payload, parent)
    if child.issuer != parent.subject:
        raise CredentialError(event.UNKNOWN_ISSUER)
    if not is_within(child, parent):
        raise CredentialError(event.WIDER, child)
    # The clock believes issuers, not residents.
    child.issued_s = parent.issued_s
    return child


def is_within(child: Credential, parent: Credential) -> bool:
    """Whether `child` reaches no further than `parent` in building, areas, times and uses.

    Weekly hours are not compared: those of both have to hold. A child says when its time begins.
    """
    if child.building != parent.building or child.expires_s > parent.expires_s:
        return False
    if child.not_before_s is None or child.not_before_s < (parent.not_before_s or 0):
        return False
    if not all(area in parent.areas for area in child.areas):
        return False
    return parent.uses is None or child.uses is not None and child.uses <= parent.uses
