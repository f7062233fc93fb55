"""NOR flash in memory, copied cheaply, and what an operation leaves behind when the power fails during it.

A program clears bits, an erase sets those of a sector. Runs on MicroPython and on CPython.
"""

from hashlib import sha256

SECTOR_BYTES = 4096
_ERASED = b"\xff" * SECTOR_BYTES

# What of an operation happens when the power fails during it.
WAYS = ("nothing", "prefix", "suffix", "random bits", "all")


class PowerCut(Exception):
    """The power failed during this operation."""


class NorFlash:
    """`sectors` of 4 KB with MicroPython's extended block protocol.

    `before(sector, at, old, new)` is called in front of each operation with the bytes that it changes; what it raises
    keeps the operation from happening. `changed` holds for each sector the number of operations when it last changed.
    """

    def __init__(self, sectors: int) -> None:
        self.data = [bytearray(_ERASED) for _ in range(sectors)]
        # None: these sectors are our own. Otherwise the numbers of those that are.
        self._own = None
        self.before = None
        self.programs = 0
        self.erases = 0
        self.changed = [0] * sectors

    @property
    def operations(self) -> int:
        return self.programs + self.erases

    def copy(self):
        """Returns a copy for as long as this one stays as it is: it has a sector of its own once that is written."""
        twin = NorFlash(0)
        twin.data = list(self.data)
        twin._own = set()
        twin.programs = self.programs
        twin.erases = self.erases
        twin.changed = list(self.changed)
        return twin

    def put(self, sector: int, at: int, content) -> None:
        """Sets bytes to `content`, whatever NOR rules say."""
        if self._own is not None and sector not in self._own:
            self.data[sector] = bytearray(self.data[sector])
            self._own.add(sector)
        self.data[sector][at : at + len(content)] = content
        self.changed[sector] = self.operations

    def readblocks(self, block: int, buffer, offset: int = 0) -> None:
        memoryview(buffer)[:] = memoryview(self.data[block])[offset : offset + len(buffer)]

    def writeblocks(self, block: int, buffer, offset: int = 0) -> None:
        size = len(buffer)
        if not 0 <= offset <= SECTOR_BYTES - size:
            raise ValueError("a program stays inside its sector")
        old = bytes(self.data[block][offset : offset + size])
        cleared = int.from_bytes(old, "big") & int.from_bytes(bytes(buffer), "big")
        self._operate(block, offset, old, cleared.to_bytes(size, "big"), False)

    def ioctl(self, operation: int, argument: int) -> int:
        if operation == 4:
            return len(self.data)
        if operation == 5:
            return SECTOR_BYTES
        if operation == 6:
            self._operate(argument, 0, bytes(self.data[argument]), _ERASED, True)
        return 0

    def _operate(self, sector: int, at: int, old: bytes, new: bytes, is_erase: bool) -> None:
        if self.before:
            self.before(sector, at, old, new)
        if is_erase:
            self.erases += 1
        else:
            self.programs += 1
        self.put(sector, at, new)


def cut_short(old: bytes, new: bytes, way: int, seed: int) -> bytes:
    """Returns what is there after an operation that turns `old` into `new` was cut in way number `way` of WAYS.

    `seed` picks how far it came and which bits; the same one gives the same on every interpreter.
    """
    size = len(old)
    if way == 0:
        return old
    if way == 4:
        return new
    if way == 3:
        mask = int.from_bytes(_noise(seed, size), "big")
        changed = (int.from_bytes(old, "big") ^ int.from_bytes(new, "big")) & mask
        return (int.from_bytes(old, "big") ^ changed).to_bytes(size, "big")
    split = 1 + int.from_bytes(_noise(seed + way, 4), "big") % max(size - 1, 1)
    return new[:split] + old[split:] if way == 1 else old[:split] + new[split:]


def _noise(seed: int, size: int) -> bytes:
    pieces = []
    for number in range((size + 31) // 32):
        pieces.append(sha256(b"%d %d" % (seed, number)).digest())
    return b"".join(pieces)[:size]


class Cutter:
    """Cuts the power at the operation `number` from now on (from 0), in way number `way` of WAYS."""

    def __init__(self, flash, number: int, way: int, seed: int) -> None:
        self._flash = flash
        self._number = number
        self._way = way
        self._seed = seed
        flash.before = self._before

    def _before(self, sector: int, at: int, old: bytes, new: bytes) -> None:
        if not self._number:
            self._flash.put(sector, at, cut_short(old, new, self._way, self._seed))
            raise PowerCut()
        self._number -= 1
