"""How a phone and the lock come to have the keys of a `channel`: docs/protocol.md, section 14. Loaded for the moment.

    phone -> lock   HELLO = 01 || public key (32)
    lock -> phone   HELLO = 01 || public key (32) || signature by the door's key (64) || nonce (16)

Both are X25519 keys made for the occasion, without knowing the other one. What the phone's stands for is proven later,
by whoever signs the channel's hash; the lock is the one that has the door's key, or the phone goes. The lock's key may
serve several phones, and anybody can repeat what a phone has sent: the nonce is what makes the keys new each time.
"""

from hashlib import sha256

import x25519
from constant import const
from hkdf import hkdf_sha256

from firmware.core.channel import Channel, ChannelError

_VERSION = const(b"\x01")
_CHANNEL = const(b"lobbylock channel 1")
_KEYS = const(b"lobbylock channel keys 1")
_HELLO_BYTES = const(33)
_KEY_BYTES = const(96)


def prepare(random, sign, public: bytes) -> tuple:
    """Returns the lock's half: its HELLO up to the nonce (97 bytes), and what else `open_channel` needs.

    `random(n)` gives n bytes, `sign(message)` the signature by the door's key, whose public key is `public`. It
    takes as long as two signatures: for quiet moments. Who lets go of the half has forgotten what its channels could be
    read with.
    """
    secret = random(32)
    point = x25519.public(secret)
    return _VERSION + point + sign(_CHANNEL + public + point), public, secret


def open_channel(half: tuple, hello: bytes, nonce: bytes, aes) -> Channel:
    """Returns the lock's end of the channel to the phone that sent `hello`; `aes` as for Channel.

    `nonce` is 16 random bytes, others each time, with which the lock's HELLO ends. Raises ChannelError if no phone
    sends such a thing.
    """
    answer, public, secret = half
    if len(hello) != _HELLO_BYTES or hello[:1] != _VERSION:
        raise ChannelError
    shared = x25519.shared(secret, hello[1:])
    if shared is None:
        raise ChannelError
    hash = sha256(_CHANNEL + public + hello[1:] + answer[1:33] + nonce).digest()
    return Channel(hash, hkdf_sha256(shared, hash, _KEYS, _KEY_BYTES), aes)
