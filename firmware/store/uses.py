"""How often each credential has opened: a table of rows in memory, 13 bytes each, that the ledger keeps in flash.

    row = key (8 bytes) | when the credential expires (Unix seconds, 4 bytes) | uses (1 byte)

A row is given to another credential only when its own has expired by the clock floor that is in flash: no clock that
is pulled back, and no power cut, can then make the spent one valid again.
"""

from struct import pack, unpack_from

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
        at = self._find(key)
        return 0 if at is None else self.rows[at + 12]

    def row(self, key: bytes, expires_s: int) -> bytes:
        """Returns the row that counts one use more; nothing is changed yet."""
        return key + pack(">IB", expires_s, min(self.count(key) + 1, 255))

    def has_room(self, key: bytes, floor_s: int) -> bool:
        """Whether there is a row for `key`, has been one already, or one is over by `floor_s`."""
        return len(self.rows) < _ROWS * ROW_BYTES or self._place(key, floor_s) < len(self.rows)

    def put(self, row, floor_s: int) -> None:
        """Takes `row`; `has_room` has said yes."""
        at = self._place(row[:_KEY_BYTES], floor_s)
        self.rows[at : at + ROW_BYTES] = row

    def _place(self, key: bytes, floor_s: int) -> int:
        """Returns the offset of the row for `key`: its own, one that is over, or a new one at the end."""
        at = self._find(key)
        if at is not None:
            return at
        for at in range(0, len(self.rows), ROW_BYTES):
            if unpack_from(">I", self.rows, at + _KEY_BYTES)[0] <= floor_s:
                return at
        return len(self.rows)

    def _find(self, key: bytes):
        rows = self.rows
        first = key[0]
        for at in range(0, len(rows), ROW_BYTES):
            if rows[at] == first and rows[at : at + _KEY_BYTES] == key:
                return at
        return None
