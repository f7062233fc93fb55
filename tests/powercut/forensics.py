"""Looks for journal keys of the past in a raw flash image: any eight bytes of one in a row count as found.

Eight bytes in a row of a key hold four in a row that start at a multiple of four in the key, so those are looked for.
"""

KEY_BYTES = 32
_ANCHOR_BYTES = 4
FOUND_BYTES = 8


class Hunt:
    """Knows the keys that are past, and counts the images that it searched and the keys that it found in them."""

    def __init__(self) -> None:
        self._anchors: dict = {}
        self.images = 0
        self.found = 0

    def add(self, key: bytes) -> None:
        """Takes a key that from now on must not be in any image."""
        for at in range(0, KEY_BYTES, _ANCHOR_BYTES):
            self._anchors[key[at : at + _ANCHOR_BYTES]] = key

    def scan(self, data, at: int, size: int) -> None:
        """Looks for every past key where `size` bytes at `at` of a sector have changed."""
        self.images += 1
        start = max(at - FOUND_BYTES + 1, 0)
        view = bytes(data[start : at + size + FOUND_BYTES - 1])
        anchors = self._anchors
        for place in range(len(view) - _ANCHOR_BYTES + 1):
            key = anchors.get(view[place : place + _ANCHOR_BYTES])
            if key and holds(view, key):
                self.found += 1
                return

    def search(self, flash, keys, since: int) -> None:
        """Looks for `keys` in every sector that changed at operation `since` or later."""
        self.images += 1
        for number in range(len(flash.data)):
            if flash.changed[number] >= since:
                for key in keys:
                    if holds(flash.data[number], key):
                        self.found += 1
                        return


def holds(data, key: bytes) -> bool:
    """Whether eight bytes in a row of `key` are in `data`."""
    for at in range(0, KEY_BYTES, _ANCHOR_BYTES):
        place = data.find(key[at : at + _ANCHOR_BYTES])
        while place >= 0:
            if _run(data, place, key, at) >= FOUND_BYTES:
                return True
            place = data.find(key[at : at + _ANCHOR_BYTES], place + 1)
    return False


def _run(data, place: int, key: bytes, at: int) -> int:
    """Returns how many bytes in a row agree around the anchor at `place` and `at`."""
    first = 0
    while at - first > 0 and place - first > 0 and data[place - first - 1] == key[at - first - 1]:
        first += 1
    last = 0
    while at + last < KEY_BYTES and place + last < len(data) and data[place + last] == key[at + last]:
        last += 1
    return first + last
