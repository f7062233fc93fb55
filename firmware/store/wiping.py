"""What a factory reset takes away, at a start that finds one ordered. If it is cut, the next start does it all again.

The ledger goes last, and in it the order itself: first a sector that holds nothing else, then all others, then the
order. What was a file lies on in blocks that the file system calls free; they are written over.
"""

import os

from micropython import const

from firmware.core.errors import FlashError
from firmware.store import ledger, sector

_FILES = ("settings.json", "settings.new.json", "settings.tmp", "revoked", "revoked.new")
_PARTS = const("part.")
_TABLES = const("tables")
_BLANK = const("blank")
_PIECE_BYTES = const(512)
# Left free: a file system without any room may not even remove a file.
_SPARE_BLOCKS = const(4)
_MOST_BYTES = const(1 << 20)
# A file system goes round its blocks: what the first round spared comes first in the second.
_ROUNDS = const(2)


def wipe(kept, partitions) -> None:
    """Makes the lock one that nobody has claimed. `partitions` are the journal's and the pictures' flash.

    Raises FlashError, and then the order still stands.
    """
    for flash in partitions:
        for number in range(sector.count(flash)):
            if not sector.is_erased_from(flash, number, 0):
                sector.erase(flash, number)
    try:
        _remove_files()
        for _ in range(_ROUNDS):
            _write_over()
    except OSError:
        raise FlashError("file system")
    kept.clear(ledger.RESETTING)
    kept.put(ledger.RESETTING, b"")


def _remove_files() -> None:
    for name in os.listdir():
        if name in _FILES or name == _BLANK or name.startswith(_PARTS):
            os.remove(name)
    if _TABLES in os.listdir():
        for name in os.listdir(_TABLES):
            os.remove(_TABLES + "/" + name)
        os.rmdir(_TABLES)


def _write_over() -> None:
    """Fills the free blocks of the file system, and gives them back."""
    block, _, _, free = os.statvfs(".")[:4]
    left = min(_MOST_BYTES, block * max(0, min(free, _MOST_BYTES // _PIECE_BYTES) - _SPARE_BLOCKS))
    piece = bytes(_PIECE_BYTES)
    try:
        with open(_BLANK, "wb") as file:
            while left > 0:
                file.write(piece)
                left -= _PIECE_BYTES
    except OSError:
        # Full before it was counted so.
        pass
    os.remove(_BLANK)
