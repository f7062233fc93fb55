"""Recomputes the worked example of docs/protocol.md, section 14, with OpenSSL and by the formulas of the page."""

import hmac
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from test_protocol import DOOR_SEED, EXAMPLES, PAGE, table

from firmware.core import channel as lock_channel
from lobbylock.channel import Channel, PhoneHalf

_NONCE = bytes(range(16))
_DATA = b"\x01lobbylock"
_LOCK = X25519PrivateKey.from_private_bytes(bytes([5]) * 32)
_PHONE = X25519PrivateKey.from_private_bytes(bytes([6]) * 32)


def _public(key) -> bytes:
    return key.public_key().public_bytes_raw()


def test_greetings():
    door = Ed25519PrivateKey.from_private_bytes(DOOR_SEED)
    assert EXAMPLES["phone hello"] == b"\x01" + _public(_PHONE) == PhoneHalf(bytes([6]) * 32).hello
    signed = b"lobbylock channel 1" + _public(door) + _public(_LOCK)
    assert EXAMPLES["door hello"] == b"\x01" + _public(_LOCK) + door.sign(signed) + _NONCE
    assert len(EXAMPLES["door hello"]) == 113


def test_keys():
    shared = _LOCK.exchange(X25519PublicKey.from_public_bytes(EXAMPLES["phone hello"][1:]))
    assert shared == EXAMPLES["shared secret"]
    made = b"lobbylock channel 1" + EXAMPLES["public key"] + _public(_PHONE) + _public(_LOCK) + _NONCE
    name = sha256(made).digest()
    assert name == EXAMPLES["transcript"]
    keys = HKDF(SHA256(), 96, salt=name, info=b"lobbylock channel keys 1").derive(shared)
    assert keys == EXAMPLES["channel keys"]
    assert [row[0] for row in table("bytes of keys", "are")] == ["0 to 15, 16 to 47", "48 to 63, 64 to 95"]


def test_record():
    keys = EXAMPLES["channel keys"]
    plain = (len(_DATA).to_bytes(2, "big") + _DATA).ljust(64, b"\0")
    blocks = b"".join(bytes(12) + block.to_bytes(4, "big") for block in range(4))
    stream = Cipher(AES(keys[:16]), ECB()).encryptor().update(blocks)
    text = bytes(one ^ other for one, other in zip(plain, stream, strict=True))
    record = text + hmac.digest(keys[16:48], bytes(4) + text, "sha256")[:16]
    assert record == EXAMPLES["first record"]
    phone = PhoneHalf(bytes([6]) * 32).open_channel(EXAMPLES["door hello"], EXAMPLES["public key"])
    assert phone.hash == EXAMPLES["transcript"] and phone.seal(_DATA) == record
    assert Channel(phone.hash, keys[:48], keys[48:]).open(record) == _DATA


def test_lengths():
    assert "64, 256, 512, 768 or 1,152 bytes" in PAGE
    assert f"at most {lock_channel.MAX_DATA_BYTES}) || data" in PAGE
    assert f"784 or {lock_channel.MAX_RECORD_BYTES} bytes" in PAGE
