"""How often each credential has opened: a table of rows in memory, 13 bytes each, that the ledger keeps in flash.

    row = key (8 bytes) | when the credential expires (Unix seconds, 4 bytes) | uses (1 byte)

A row is given to another credential only when its own has expired by the clock floor that is in flash: no clock that
is pulled back, and no power cut, can then make the spent one valid again.
"""

from struct import pack

import micropython
from micropython import const

ROW_BYTES = 13
_KEY_BYTES = const(8)
_ROWS = const(128)


class Uses:
    """The rows, in the order in which they were first taken."""

    def __init__(self) -> None:
        self.rows = bytearray()

    def count(self, key: bytes) -> int:
        """Returns how often the credential under `key` has opened."""
        at = _find(self.rows, len(self.rows), key)
        return 0 if at < 0 else self.rows[at + 12]

    def row(self, key: bytes, expires_s: int) -> bytes:
        """Returns the row that counts one use more; nothing is changed yet."""
        return key + pack(">IB", expires_s, min(self.count(key) + 1, 255))

    def has_room(self, keys: tuple, floor_s: int) -> bool:
        """Whether each of `keys` has a row already, or there is a new one for it, or one that is over by `floor_s`."""
        rows = self.rows
        size = len(rows)
        at = 0
        for key in keys:
            if _find(rows, len(rows), key) < 0:
                if size < _ROWS * ROW_BYTES:
                    size += ROW_BYTES
                else:
                    at = _find_over(rows, len(rows), pack(">I", floor_s), at) + ROW_BYTES
                    if at < ROW_BYTES:
                        return False
        return True

    def put(self, row, floor_s: int) -> None:
        """Takes `row`; `has_room` has said yes."""
        at = self._place(row[:_KEY_BYTES], floor_s)
        self.rows[at : at + ROW_BYTES] = row

    def _place(self, key: bytes, floor_s: int) -> int:
        """Returns the offset of the row for `key`: its own, one that is over, or a new one at the end."""
        rows = self.rows
        at = _find(rows, len(rows), key)
        if at < 0:
            at = _find_over(rows, len(rows), pack(">I", floor_s), 0)
        return len(rows) if at < 0 else at


# A ledger looks for each row that it finds in flash, so this is what a start takes.


@micropython.viper
def _find(rows: ptr8, size: int, key: ptr8) -> int:
    """Returns the offset of the row of `key`, or -1."""
    at = 0
    while at < size:
        same = 0
        while same < 8 and rows[at + same] == key[same]:
            same += 1
        if same == 8:
            return at
        at += 13
    return -1


@micropython.viper
def _find_over(rows: ptr8, size: int, floor: ptr8, at: int) -> int:
    """Returns the offset of the first row from `at` on that expires at `floor` (four bytes) or before, or -1."""
    at += 8
    while at < size:
        same = 0
        while same < 3 and rows[at + same] == floor[same]:
            same += 1
        if rows[at + same] <= floor[same]:
            return at - 8
        at += 13
    return -1
