"""The list of revoked credentials and codes that is in force: a file, of which a look reads eighty bytes.

    revoked = head (core/bulletin.py) || ids of 8 bytes, ascending

`store.intake` puts it there.
"""

from constant import const

PATH = "revoked"
_ID_BYTES = const(8)
# Powers of two whose sum is more than the 1,000 ids of the longest list.
_FIRST_STEP = const(512)


def is_listed(file, start: int, count: int, key: bytes) -> bool:
    """Whether `key` (8 bytes) is among the `count` ids that begin at byte `start` of `file`. Raises OSError.

    Ten ids are read whatever the list holds and wherever the key would be, so that the time says next to nothing.
    """
    found = bytearray(_ID_BYTES)
    is_found = False
    # So many ids are known to be no greater than the key.
    below = 0
    step = _FIRST_STEP
    while step:
        at = below + step - 1
        file.seek(start + _ID_BYTES * at if at < count else 0)
        if file.readinto(found) != _ID_BYTES:
            raise OSError("list cut short")
        if at < count and found <= key:
            below += step
            is_found |= found == key
        step >>= 1
    return is_found
