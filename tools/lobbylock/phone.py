"""The reference phone: a credential, the P-256 key it names, and what it carries for a lock.

docs/protocol.md, section 10. A phone app does the same with a key that never leaves its secure element. Here are its
answers over NFC, as APDUs; `lobbylock.ble_phone` has the visit over Bluetooth.
"""

from hashlib import sha256
from pathlib import Path

import cbor
import cose
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from firmware.core import proof
from lobbylock.errors import UserError
from lobbylock.files import write_private
from lobbylock.visit_receipt import MAX_RECEIPT_BYTES, read_visit_receipt

DONE = b"\x90\x00"
WRONG_LENGTH = b"\x67\x00"
NOT_NOW = b"\x69\x85"
WRONG_DATA = b"\x6a\x80"
NOT_FOUND = b"\x6a\x82"
WRONG_OFFSET = b"\x6b\x00"
WRONG_INSTRUCTION = b"\x6d\x00"

# What a lock fetches: the list of revoked credentials, the time token.
LIST = 1
TOKEN = 2

_SELECT = b"\x00\xa4\x04\x00"
_GET = b"\x80\xca"
_PROVE = b"\x80\x88\x00\x00"
_TELL = b"\x80\xc4\x00\x00"
_GIVE = b"\x80\xc6\x00\x00"
_FETCH = {b"\x80\xcc": LIST, b"\x80\xce": TOKEN}
_MAX_PEM_BYTES = 4_096
_WANTS_RECEIPT = 1
_HAS_TOKEN = 2
_NONCE_BYTES = 16
_MAX_RESULT_BYTES = 64
_MAX_LIST_HEAD_BYTES = 190


class Phone:
    """What one phone has and has been told.

    `credential` goes out as it is: a credential, or the chain of two that delegates one. A phone that wants a receipt
    or brings news (`list_file`, `token`, as `lobbylock news` writes them) speaks version 2 of the messages, any other
    version 1 unless `version` says otherwise. `door_key` is the public key of the door it goes to, if it is known:
    receipts are then checked before they are confirmed.

    What the lock said last: `reason`, a number of firmware.core.event or None; `list_version` of the lock's own list;
    `nonce`, 16 bytes if it would like to have the time. `receipts` holds those that were confirmed.
    """

    def __init__(
        self,
        credential: bytes,
        key: ec.EllipticCurvePrivateKey,
        *,
        wants_receipt: bool = False,
        list_file: bytes = b"",
        token: bytes = b"",
        version: int | None = None,
        door_key: bytes | None = None,
    ) -> None:
        self.credential = credential
        self.version = version or (2 if wants_receipt or list_file or token else 1)
        self.door_key = door_key
        self.reason: int | None = None
        self.list_version: int | None = None
        self.nonce: bytes | None = None
        self.receipts: list[bytes] = []
        self._key = key
        self._news = {LIST: list_file, TOKEN: token}
        self._flags = wants_receipt * _WANTS_RECEIPT | bool(token) * _HAS_TOKEN
        self._carried_version = carried_version(list_file)
        self._is_selected = False
        self._may_prove = False

    # The messages, whatever carries them.

    def introduce(self, version: int) -> bytes:
        """Returns what the phone says of itself before anything else."""
        head = bytes([version]) + len(self.credential).to_bytes(2, "big")
        return head if version == 1 else head + bytes([self._flags]) + self._carried_version.to_bytes(4, "big")

    def prove(self, challenge: bytes, channel: bytes = b"", act_ms: int | None = None) -> bytes | None:
        """Returns the proof, None if `challenge` is none. Over Bluetooth it covers the `channel`'s hash and the act."""
        fields = _challenge(challenge)
        if fields is None:
            return None
        self.reason = None
        if act_ms is None:
            return proof.pack(sign(self._key, proof.to_be_signed(self.credential, challenge)))
        door, nonce = fields
        digest = sha256(self.credential + challenge + channel).digest()
        payload = cbor.encode(["lobbylock proof 2", door, nonce, digest, act_ms])
        return proof.pack(sign(self._key, cose.to_be_signed(payload, cose.ES256)))

    def hear(self, result: bytes) -> bool:
        """Takes what the lock decided; returns whether that was a result of either version."""
        try:
            fields = cbor.decode(result, _MAX_RESULT_BYTES)
        except (cbor.CborError, TypeError, ValueError):
            return False
        if not isinstance(fields, list) or [type(field) for field in fields[:2]] != [int, int]:
            return False
        version, reason, *rest = fields
        if version == 1 and not rest:
            self.reason = reason
            return True
        if version != 2 or len(rest) != 2 or type(rest[0]) is not int or rest[0] < 0:
            return False
        is_nonce = rest[1] is None or (isinstance(rest[1], bytes) and len(rest[1]) == _NONCE_BYTES)
        if is_nonce:
            self.reason, self.list_version, self.nonce = reason, rest[0], rest[1]
        return is_nonce

    def take(self, receipt: bytes) -> bool:
        """Keeps a receipt; returns whether it is one, of the door that the phone knows."""
        is_one = len(receipt) <= MAX_RECEIPT_BYTES and read_visit_receipt(receipt, self.door_key) is not None
        if is_one:
            self.receipts.append(receipt)
        return is_one

    def piece(self, what: int, offset: int, most: int) -> bytes:
        """Returns up to `most` bytes of LIST or TOKEN from `offset`; none if it brings none or that is its end."""
        return self._news.get(what, b"")[offset : offset + most]

    # NFC.

    def handle(self, apdu: bytes) -> bytes:
        """Returns the response APDU, status word included. Raises nothing for bad input.

        One proof is given for each SELECT, so for each tap.
        """
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
        if self.version > 1 and apdu[:4] == _GIVE:
            return self._take(_data(apdu))
        if self.version > 1 and apdu[:2] in _FETCH:
            return self._fetch(apdu)
        return WRONG_INSTRUCTION

    def _select(self, name: bytes | None) -> bytes:
        self._is_selected = self._may_prove = name == proof.AID
        return self.introduce(self.version) + DONE if self._is_selected else NOT_FOUND

    def _get(self, apdu: bytes) -> bytes:
        return _cut(self.credential, apdu)

    def _prove(self, challenge: bytes | None) -> bytes:
        if not self._may_prove:
            return NOT_NOW
        proved = None if challenge is None else self.prove(challenge)
        if proved is None:
            return WRONG_DATA
        self._may_prove = False
        return proved + DONE

    def _hear(self, result: bytes | None) -> bytes:
        return DONE if result is not None and self.hear(result) else WRONG_DATA

    def _take(self, receipt: bytes | None) -> bytes:
        return DONE if receipt is not None and self.take(receipt) else WRONG_DATA

    def _fetch(self, apdu: bytes) -> bytes:
        carried = self._news[_FETCH[apdu[:2]]]
        return _cut(carried, apdu) if carried else NOT_FOUND


