"""An issuer whose signatures are a hash under a secret: quick, and the same on both interpreters."""

from hashlib import sha256

import cbor
import cose

KID = b"\x0a\x0b\x0c\x0d"


class FakeIssuer:
    def __init__(self, name="maple-office", secret=b"s") -> None:
        self.name = name
        self._secret = secret
        self.verified = 0

    def sign(self, message):
        digest = sha256(self._secret + message).digest()
        return digest + sha256(digest).digest()

    def verify(self, message, signature):
        self.verified += 1
        return self.sign(message) == signature


def usual_claims():
    """A driver's credential with everything in it, from Monday 21 September 2026, 00:00 UTC, for a week."""
    return {
        1: "maple-office",
        2: "Anna",
        3: "maple-12",
        4: 1_790_553_600,
        5: 1_789_948_800,
        6: 1_789_940_000,
        7: b"\x01\x02\x03\x04\x05\x06\x07\x08",
        8: {1: {1: 2, -1: 1, -2: b"x" * 32, -3: b"y" * 32}},
        -70001: 1,
        -70002: ["lobby", "mail-room"],
        -70003: 3,
        -70004: [[0b0011111, 480, 1080]],
    }


def without(*keys):
    claims = usual_claims()
    for key in keys:
        del claims[key]
    return claims


def with_claim(key, value):
    claims = usual_claims()
    claims[key] = value
    return claims


def mint_payload(payload, issuer, protected=cose.EDDSA, unprotected=None):
    signature = issuer.sign(cose.to_be_signed(payload, protected))
    return cbor.encode([protected, {4: KID} if unprotected is None else unprotected, payload, signature])


def mint(claims, issuer, protected=cose.EDDSA, unprotected=None):
    return mint_payload(cbor.encode(claims), issuer, protected, unprotected)
