"""Whom the lock belongs to: one value of the ledger, so it is there whole or not at all.

owner's key (32) | key whose releases it takes (32) | up to four installers' keys (32 each)
"""

from hashlib import sha256

from constant import const

from firmware.core import event
from firmware.store import ledger

MOST_INSTALLERS = 4
_KEY_BYTES = const(32)
_HEAD_BYTES = const(64)


def is_claimed(kept) -> bool:
    return bool(kept.get(ledger.CLAIM))


def release_key(kept) -> bytes:
    """Returns the Ed25519 key whose releases a claimed lock takes."""
    return kept.get(ledger.CLAIM)[_KEY_BYTES:_HEAD_BYTES]


def installers(kept) -> list:
    """Returns the installers' keys of a claimed lock."""
    value = kept.get(ledger.CLAIM)
    return [value[at : at + _KEY_BYTES] for at in range(_HEAD_BYTES, len(value), _KEY_BYTES)]


def rights_of(kept, key: bytes) -> int:
    """Returns event.OWNER, event.INSTALLER, or 0 for the key of somebody else."""
    if key == kept.get(ledger.CLAIM)[:_KEY_BYTES]:
        return event.OWNER
    return event.INSTALLER if key in installers(kept) else 0


def keep(kept, owner: bytes, release: bytes) -> None:
    """The lock belongs to `owner` from now on. Raises FlashError."""
    kept.put(ledger.CLAIM, owner + release)


def keep_installers(kept, keys: list) -> None:
    """Replaces the installers' keys. Raises FlashError."""
    kept.put(ledger.CLAIM, kept.get(ledger.CLAIM)[:_HEAD_BYTES] + b"".join(keys))


def keep_release(kept, key: bytes) -> None:
    """Replaces the key whose releases it takes. Raises FlashError."""
    value = kept.get(ledger.CLAIM)
    kept.put(ledger.CLAIM, value[:_KEY_BYTES] + key + value[_HEAD_BYTES:])


def kid(key: bytes) -> bytes:
    """Returns the 8 bytes that name a key in events."""
    return sha256(key).digest()[:8]
