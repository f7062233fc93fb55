"""Bringing an image onto a board, without taking from a lock what it remembers."""

from binascii import crc32
from collections.abc import Callable
from struct import unpack_from
from typing import NamedTuple, Protocol

from lobbylock.errors import UserError
from lobbylock.image.assembly import Image
from lobbylock.image.esptool import Piece
from virtualboard.partitions import GUARDED, partition

_SECTOR_BYTES = 4096
# How a sector of the ledger begins: length and CRC-32 of a record, and in it the mark and a generation.
_HEADER_BYTES = 8
_MARK = b"LBL1"
_LEDGER = partition("ledger")


class Flash(Protocol):
    """A board's flash; `esptool.Board` is one."""

    def read(self, address: int, size: int) -> bytes: ...

    def write(self, pieces: list[Piece], erases_all: bool) -> None: ...


class Orders(NamedTuple):
    """What a person has said: to go on although there is a lock, and to erase what it remembers."""

    is_forced: bool = False
    erases: bool = False


def has_lock(ledger: bytes) -> bool:
    """Whether the content of the partition `ledger` is a lock's: one of its sectors begins as a lock begins one."""
    for at in range(0, len(ledger) - 14, _SECTOR_BYTES):
        size, crc = unpack_from(">HI", ledger, at)
        body = ledger[at + 6 : at + 6 + _HEADER_BYTES]
        if size == _HEADER_BYTES and body.startswith(_MARK) and crc32(ledger[at : at + 2] + body) == crc:
            return True
    return False


def look(flash: Flash, orders: Orders, say: Callable[[str], None]) -> bool:
    """Looks at the board, says what it finds, and returns whether the whole chip is to be erased before it is written.

    A board without a lock is erased. One with a lock keeps what that remembers, or loses it if that was ordered as
    well. Raises UserError for a lock that nobody has said to write over.
    """
    say("Looking whether there is a lock on the board.")
    if not has_lock(flash.read(_LEDGER.address, _LEDGER.size)):
        say("There is none. The whole chip is erased, then written.")
        return True
    if not orders.is_forced:
        raise UserError(
            "There is a lock on this board: its key, its record and its settings. To change its firmware use "
            "`lobbylock update`; FORCE=1 writes anew and keeps key, owner and record, but not the settings; only "
            "FORCE=1 ERASE=1 destroys it: key, owner and record."
        )
    if orders.erases:
        say("There is one. It is destroyed with key, owner and record: the whole chip is erased, then written.")
    else:
        say(f"There is one. It is written over; {', '.join(GUARDED)} are not touched: it keeps key, owner and record.")
    return orders.erases


def write(image: Image, flash: Flash, erases_all: bool, say: Callable[[str], None]) -> None:
    """Writes the parts of `image`, after erasing the whole chip if `erases_all`; says each step. Raises UserError."""
    for part in image.parts:
        say(f"  0x{part.address:06x}  {len(part.data):>9,} bytes  {part.name}")
    flash.write(list(image.parts), erases_all)
    say("Written; the chip's own checksum of each part is right.")
