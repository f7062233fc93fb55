"""Who can come to a door, as what, and with what in hand: the rows and columns of the matrix."""

from dataclasses import dataclass, replace
from typing import Any

import cardcase
import cbor
import cose
from cardcase import GRANT, OTHER_KEY, PHONE_KEY, SIGNER, STRANGER, badge_credential, holder, phone_credential
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from firmware.core import credential, event
from lobbylock.grant import Grant

DRIVER, RESIDENT, STAFF, VISITOR, NOBODY = ROLES = ("driver", "resident", "staff", "visitor", "nobody")
KEYPAD, BADGE, PHONE, BLE = WAYS = ("keypad", "badge", "phone", "Bluetooth")
_NUMBERS = {DRIVER: credential.DRIVER, RESIDENT: credential.RESIDENT, STAFF: credential.STAFF, NOBODY: 1}
# Of the codes; a visitor has none.
CLASSES = {DRIVER: 4, RESIDENT: 7, STAFF: 8}


@dataclass(frozen=True)
class Cell:
    """What becomes of one who comes in one way: the reason, and whether there is a picture."""

    reason: int
    is_pictured: bool

    @property
    def words(self) -> str:
        """What the table of the page says."""
        if self.reason:
            return "refused, pictured" if self.is_pictured else "refused"
        return "opens, pictured" if self.is_pictured else "opens"


_OPENS, _HOME, _STRANGE = Cell(event.GRANTED, True), Cell(event.GRANTED, False), Cell(event.UNKNOWN_ISSUER, True)
# None where there is nothing to show.
OPENS: dict[str, dict[str, Cell | None]] = {
    DRIVER: dict.fromkeys(WAYS, _OPENS),
    RESIDENT: dict.fromkeys(WAYS, _HOME),
    STAFF: dict.fromkeys(WAYS, _OPENS),
    VISITOR: {KEYPAD: None, BADGE: _OPENS, PHONE: _OPENS, BLE: _OPENS},
    NOBODY: {KEYPAD: Cell(event.WRONG_CODE, True), BADGE: _STRANGE, PHONE: _STRANGE, BLE: _STRANGE},
}
# What a phone gets and brings, over NFC and Bluetooth alike.
GETS = ("receipt", "list taken", "time taken", "lets others in", "reads status")
PHONES: dict[str, dict[str, bool]] = {
    DRIVER: dict(zip(GETS, (True, True, True, False, False), strict=True)),
    RESIDENT: dict(zip(GETS, (True, True, True, True, False), strict=True)),
    STAFF: dict(zip(GETS, (True, True, True, False, False), strict=True)),
    VISITOR: dict(zip(GETS, (True, True, True, False, False), strict=True)),
    # A token is the issuer's answer to this lock, whoever carries it.
    NOBODY: dict(zip(GETS, (False, False, True, False, False), strict=True)),
}
# Why those who may not let others in cannot.
NO_DELEGATION = {
    DRIVER: event.NO_DELEGATION,
    STAFF: event.NO_DELEGATION,
    VISITOR: event.NO_DELEGATION,
    NOBODY: event.UNKNOWN_ISSUER,
}


def sign_child(parent: bytes, issuer: str, number: bytes, key: ec.EllipticCurvePrivateKey = PHONE_KEY, **more) -> bytes:
    """Returns the chain of `parent` and a visitor's credential by `key`; nobody looks whether that may be."""
    grant = replace(GRANT, subject="Vera", role=credential.VISITOR, id=number, uses=1, **more)
    payload = cbor.encode(grant.claims(issuer))
    r, s = decode_dss_signature(key.sign(cose.to_be_signed(payload, cose.ES256), ec.ECDSA(SHA256())))
    child = cose.pack(payload, r.to_bytes(32, "big") + s.to_bytes(32, "big"), cose.ES256)
    return cbor.encode([parent, child])


def grant_of(role: str, number: bytes) -> Grant:
    return replace(GRANT, role=_NUMBERS[role], id=number, subject=role.title())


def credential_of(role: str, way: str, number: bytes) -> tuple[bytes, ec.EllipticCurvePrivateKey]:
    """Returns what somebody in `role` shows in that way, and the key of their phone; `number` is the id, 8 bytes."""
    signer = STRANGER if role == NOBODY else SIGNER
    if role == VISITOR:
        parent = phone_credential(role=credential.RESIDENT, id=b"resident", subject="Anna")
        more: dict[str, Any] = {} if way == BADGE else {"holder": holder(OTHER_KEY)}
        return sign_child(parent, "Anna", number, **more), OTHER_KEY
    changed = {"role": _NUMBERS[role], "id": number, "subject": role.title()}
    if way == BADGE:
        return badge_credential(signer, **changed), PHONE_KEY
    return phone_credential(PHONE_KEY, signer, **changed), PHONE_KEY


def delegation_of(role: str, number: bytes) -> bytes:
    """Returns the chain by which somebody in `role` lets another one in, for a phone with OTHER_KEY."""
    own, key = credential_of(role, PHONE, number)
    name = "Vera" if role == VISITOR else role.title()
    return sign_child(own, name, number[::-1], key, holder=holder(OTHER_KEY))


__all__ = ("cardcase",)
