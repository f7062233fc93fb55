"""Looks at a PEM text piece by piece: a heap that is in use has no room for one in one piece.

It comes to what `store.settings` would say of the whole text: whether its first fitting block holds DER.
"""

from micropython import const

_LABEL_CHARACTERS = const(32)
_MOST_CHARACTERS = const(4096)
_BACKSLASH = const(0x5C)
_DASH = const(0x2D)
_QUOTE = const(0x22)


class Pem:
    """Takes the bytes of a JSON string behind its first quote; `label` is what its block is called at the end."""

    def __init__(self, label: str) -> None:
        self._wanted = label.encode()
        self._length = 0
        self._is_escaped = False
        self._is_over = False
        self._dashes = 0
        # Text, label, content, label of the end, and again.
        self._part = 0
        self._label = b""
        self._count = 0
        self._start = b""
        self._found = False

    def take(self, byte: int) -> None:
        if self._is_over:
            return
        if self._is_escaped:
            # A line's end, mostly. Of \u0041 the digits are counted as if they were the text.
            self._is_escaped = False
            byte = 0x0A if byte in b"nrt" else byte
        elif byte == _BACKSLASH:
            self._is_escaped = True
            return
        elif byte == _QUOTE:
            self._is_over = True
            return
        self._length += 1
        if byte == _DASH:
            self._dashes += 1
            if self._dashes == 5:
                self._dashes = 0
                self._turn()
            return
        self._dashes = 0
        if self._part == 1:
            self._label = self._label[1 - _LABEL_CHARACTERS :] + bytes((byte,))
        elif self._part == 2 and (48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122 or byte in b"+/="):
            self._count += 1
            if len(self._start) < 2:
                self._start += bytes((byte,))
        elif self._part == 2 and byte > 32:
            # Headers: a key with a password, or no base64.
            self._label = b""

    def _turn(self) -> None:
        self._part = (self._part + 1) % 4
        if self._part == 1:
            self._label = self._start = b""
            self._count = 0
        elif self._part == 3 and not self._found:
            is_fitting = self._label.endswith(self._wanted) and b"ENCRYPTED" not in self._label
            # DER begins with 0x30, which base64 writes as M and a letter from A to P.
            is_der = self._start[:1] == b"M" and b"A" <= self._start[1:] <= b"P" and self._count % 4 == 0
            self._found = is_fitting and is_der

    @property
    def is_long(self) -> bool:
        return self._length > _MOST_CHARACTERS

    @property
    def is_found(self) -> bool:
        return self._found
