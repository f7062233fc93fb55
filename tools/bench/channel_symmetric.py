"""Runs on MicroPython: the channel that was not chosen, for the bench: keys from a secret of the credential's.

The issuer derives, from the code key of a door, a secret for each credential at that door, and the phone is handed one
for each door of its building. The lock has the code key and so derives the same, if it is told which credential:

    secret of a credential at a door = HMAC-SHA256(code key, "lobbylock visitor 1" || kid || cti)
    phone HELLO = kid (4) || cti (8) || nonce (16)          lock HELLO = nonce (16)
    T = SHA-256(both)                                       keys = HKDF-SHA256(secret, salt T), records as in section 14

What it lacks is in docs/crypto.md.
"""

from hashlib import sha256

from hkdf import hkdf_sha256, hmac_sha256

from firmware.core.channel import Channel


def secret_of(code_key: bytes, name: bytes) -> bytes:
    """Returns what the issuer puts into the phone that has the credential `name`, kid || cti."""
    return hmac_sha256(code_key, b"lobbylock visitor 1" + name)


def open_channel(code_key: bytes, hello: bytes, nonce: bytes, aes) -> Channel:
    """Returns the lock's end."""
    transcript = sha256(hello + nonce).digest()
    return Channel(
        transcript, hkdf_sha256(secret_of(code_key, hello[:12]), transcript, b"lobbylock channel keys 1", 96), aes
    )
