"""A visitor's credential by a resident's key: docs/protocol.md section 8, "Delegation"."""

import cbor
import cose
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from firmware.core import chain, credential
from firmware.core.credential import Credential, CredentialError
from lobbylock.errors import UserError
from lobbylock.grant import Grant, check_size
from lobbylock.moment import format_local


def delegate(parent: bytes, grant: Grant, key: ec.EllipticCurvePrivateKey) -> bytes:
    """Returns the chain of `parent`, a resident's credential, and a visitor's with `grant`, signed by the resident's
    `key`. Raises UserError with the reason for whatever a lock would refuse, and makes nothing then.
    """
    shown = read_parent(parent)
    if shown.holder != _public(key):
        raise UserError("That key is not the one that the resident's credential names.")
    grant.check()
    _check_within(grant, shown)
    payload = cbor.encode(grant.claims(shown.subject))
    r, s = decode_dss_signature(key.sign(cose.to_be_signed(payload, cose.ES256), ec.ECDSA(SHA256())))
    child = cose.pack(payload, r.to_bytes(32, "big") + s.to_bytes(32, "big"), cose.ES256)
    check_size(child)
    data = cbor.encode([parent, child])
    # By the lock's own measure.
    found = credential.parse(shown.kid, payload, shown)
    if not chain.is_within(found, shown) or len(data) > credential.MAX_CHAIN_BYTES:
        raise UserError("A lock would not take that.")
    return data


def read_parent(data: bytes) -> Credential:
    """Returns a credential on which a visitor's may hang; its signature is not checked. Raises UserError."""
    if data[:1] == credential.CHAIN:
        raise UserError("A visitor cannot let others in: that takes a resident's own credential.")
    try:
        kid, payload, _, _ = credential.unwrap(data)
        found = credential.parse(kid, payload)
    except CredentialError:
        raise UserError("That is not a credential.") from None
    if not found.is_resident:
        raise UserError(f"Only residents let visitors in, and that is the credential of another role: {found.subject}.")
    if found.holder is None:
        raise UserError("The resident's credential names no holder's key, so nothing can be signed with it.")
    return found


def parse_chain(data: bytes) -> Credential:
    """Returns the visitor's credential in a chain, with its parent; no signature is checked, nor which one is wider.

    Raises CredentialError.
    """
    try:
        parent, child = cbor.decode(data, credential.MAX_CHAIN_BYTES)
        kid, payload, _, _ = credential.unwrap(parent)
        shown = credential.parse(kid, payload)
        return credential.parse(kid, credential.unwrap(child, -7)[1], shown)
    except (cbor.CborError, TypeError, ValueError):
        raise CredentialError from None


def parse_credential(data: bytes) -> Credential:
    """Returns the credential `data`, or the visitor's if that is a chain; no signature is checked.

    Raises CredentialError.
    """
    if data[:1] == credential.CHAIN:
        return parse_chain(data)
    kid, payload, _, _ = credential.unwrap(data)
    return credential.parse(kid, payload)


def keys_of(data: bytes) -> list[bytes]:
    """Returns the keys under which locks count and revoke the credential or chain `data`, the visitor's first.

    Raises CredentialError.
    """
    found = parse_credential(data)
    return [found.key] if found.parent is None else [found.key, found.parent.key]


def is_signed_es256(holder: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature`, r || s, is one of `message` by the P-256 key `holder`, x || y (RFC 9053 section 2.1)."""
    numbers = [int.from_bytes(half, "big") for half in (holder[:32], holder[32:], signature[:32], signature[32:])]
    try:
        key = ec.EllipticCurvePublicNumbers(numbers[0], numbers[1], ec.SECP256R1()).public_key()
        key.verify(encode_dss_signature(numbers[2], numbers[3]), message, ec.ECDSA(SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def _check_within(grant: Grant, parent: Credential) -> None:
    whose = f"{parent.subject}'s own credential"
    if grant.building != parent.building:
        raise UserError(f"{whose} is for {parent.building}, not {grant.building}.")
    others = [area for area in grant.areas if area not in parent.areas]
    if others:
        raise UserError(f"{whose} does not lead to {', '.join(others)}, only to {', '.join(parent.areas)}.")
    if parent.not_before_s is not None and grant.from_s < parent.not_before_s:
        raise UserError(f"{whose} begins at {format_local(parent.not_before_s)}, later than that.")
    if grant.until_s > parent.expires_s:
        raise UserError(f"{whose} ends at {format_local(parent.expires_s)}, before that.")
    if parent.uses is not None and (grant.uses is None or grant.uses > parent.uses):
        asked = "any number" if grant.uses is None else grant.uses
        raise UserError(f"{whose} is for {parent.uses} uses, so it cannot give {asked}.")


def _public(key: ec.EllipticCurvePrivateKey) -> bytes:
    numbers = key.public_key().public_numbers()
    return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
