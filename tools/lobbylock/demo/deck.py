"""What drivers of the demonstration carry: badges and phones, and what somebody else would make of them."""

import json
from datetime import datetime, timezone
from typing import Any

import cbor
import cose
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lobbylock.badge import compose
from lobbylock.bulletin import make_token
from lobbylock.demo.stage import DOOR, Stage
from lobbylock.errors import UserError
from lobbylock.home import Home
from lobbylock.phone import Phone, load_key, sign
from virtualboard.chip.card import Ntag215
from virtualboard.chip.isodep_card import IsoDepCard

DRIVER = "DHL 81"
RESIDENT = "Anna"
VISITOR = "Plumber"
_NOBODY = "DHL 82"
BUILDING = "maple-12"
_HOUR_S = 3_600
_DAY_S = 86_400
# The claim of a CWT.
_EXPIRES = 4
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

    def phone(self, key: ec.EllipticCurvePrivateKey | None = None, **wants: Any) -> tuple[IsoDepCard, Phone]:
        """Returns the driver's phone as a reader sees it, and itself; `key` is one that it should not have."""
        phone = Phone(self.phone_credential(DRIVER), key or load_key(self._stage.phone_key), **wants)
        return IsoDepCard(phone.handle), phone

    def phone_credential(self, subject: str, *options: str) -> bytes:
        """Returns a credential that names the key of the phone at hand."""
        holder = str(self._stage.phone_key)
        return self._stage.credential(subject, _HOUR_S, "--building", BUILDING, "--holder", holder, *options)

    def visitor(self, parent: bytes) -> bytes:
        """Returns a visitor's credential, for one use, made with the resident's credential `parent` and the phone."""
        start = datetime.fromtimestamp(self._stage.now_s, timezone.utc).isoformat(timespec="seconds")
        key = str(self._stage.phone_key)
        options = ["--key", key, "--holder", key, "--from", start, "--for", "30m", "--json"]
        done = self._stage.run("credential", "delegate", parent.hex(), VISITOR, *options)
        if done.returncode:
            raise UserError(f"No visitor's credential: {done.stderr.strip()}")
        return bytes.fromhex(json.loads(done.stdout)["hex"])

    def token(self, nonce: bytes) -> bytes:
        """Returns the time as the issuer signs it: the demonstration's, which is not this machine's."""
        return make_token(Home(self._stage.home).issuer().signer, DOOR, nonce, round(self._stage.now_s))


def forge(credential: bytes) -> bytes:
    """Returns the same claims in the name of the same key, signed by somebody else's."""
    protected, unprotected, payload, _ = cbor.decode(credential)
    signature = Ed25519PrivateKey.generate().sign(cose.to_be_signed(payload, protected))
    return cbor.encode([protected, unprotected, payload, signature])


def widen(chain: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    """Returns the visitor's credential in `chain` as its resident might sign it with another tool: a day longer."""
    parent, child = cbor.decode(chain)
    protected, unprotected, payload, _ = cbor.decode(child)
    claims = cbor.decode(payload)
    claims[_EXPIRES] += _DAY_S
    payload = cbor.encode(claims)
    signature = sign(key, cose.to_be_signed(payload, protected))
    return cbor.encode([parent, cbor.encode([protected, unprotected, payload, signature])])


def alter(credential: bytes) -> bytes:
    """Returns the credential made out to somebody else, its signature as it was."""
    return credential.replace(DRIVER.encode(), _NOBODY.encode())