def carried_version(list_file: bytes) -> int:
    """Returns the version that a carried list claims, 0 if it is none; the lock looks whether it is true."""
    for end in range(1, min(len(list_file), _MAX_LIST_HEAD_BYTES) + 1):
        # The file goes on behind its head, and no part of a CBOR value is one by itself.
        try:
            _, _, payload, _ = cbor.decode(list_file[:end])
            version = cbor.decode(payload)[2]
        except (cbor.CborError, TypeError, ValueError, IndexError, KeyError):
            continue
        return version if type(version) is int and 0 <= version < 1 << 32 else 0
    return 0


def _cut(data: bytes, apdu: bytes) -> bytes:
    """Returns the answer to a command that wants a piece of `data` from the offset in P1 and P2."""
    if len(apdu) != 5:
        return WRONG_LENGTH
    offset = int.from_bytes(apdu[2:4], "big")
    return data[offset : offset + (apdu[4] or 256)] + DONE if offset < len(data) else WRONG_OFFSET


def _data(apdu: bytes) -> bytes | None:
    """Returns the data of a short APDU with data, with or without an expected length, None if it is not one."""
    end = 5 + apdu[4] if len(apdu) > 4 else 0
    return apdu[5:end] if end in (len(apdu), len(apdu) - 1) else None


def _challenge(data: bytes) -> tuple[str, bytes] | None:
    """Returns (door, nonce) of a challenge, None if `data` is none."""
    try:
        version, door, nonce = cbor.decode(data, 128)
    except (cbor.CborError, TypeError, ValueError):
        return None
    is_nonce = isinstance(nonce, bytes) and len(nonce) == proof.NONCE_BYTES
    is_one = version == 1 and version is not True and isinstance(door, str) and is_nonce
    return (door, nonce) if is_one else None


def challenged_door(challenge: bytes) -> str | None:
    """Returns the door that a challenge names, None if it is none."""
    fields = _challenge(challenge)
    return fields[0] if fields else None


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
