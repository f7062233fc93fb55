"""The reference phone: a credential, the P-256 key it names, and the answers to a lock's APDUs.

docs/protocol.md, section 10. A phone app does the same with a key that never leaves its secure element.
"""

from pathlib import Path

import cbor
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from firmware.core import proof
from lobbylock.errors import UserError
from lobbylock.files import write_private

DONE = b"\x90\x00"
WRONG_LENGTH = b"\x67\x00"
NOT_NOW = b"\x69\x85"
WRONG_DATA = b"\x6a\x80"
NOT_FOUND = b"\x6a\x82"
WRONG_OFFSET = b"\x6b\x00"
WRONG_INSTRUCTION = b"\x6d\x00"

_SELECT = b"\x00\xa4\x04\x00"
_GET = b"\x80\xca"
_PROVE = b"\x80\x88\x00\x00"
_TELL = b"\x80\xc4\x00\x00"
_MAX_PEM_BYTES = 4_096


class Phone:
    """Answers APDUs; `reason` is what the lock said to the last proof: a number of firmware.core.event or None.

    `credential` goes out as it is. One proof is given for each SELECT, so for each tap.
    """

    def __init__(self, credential: bytes, key: ec.EllipticCurvePrivateKey) -> None:
        self.credential = credential
        self.reason: int | None = None
        self._key = key
        self._is_selected = False
        self._may_prove = False

    def handle(self, apdu: bytes) -> bytes:
        """Returns the response APDU, status word included. Raises nothing for bad input."""
        if apdu[:4] == _SELECT:
            return self._select(_data(apdu))
        if not self._is_selected:
            return NOT_NOW
        if apdu[:2] == _GET:
            return self._get(apdu)
        if apdu[:4] == _PROVE:
            return self._prove(_data(apdu))
        if apdu[:4] == _TELL:
            return self._hear(_data(apdu))
        return WRONG_INSTRUCTION

    def _select(self, name: bytes | None) -> bytes:
        self._is_selected = self._may_prove = name == proof.AID
        if not self._is_selected:
            return NOT_FOUND
        return bytes([proof.VERSION]) + len(self.credential).to_bytes(2, "big") + DONE

    def _get(self, apdu: bytes) -> bytes:
        if len(apdu) != 5:
            return WRONG_LENGTH
        offset = int.from_bytes(apdu[2:4], "big")
        if offset >= len(self.credential):
            return WRONG_OFFSET
        return self.credential[offset : offset + (apdu[4] or 256)] + DONE

    def _prove(self, challenge: bytes | None) -> bytes:
        if not self._may_prove:
            return NOT_NOW
        if challenge is None or not _is_challenge(challenge):
            return WRONG_DATA
        self._may_prove = False
        self.reason = None
        return proof.pack(sign(self._key, proof.to_be_signed(self.credential, challenge))) + DONE

    def _hear(self, result: bytes | None) -> bytes:
        try:
            version, reason = cbor.decode(result or b"", 16)
        except (cbor.CborError, TypeError, ValueError):
            return WRONG_DATA
        if version != proof.VERSION or type(reason) is not int:
            return WRONG_DATA
        self.reason = reason
        return DONE


def _data(apdu: bytes) -> bytes | None:
    """Returns the data of a short APDU with data, with or without an expected length, None if it is not one."""
    end = 5 + apdu[4] if len(apdu) > 4 else 0
    return apdu[5:end] if end in (len(apdu), len(apdu) - 1) else None


def _is_challenge(data: bytes) -> bool:
    try:
        version, door, nonce = cbor.decode(data, 128)
    except (cbor.CborError, TypeError, ValueError):
        return False
    is_nonce = isinstance(nonce, bytes) and len(nonce) == proof.NONCE_BYTES
    return version == proof.VERSION and version is not True and isinstance(door, str) and is_nonce


def sign(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """Returns the ES256 signature of `message`, 64 bytes r || s."""
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def holder(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Returns the public half, x || y, 64 bytes: what a credential for this phone names."""
    numbers = key.public_key().public_numbers()
    return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def save_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    """Writes `key` as PEM (PKCS #8, not encrypted), readable by its owner only. Raises UserError if `path` exists."""
    if path.exists():
        raise UserError(f"{path} exists already; a key is never overwritten.")
    form = serialization.PrivateFormat.PKCS8
    write_private(path, key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))


def load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Returns the key in the PEM file `path`. Raises UserError if it is no P-256 private key."""
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_PEM_BYTES + 1)
        key = serialization.load_pem_private_key(data[:_MAX_PEM_BYTES], password=None)
    except FileNotFoundError:
        raise UserError(f"There is no key at {path}; `lobbylock phone new` makes one.") from None
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise UserError(f"{path} is not an unencrypted P-256 private key.")
    return key
