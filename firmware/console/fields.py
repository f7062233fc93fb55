"""A file of settings, field by field: two of 8 KB do not fit the heap of a lock that is running.

It is looked through once for where its fields are, and a field is read when somebody asks for it.
"""

import asyncio
import io
import json
from hashlib import sha256

from micropython import const

# What holds a block of PEM by that name, and a text that says as much as any other one would.
_PEMS = {"mqtt_ca": "CERTIFICATE", "mqtt_cert": "CERTIFICATE", "mqtt_key": "PRIVATE KEY"}
_ANY_PEM = const("-----BEGIN %s-----MAA=-----END %s-----")
# Beyond this a value is not read in one piece.
WHOLE_BYTES = const(512)
_MOST_FIELDS = const(48)
_PIECE_BYTES = const(128)

# What is expected next in a file: the object, a name, a colon, a value (and inside of it), the end.
_OBJECT = const(0)
_NAME = const(1)
_COLON = const(2)
_VALUE = const(3)
_INSIDE = const(4)
_END = const(5)


class _Scan:
    """Takes a file byte by byte; `places` are those of the fields at its top: name -> (offset, size)."""

    def __init__(self) -> None:
        self.places = {}
        self._state = _OBJECT
        self._name = b""
        self._start = 0
        self._depth = 0
        self._quoted = self._escaped = False

    def take(self, byte: int, at: int) -> None:
        """Raises ValueError for what is no JSON object, as far as that shows at its top."""
        state = self._state
        if self._quoted:
            self._in_text(byte)
        elif byte in b" \t\r\n":
            return
        elif state == _INSIDE or state == _VALUE:
            self._in_value(byte, at)
        elif state == _OBJECT and byte == 0x7B or state == _COLON and byte == 0x3A:
            self._state = _NAME if state == _OBJECT else _VALUE
        elif state == _NAME and byte == 0x22:
            self._quoted = True
            self._name = b""
        elif state == _NAME and byte == 0x7D and not self.places:
            self._state = _END
        else:
            raise ValueError

    def _in_text(self, byte: int) -> None:
        is_name = self._state == _NAME
        if self._escaped:
            self._escaped = False
        elif byte == 0x5C:
            self._escaped = True
        elif byte == 0x22:
            self._quoted = False
            if is_name:
                self._state = _COLON
            return
        if is_name:
            if len(self._name) > 64:
                raise ValueError
            self._name += bytes((byte,))

    def _in_value(self, byte: int, at: int) -> None:
        if self._state == _VALUE:
            self._state = _INSIDE
            self._start = at
        if byte == 0x22:
            self._quoted = True
        elif byte in b"{[":
            self._depth += 1
        elif self._depth and byte in b"}]":
            self._depth -= 1
        elif not self._depth and byte in b",}":
            name = json.loads(b'"' + self._name + b'"')
            if len(self.places) >= _MOST_FIELDS or name in self.places:
                raise ValueError
            self.places[name] = (self._start, at - self._start)
            self._state = _NAME if byte == 0x2C else _END

    @property
    def is_whole(self) -> bool:
        return self._state == _END


class _Value(io.IOBase):
    """How a value is written, as a stream of its own."""

    def __init__(self, file, size: int) -> None:
        self._file = file
        self._left = size

    def readinto(self, buffer) -> int:
        size = self._file.readinto(buffer, min(len(buffer), self._left))
        self._left -= size
        return size

    def ioctl(self, request: int, argument: int) -> int:
        return 0


class Fields:
    """The fields of a file of settings, by name, each read when it is asked for; `load` comes first."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._places = {}
        self._given = {}

    async def load(self, console) -> None:
        """Looks through the file, and lets visitors have their turn. Raises OSError, ValueError."""
        scan = _Scan()
        at = 0
        piece = bytearray(_PIECE_BYTES)
        with open(self._path, "rb") as file:
            while True:
                size = file.readinto(piece)
                if not size:
                    break
                for index in range(size):
                    scan.take(piece[index], at + index)
                at += size
                await console.line.give_way()
                await asyncio.sleep_ms(0)
        if not scan.is_whole:
            raise ValueError
        self._places = scan.places
        for name in _PEMS:
            if self.size(name) > WHOLE_BYTES:
                self._given[name] = await self._pem(console, name)

    def __iter__(self):
        return iter(list(self._places) + [name for name in self._given if name not in self._places])

    def __contains__(self, name) -> bool:
        return name in self._places or name in self._given

    def __getitem__(self, name: str):
        if name in self._given:
            return self._given[name]
        at, size = self._places[name]
        with open(self._path, "rb") as file:
            file.seek(at)
            return json.load(_Value(file, size))

    async def _pem(self, console, name: str):
        """Returns a short text that is as right or as wrong as the one in the file."""
        # Not above: it is let go before what comes after it is loaded.
        from firmware.console.pem import Pem

        label = _PEMS[name]
        pem = Pem(label)
        first = None
        for piece in self.pieces(name):
            for byte in piece:
                if first is None:
                    first = byte
                else:
                    pem.take(byte)
            await console.line.give_way()
            await asyncio.sleep_ms(0)
        if first != 0x22 or pem.is_long:
            return None
        return _ANY_PEM % (label, label) if pem.is_found else "-"

    def setdefault(self, name: str, value) -> None:
        if name not in self:
            self._given[name] = value

    def pieces(self, name: str):
        """Yields how a field's value is written."""
        at, size = self._places[name]
        with open(self._path, "rb") as file:
            file.seek(at)
            while size > 0:
                yield file.read(min(size, _PIECE_BYTES))
                size -= _PIECE_BYTES

    def digest(self, name: str) -> bytes:
        """Returns a hash of how a field's value is written."""
        digest = sha256()
        for piece in self.pieces(name):
            digest.update(piece)
        return digest.digest()

    def size(self, name: str) -> int:
        """Returns how long a field's value is written; 0 if there is none."""
        return self._places.get(name, (0, 0))[1]
