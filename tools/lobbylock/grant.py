"""What an issuer grants, made into a credential: docs/protocol.md section 8."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import cbor
import cose
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from firmware.core import credential
from firmware.core.name import is_name
from lobbylock.errors import UserError
from lobbylock.settings import MAX_AREAS, MAX_ISSUER_NAME_BYTES
from lobbylock.signature import Signer

ROLES = {"driver": credential.DRIVER, "resident": credential.RESIDENT, "staff": credential.STAFF}
# Two commands of a phone, and a tag with room for a link; a lock reads a little more.
MAX_MINTED_BYTES = 300
MAX_HOURS = 7
ID_BYTES = 8
_MAX_SUBJECT_BYTES = 32
_MAX_PEM_BYTES = 4_096
_MAX_S = (1 << 32) - 1


@dataclass(frozen=True)
class Grant:
    """Who may come where and when. Times are Unix seconds; `holder` is a P-256 key x || y, None for a badge.

    `hours` are triples as `lobbylock.hours` reads them, `uses` None for any number.
    """

    subject: str
    building: str
    role: int
    areas: list[str]
    from_s: int
    until_s: int
    issued_s: int
    id: bytes
    uses: int | None = None
    hours: list[list[int]] = field(default_factory=list)
    holder: bytes | None = None

    def check(self) -> None:
        """Raises UserError for the first thing that a lock would not understand."""
        if not 1 <= len(self.subject.encode(errors="replace")) <= _MAX_SUBJECT_BYTES or not self.subject.isprintable():
            raise UserError(f"A subject is 1 to {_MAX_SUBJECT_BYTES} bytes of printable text.")
        if not is_name(self.building):
            raise UserError("A building is 1 to 32 characters of a-z, 0-9 and -.")
        if not 1 <= len(self.areas) <= MAX_AREAS or not all(map(is_name, self.areas)):
            raise UserError(f"A credential has 1 to {MAX_AREAS} areas, each 1 to 32 characters of a-z, 0-9 and -.")
        if not 0 <= self.from_s < self.until_s <= _MAX_S:
            raise UserError("A credential ends after it begins, and before 2106.")
        if self.issued_s > self.until_s:
            raise UserError("That time is over already.")
        if self.uses is not None and not 1 <= self.uses <= 255:
            raise UserError("A credential is for 1 to 255 uses, or for any number.")
        if len(self.hours) > MAX_HOURS:
            raise UserError(f"A credential has up to {MAX_HOURS} weekly hours.")

    def claims(self, issuer: str) -> dict[int, object]:
        """Returns the CWT claims set in the name of `issuer`."""
        claims: dict[int, object] = {
            1: issuer,
            2: self.subject,
            3: self.building,
            4: self.until_s,
            5: self.from_s,
            6: self.issued_s,
            7: self.id,
            -70001: self.role,
            -70002: self.areas,
        }
        if self.holder is not None:
            claims[8] = {1: {1: 2, -1: 1, -2: self.holder[:32], -3: self.holder[32:]}}
        if self.uses is not None:
            claims[-70003] = self.uses
        if self.hours:
            claims[-70004] = self.hours
        return claims


def key_id(public_key: bytes) -> bytes:
    """Returns the kid of an issuer's Ed25519 key (32 bytes)."""
    return sha256(public_key).digest()[:4]


def mint(grant: Grant, issuer: str, signer: Signer) -> bytes:
    """Returns the credential, untagged, signed in the name of `issuer`. Raises UserError if no lock would read it."""
    grant.check()
    if not 1 <= len(issuer.encode()) <= MAX_ISSUER_NAME_BYTES:
        raise UserError(f"The issuer's name is longer than the {MAX_ISSUER_NAME_BYTES} bytes that locks read.")
    payload = cbor.encode(grant.claims(issuer))
    signature = signer.sign(cose.to_be_signed(payload))
    data = cbor.encode([cose.EDDSA, {4: key_id(signer.public_key)}, payload, signature])
    check_size(data)
    credential.parse(key_id(signer.public_key), payload)
    return data


def check_size(data: bytes) -> None:
    """Raises UserError if the credential `data` is longer than badges and phones like."""
    if len(data) > MAX_MINTED_BYTES:
        raise UserError(
            f"The credential takes {len(data)} bytes, and {MAX_MINTED_BYTES} is the most:"
            " shorten the names, or leave out areas or hours."
        )


def parse_holder(text: str) -> bytes:
    """Returns x || y of a P-256 key: 128 hex digits, or the path of a PEM file with a public or private key.

    Raises UserError.
    """
    if re.fullmatch(r"[0-9A-Fa-f]{128}", text):
        x, y = int(text[:64], 16), int(text[64:], 16)
        try:
            return _point(ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key())
        except ValueError:
            raise UserError("Those 128 hex digits are no point of P-256.") from None
    path = Path(text).expanduser()
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_PEM_BYTES)
    except FileNotFoundError:
        raise UserError(f"{text[:80]!r} is neither 128 hex digits, x and y of a P-256 key, nor a PEM file.") from None
    key = _holder_in(data, (serialization.load_pem_public_key, _load_private))
    if key is None:
        raise UserError(f"{path} holds no P-256 key in PEM.")
    return key


def parse_holder_pem(text: str) -> bytes:
    """Returns x || y of the P-256 public key in a PEM text. Raises UserError, also for a private key, which nobody but
    the phone should have."""
    if "PRIVATE" in text:
        raise UserError("That is a private key: give the public one. A private key stays in its phone.")
    data = text.strip().encode()
    key = _holder_in(data, (serialization.load_pem_public_key,)) if len(data) <= _MAX_PEM_BYTES else None
    if key is None:
        raise UserError("That is no P-256 public key in PEM.")
    return key


def _holder_in(data: bytes, loads: Iterable[Callable[[bytes], object]]) -> bytes | None:
    for load in loads:
        try:
            key = load(data)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue
        if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
            return _point(key)
    return None


def _load_private(data: bytes) -> object:
    return serialization.load_pem_private_key(data, password=None).public_key()


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    numbers = key.public_numbers()
    return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
