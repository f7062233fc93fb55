"""What a package says of itself: docs/protocol.md, section 13. Read where it lies, one file's row at a time.

COSE_Sign1 = 84 43 a10127 a0, byte string of the manifest, 58 40 signature
manifest   = [1, version, board, arch, [[path, bytes, sha256], ...]]
"""

import sys

import ed25519
from micropython import const

from firmware.console.request import Refusal
from firmware.store import slots

_BEGINNING = const(b"\x84\x43\xa1\x01\x27\xa0")
# What is signed begins like this (RFC 9052, section 4.4) and goes on with the same byte string.
_SIGNED = const(b"\x84\x6aSignature1\x43\xa1\x01\x27\x40")
# So much later a byte of the one lies in the other.
_SHIFT = const(11)
_SIGNATURE_BYTES = const(64)
_MOST_MANIFEST_BYTES = const(4096)
_LONGEST_PATH = const(64)
_MOST_FOLDERS = const(3)
_ENTRANCE = const("firmware/build.mpy")

# By the number that MicroPython keeps in sys.implementation._mpy.
_ARCHS = {2: "x64", 10: "xtensawin", 11: "rv32imc"}

# Of a package's bytes, those that tell how long its head is.
START_BYTES = 9


def head_bytes(start) -> int:
    """Returns how long the head is, COSE_Sign1 altogether, by its first START_BYTES. Raises Refusal."""
    if bytes(start[:6]) == _BEGINNING and start[6] in (0x58, 0x59):
        size = start[7] if start[6] == 0x58 else start[7] << 8 | start[8]
        if 24 <= size <= _MOST_MANIFEST_BYTES:
            return 7 + (1 if size < 256 else 2) + size + 2 + _SIGNATURE_BYTES
    raise _malformed()


def _malformed() -> Refusal:
    return Refusal("package", "That is no package for a lock, or a damaged one.")


class Head:
    """Room for a package's head of `size` bytes; what is signed lies in one piece, and nothing is there twice."""

    def __init__(self, size: int) -> None:
        self._data = bytearray(_SHIFT + size)
        self._data[: len(_SIGNED)] = _SIGNED
        self._end = _SHIFT + size - _SIGNATURE_BYTES - 2
        self.size = size
        self.version = ""
        self._rows = 0
        self._count = 0

    def put(self, at: int, data) -> None:
        """Puts in the bytes of the head from `at` on."""
        if at < 6:
            data = data[6 - at :]
            at = 6
        self._data[_SHIFT + at : _SHIFT + at + len(data)] = data

    def write_to(self, file) -> None:
        """Writes it as it came."""
        file.write(_BEGINNING)
        file.write(memoryview(self._data)[_SHIFT + 6 :])

    def check(self, key: bytes, board: str, running: str, floor: int) -> int:
        """Returns how many bytes the files have. Raises Refusal unless `key` signed it, for this board, and it is new.

        `floor` is the version accepted last, `running` the one that runs.
        """
        data = memoryview(self._data)
        if bytes(data[self._end : self._end + 2]) != b"\x58\x40":
            raise _malformed()
        if not ed25519.verify(key, data[: self._end], bytes(data[self._end + 2 :])):
            raise Refusal("release_key", "The package is not signed with the release key of this lock.")
        try:
            self._open(board)
            size = self._measure()
            version = slots.number(self.version)
        except (ValueError, IndexError):
            raise _malformed()
        if self.version == running:
            raise Refusal("already", "The lock runs version %s already." % running)
        if version < max(floor, slots.number(running)):
            raise Refusal(
                "older", "Version %s is older than what the lock has had; it takes no older one." % self.version
            )
        return size

    def _open(self, board: str) -> None:
        """Reads what comes before the rows."""
        data = self._data
        at = len(_SIGNED) + (2 if data[len(_SIGNED)] == 0x58 else 3)
        if data[at] != 0x85 or data[at + 1] != 1:
            raise ValueError
        self.version, at = _text(data, at + 2, 16)
        made_for, at = _text(data, at, _LONGEST_PATH)
        arch, at = _text(data, at, 16)
        if made_for != board:
            raise Refusal("board", "The package is for the board %s, this is %s." % (made_for, board))
        if arch != _ARCHS.get(sys.implementation._mpy >> 10 & 15):
            raise Refusal("arch", "The package is for another processor: %s." % arch)
        self._count, self._rows = _number(data, at, 0x80)

    def _measure(self) -> int:
        """Goes through all rows; returns how many bytes their files have. Raises ValueError."""
        at = self._rows
        total = 0
        before = ""
        for left in range(self._count, 0, -1):
            path, size, _, at = row(self._data, at)
            # In order, so none is there twice; the way in comes last, so that half a version does not start.
            if (path == _ENTRANCE) != (left == 1) or not _is_path(path) or not size or (left > 1 and path <= before):
                raise ValueError
            before = path
            total += size
        if at != self._end or not self._count:
            raise ValueError
        return total

    def rows(self) -> tuple:
        """Returns (offset in the head of the first row, how many there are)."""
        return self._rows - _SHIFT, self._count

    def sizes(self):
        """Yields the bytes of every file."""
        at = self._rows
        for _ in range(self._count):
            _, size, _, at = row(self._data, at)
            yield size


def row(data, at: int) -> tuple:
    """Returns (path, bytes, SHA-256, offset behind it) of the row at `at`. Raises ValueError and IndexError."""
    if data[at] != 0x83:
        raise ValueError
    path, at = _text(data, at + 1, _LONGEST_PATH)
    size, at = _number(data, at, 0)
    digest = bytes(data[at + 2 : at + 34])
    if data[at] != 0x58 or data[at + 1] != 32 or len(digest) != 32:
        raise ValueError
    return path, size, digest, at + 34


def _number(data, at: int, kind: int) -> tuple:
    """Returns (number, offset behind it) of a head of CBOR of that kind, in its shortest form and below 2^16."""
    info = data[at] - kind
    if 0 <= info < 24:
        return info, at + 1
    if info == 24 and data[at + 1] >= 24:
        return data[at + 1], at + 2
    if info == 25 and data[at + 1]:
        return data[at + 1] << 8 | data[at + 2], at + 3
    raise ValueError


def _text(data, at: int, most: int) -> tuple:
    size, at = _number(data, at, 0x60)
    if size > most or at + size > len(data):
        raise ValueError
    return bytes(data[at : at + size]).decode(), at + size


def _is_path(path: str) -> bool:
    """Whether a package may bring that file: compiled modules of firmware/ and lib/, nothing else."""
    parts = path.split("/")
    if parts[0] == "lib":
        if len(parts) != 2:
            return False
    elif parts[0] != "firmware" or not 2 <= len(parts) <= 1 + _MOST_FOLDERS:
        return False
    if not parts[-1].endswith(".mpy"):
        return False
    parts[-1] = parts[-1][:-4]
    for part in parts:
        if not part or not all([c in "abcdefghijklmnopqrstuvwxyz0123456789_" for c in part]):
            return False
    return True
