"""The key that authenticates one event and is then gone: docs/protocol.md, section 4. Runs on the board and the host.

key(n) --tag(key(n), head(n))--> 16 bytes beside record n
       `--following(key(n))----> key(n + 1), from which nobody gets back to key(n)
"""

from constant import const
from hkdf import Hmac

KEY_BYTES = 32
TAG_BYTES = 16

_FOLLOWING = const(b"lobbylock journal key 1")


def turn(key: bytes, head: bytes) -> tuple:
    """Returns (tag, key of the next record): `tag` and `following` for less than both."""
    keyed = Hmac(key)
    return keyed.digest(head)[:TAG_BYTES], keyed.digest(_FOLLOWING)


def tag(key: bytes, head: bytes) -> bytes:
    """Returns the tag of the record behind which the chain head is `head`, under that record's `key` (32 bytes)."""
    return Hmac(key).digest(head)[:TAG_BYTES]


def following(key: bytes) -> bytes:
    """Returns the key of the next record."""
    return Hmac(key).digest(_FOLLOWING)
