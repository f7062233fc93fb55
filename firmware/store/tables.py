"""Tables of public keys, made on this board and kept as files, so that a signature is checked in a quarter of the time.

    HHHHHHHHHHHHHHHH.bin = table (lib/table25519.py) || SHA-256(public key || table)

A file that is missing, torn or damaged is made again; one that cannot be made is done without.
"""

import os
import sys
from binascii import hexlify
from hashlib import sha256

from micropython import const

_PIECE_BYTES = const(512)
_DIGEST_BYTES = const(32)


class Table:
    """An open table, as `ed25519.Prepared` wants it."""

    def __init__(self, file) -> None:
        self._file = file

    def read_into(self, offset: int, buffer) -> None:
        """Fills `buffer` from `offset` on. Raises OSError, also for a file that has become shorter."""
        self._file.seek(offset)
        if self._file.readinto(buffer) != len(buffer):
            raise OSError("table cut short")


def open_table(public: bytes, folder: str):
    """Returns the Table of the public key, made now if need be, or None if that is not possible."""
    path = _path(public, folder)
    try:
        if not _is_whole(path, public):
            _make(path, public)
        return Table(open(path, "rb"))
    except (OSError, ValueError):
        return None


def tidy(keys, folder: str) -> None:
    """Removes the tables in `folder` of all public keys but `keys`."""
    wanted = [_path(public, folder) for public in keys]
    try:
        for name in os.listdir(folder):
            if folder + "/" + name not in wanted:
                os.remove(folder + "/" + name)
    except OSError:
        pass


def _path(public: bytes, folder: str) -> str:
    return folder + "/" + hexlify(sha256(public).digest()[:8]).decode() + ".bin"


def _is_whole(path: str, public: bytes) -> bool:
    digest = sha256(public)
    buffer = bytearray(_PIECE_BYTES)
    try:
        left = os.stat(path)[6] - _DIGEST_BYTES
        with open(path, "rb") as file:
            while left > 0:
                piece = memoryview(buffer)[: min(left, _PIECE_BYTES)]
                if file.readinto(piece) != len(piece):
                    return False
                digest.update(piece)
                left -= len(piece)
            return file.read() == digest.digest()
    except OSError:
        return False


def _make(path: str, public: bytes) -> None:
    """Writes the file, whole or not at all. Raises OSError, or ValueError for what is no public key."""
    # Needed now and perhaps never again.
    import table25519

    try:
        os.mkdir(path.rpartition("/")[0])
    except OSError:
        pass
    digest = sha256(public)
    try:
        with open(path + ".new", "wb") as file:

            def write(piece) -> None:
                digest.update(piece)
                file.write(piece)

            table25519.build(public, write)
            file.write(digest.digest())
            file.flush()
        os.rename(path + ".new", path)
    finally:
        del sys.modules["table25519"]
