"""What drivers hold to the reader, for tests: credentials as an issuer makes them, badges, phones."""

from dataclasses import replace

import lockroom
from cryptography.hazmat.primitives.asymmetric import ec

from firmware.core import credential
from lobbylock.badge import compose
from lobbylock.grant import Grant, key_id, mint
from lobbylock.phone import Phone
from lobbylock.signature import Signer
from virtualboard.chip.card import Ntag215
from virtualboard.chip.isodep_card import IsoDepCard

ISSUER = "acme"
SIGNER = Signer(bytes([7]) * 32)
STRANGER = Signer(bytes([8]) * 32)
PHONE_KEY = ec.derive_private_key(0x1234567, ec.SECP256R1())
OTHER_KEY = ec.derive_private_key(0x7654321, ec.SECP256R1())
HOUR_S = 3_600

# What a door with a card reader has in its settings, besides lockroom.SETTINGS.
SETTINGS = {
    "nfc": "uart",
    "issuers": [{"kid": key_id(SIGNER.public_key).hex(), "name": ISSUER, "key": SIGNER.public_key.hex()}],
}
GRANT = Grant(
    subject="UPS 4711",
    building="maple-12",
    role=credential.DRIVER,
    areas=["lobby"],
    from_s=lockroom.NOON_S - HOUR_S,
    until_s=lockroom.NOON_S + 8 * HOUR_S,
    issued_s=lockroom.NOON_S - HOUR_S,
    id=b"delivery",
    uses=1,
)


def holder(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Returns x || y."""
    numbers = key.public_key().public_numbers()
    return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


def badge_credential(signer: Signer = SIGNER, **changed) -> bytes:
    """Returns a credential without a holder's key, for one use unless `changed`."""
    return mint(replace(GRANT, **changed), ISSUER, signer)


def phone_credential(key: ec.EllipticCurvePrivateKey = PHONE_KEY, signer: Signer = SIGNER, **changed) -> bytes:
    """Returns a credential for the holder of `key`, for any number of uses unless `changed`."""
    return mint(replace(GRANT, **{"uses": None, "holder": holder(key), **changed}), ISSUER, signer)


def badge(data: bytes, number: int = 1) -> Ntag215:
    """Returns an NTAG215 with the credential `data`; each `number` has a UID of its own."""
    return Ntag215(compose(data), b"\x04\x5a\x1b\x72\xc3\x64" + bytes([number]))


def phone(data: bytes, key: ec.EllipticCurvePrivateKey = PHONE_KEY) -> tuple[IsoDepCard, Phone]:
    """Returns the card that a reader sees, and the phone itself."""
    made = Phone(data, key)
    return IsoDepCard(made.handle), made
