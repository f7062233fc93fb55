"""What drivers of the demonstration carry: badges and phones, and what somebody else would make of them."""

import cbor
import cose
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lobbylock.badge import compose
from lobbylock.demo.stage import Stage
from lobbylock.phone import Phone, load_key
from virtualboard.chip.card import Ntag215
from virtualboard.chip.isodep_card import IsoDepCard

DRIVER = "DHL 81"
_NOBODY = "DHL 82"
BUILDING = "maple-12"
_HOUR_S = 3_600
_UID = b"\x04\x5a\x1b\x72\xc3\x64"


class Deck:
    """Mints for the doors of `stage`. Every badge has a UID of its own."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._badges = 0

    def credential(self, building: str = BUILDING, for_s: int = _HOUR_S) -> bytes:
        """Returns a credential for a badge: for one use, with no holder's key."""
        return self._stage.credential(DRIVER, for_s, "--building", building, "--uses", "1")

    def badge(self, credential: bytes) -> Ntag215:
        self._badges += 1
        return Ntag215(compose(credential, "lobbylock.example/badge"), _UID + bytes([self._badges & 255]))

    def phone(self, key: ec.EllipticCurvePrivateKey | None = None) -> tuple[IsoDepCard, Phone]:
        """Returns the driver's phone as a reader sees it, and itself; `key` is one that it should not have."""
        holder = str(self._stage.phone_key)
        credential = self._stage.credential(DRIVER, _HOUR_S, "--building", BUILDING, "--holder", holder)
        phone = Phone(credential, key or load_key(self._stage.phone_key))
        return IsoDepCard(phone.handle), phone


def forge(credential: bytes) -> bytes:
    """Returns the same claims in the name of the same key, signed by somebody else's."""
    protected, unprotected, payload, _ = cbor.decode(credential)
    signature = Ed25519PrivateKey.generate().sign(cose.to_be_signed(payload, protected))
    return cbor.encode([protected, unprotected, payload, signature])


def alter(credential: bytes) -> bytes:
    """Returns the credential made out to somebody else, its signature as it was."""
    return credential.replace(DRIVER.encode(), _NOBODY.encode())
