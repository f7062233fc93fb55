"""The phone's end of the lock's channel (docs/protocol.md, section 14), made over OpenSSL.

It shares no code with the lock's end: a second implementation of the page, so that two have to agree.
"""

import hmac
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from firmware.core.channel import ChannelError

_VERSION = b"\x01"
_DOOR_HELLO_BYTES = 113
_SIZES = (64, 256, 512, 768, 1152)
_MAC_BYTES = 16


class PhoneHalf:
    """What the phone brings to one connection: `hello` is sent first. `secret`: 32 random bytes, or made here."""

    def __init__(self, secret: bytes | None = None) -> None:
        self._key = X25519PrivateKey.from_private_bytes(secret) if secret else X25519PrivateKey.generate()
        self.hello = _VERSION + self._key.public_key().public_bytes_raw()

    def open_channel(self, door_hello: bytes, door_public: bytes) -> "Channel":
        """Returns the channel to the lock with that public key. Raises ChannelError for an answer of anyone else."""
        if len(door_hello) != _DOOR_HELLO_BYTES or door_hello[:1] != _VERSION:
            raise ChannelError("not a lock's greeting")
        point, signature, nonce = door_hello[1:33], door_hello[33:97], door_hello[97:]
        try:
            Ed25519PublicKey.from_public_bytes(door_public).verify(
                signature, b"lobbylock channel 1" + door_public + point
            )
            shared = self._key.exchange(X25519PublicKey.from_public_bytes(point))
        except (InvalidSignature, ValueError):
            raise ChannelError("another door") from None
        name = sha256(b"lobbylock channel 1" + door_public + self.hello[1:] + point + nonce).digest()
        keys = HKDF(SHA256(), 96, salt=name, info=b"lobbylock channel keys 1").derive(shared)
        return Channel(name, keys[48:], keys[:48])


class Channel:
    """The phone's end: `incoming` and `outgoing` are an AES-128 key and a MAC key each, 48 bytes."""

    def __init__(self, name: bytes, incoming: bytes, outgoing: bytes) -> None:
        self.hash = name
        self._incoming, self._outgoing = incoming, outgoing
        self._read = self._written = 0
        self._is_broken = False

    def seal(self, data: bytes) -> bytes:
        """Returns the next record to send. Raises ValueError for more than 1,150 bytes."""
        self._check()
        size = next((size for size in _SIZES if len(data) + 2 <= size), None)
        if size is None:
            raise ValueError("more than a record holds")
        plain = (len(data).to_bytes(2, "big") + data).ljust(size, b"\0")
        text = _keystream(self._outgoing, self._written, plain)
        record = text + _tag(self._outgoing, self._written, text)
        self._written += 1
        return record

    def open(self, record: bytes) -> bytes:
        """Returns what the lock sealed next. Raises ChannelError for anything else, now and from then on."""
        self._check()
        text, tag = record[:-_MAC_BYTES], record[-_MAC_BYTES:]
        if len(text) in _SIZES and hmac.compare_digest(tag, _tag(self._incoming, self._read, text)):
            plain = _keystream(self._incoming, self._read, text)
            self._read += 1
            data = plain[2 : 2 + int.from_bytes(plain[:2], "big")]
            if (len(data).to_bytes(2, "big") + data).ljust(len(text), b"\0") == plain:
                return data
        self._is_broken = True
        raise ChannelError("not the next record")

    def _check(self) -> None:
        if self._is_broken:
            raise ChannelError("the channel is over")


def _keystream(keys: bytes, number: int, text: bytes) -> bytes:
    # Counting up from block 0 of a record; it ends far from the next one's.
    counter = bytes(8) + number.to_bytes(4, "big") + bytes(4)
    return Cipher(AES(keys[:16]), CTR(counter)).encryptor().update(text)


def _tag(keys: bytes, number: int, text: bytes) -> bytes:
    return hmac.digest(keys[16:], number.to_bytes(4, "big") + text, "sha256")[:_MAC_BYTES]
