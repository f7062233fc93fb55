"""Whether bytes can be a JPEG: the markers of ITU-T T.81 annex B, followed as the bytes come in.

Nothing is decoded. It tells a picture that was cut short, or damaged where its structure lies, from a whole one; damage
inside the coded data only shows where it looks like a marker.
"""

from constant import const

# What the next byte is.
_FIRST = const(0)
_SECOND = const(1)
_MARKER = const(2)
_CODE = const(3)
_HIGH = const(4)
_LOW = const(5)
_SEGMENT = const(6)
_SCAN = const(7)
_SCAN_CODE = const(8)
_END = const(9)

_SOI = const(0xD8)
_EOI = const(0xD9)
_SOS = const(0xDA)


class Structure:
    """Takes one picture in pieces; `is_whole` once its last byte was the end of a JPEG."""

    def __init__(self) -> None:
        self._state = _FIRST
        self._code = 0
        self._left = 0

    @property
    def is_whole(self) -> bool:
        return self._state == _END

    def feed(self, data: bytes) -> bool:
        """Takes the next bytes; returns False at the first that no JPEG has there."""
        at = 0
        while at < len(data):
            if self._state == _SEGMENT:
                step = min(self._left, len(data) - at)
                self._left -= step
                at += step
                if not self._left:
                    self._state = _SCAN if self._code == _SOS else _MARKER
            elif self._state == _SCAN:
                at = data.find(b"\xff", at) + 1
                if not at:
                    return True
                self._state = _SCAN_CODE
            else:
                self._state = self._after(data[at])
                if self._state < 0:
                    return False
                at += 1
                if self._state == _SEGMENT and not self._left:
                    self._state = _SCAN if self._code == _SOS else _MARKER
        return True

    def _after(self, byte: int) -> int:
        """Returns the state behind one byte of the structure, -1 if it cannot be there."""
        state = self._state
        if state == _FIRST or state == _MARKER:
            return -1 if byte != 0xFF else _SECOND if state == _FIRST else _CODE
        if state == _SECOND:
            return _MARKER if byte == _SOI else -1
        if state == _SCAN_CODE and (byte == 0 or 0xD0 <= byte <= 0xD7):
            # A stuffed 0xFF of the coded data, or a restart.
            return _SCAN
        if state == _CODE or state == _SCAN_CODE:
            return self._after_code(byte)
        if state == _HIGH:
            self._left = byte << 8
            return _LOW
        if state == _LOW:
            self._left += byte - 2
            return _SEGMENT if self._left >= 0 else -1
        return -1

    def _after_code(self, byte: int) -> int:
        if byte == 0xFF:
            # Fill bytes may come before any marker.
            return self._state
        if byte == _EOI:
            return _END
        if byte < 0xC0 or 0xD0 <= byte <= _SOI:
            return -1
        self._code = byte
        return _HIGH
