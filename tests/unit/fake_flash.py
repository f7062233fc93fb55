"""NOR flash in memory, with MicroPython's extended block protocol: programs clear bits, only an erase sets them."""

import gc

_ERASED = b"\xff" * 4096

if hasattr(gc, "mem_alloc"):
    # Collects before the heap is full, as the lock does: what is loaded from here on lies close together.
    gc.threshold(8192)


class PowerCut(Exception):
    """The power went at this operation."""


class FakeFlash:
    """`sectors` of 4 KB. With `cut_at` n, operation n (from 0) is done only as far as `how` says, then PowerCut.

    how: "none", "prefix", "suffix", "scattered" (every other bit) or "all". Operations in `failing` are done as far as
    it says for each of them, then OSError. Programs in sectors of `worn` change every other bit, and say nothing of it;
    an erase of one of `unerasable` raises OSError.
    """

    def __init__(self, sectors: int) -> None:
        # The flash lives in the heap of the test, which is as small as a board's.
        gc.collect()
        self.data = [bytearray(_ERASED) for _ in range(sectors)]
        self.reset()

    def reset(self) -> None:
        """Makes it a new one again, in the same memory."""
        for sector in self.data:
            sector[:] = _ERASED
        self.operations = 0
        self.programs = 0
        self.erases = 0
        self.cut_at = None
        self.how = "none"
        self.failing = {}
        self.worn = ()
        self.unerasable = ()
        self.is_broken = False

    def readblocks(self, block, buffer, offset=0):
        memoryview(buffer)[:] = memoryview(self.data[block])[offset : offset + len(buffer)]

    def writeblocks(self, block, buffer, offset=0):
        if self.is_broken:
            raise OSError(5)
        old = bytes(self.data[block][offset : offset + len(buffer)])
        new = bytearray(buffer)
        for at in range(len(new)):
            new[at] &= old[at]
        if block in self.worn:
            new = _partly(old, new, "scattered")
        self.programs += 1
        self._apply(block, offset, old, new)

    def ioctl(self, operation, argument):
        if operation == 4:
            return len(self.data)
        if operation == 5:
            return 4096
        if operation == 6:
            if self.is_broken or argument in self.unerasable:
                raise OSError(5)
            self.erases += 1
            self._apply(argument, 0, self.data[argument], _ERASED)
        return 0

    def _apply(self, block, offset, old, new):
        is_cut = self.operations == self.cut_at
        how = self.how if is_cut else self.failing.get(self.operations, "")
        self.operations += 1
        if how:
            new = _partly(old, new, how)
        self.data[block][offset : offset + len(new)] = new
        if is_cut:
            raise PowerCut()
        if how:
            raise OSError(5)


def _partly(old, new, how):
    half = len(new) // 2
    mixed = bytearray(old)
    for at in range(len(old)):
        if how == "all" or (how == "prefix" and at < half) or (how == "suffix" and at >= half):
            mixed[at] = new[at]
        elif how == "scattered":
            mixed[at] = (old[at] & 0xAA) | (new[at] & 0x55)
    return mixed


WAYS = ("none", "prefix", "suffix", "scattered", "all")
