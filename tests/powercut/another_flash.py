"""The subject on a flash model that knows nothing of ours, cut by an exception of its own: prints one line if it works.

Also the shortest example of how to plug in another one.
"""

import subject

from firmware.core.errors import FlashError


class LightsOut(BaseException):
    """Not even an Exception: nobody may catch it on the way."""


class PlainFlash:
    """One long bytearray; after `left` operations the next one is half done, and the lights go out."""

    def __init__(self, sectors: int) -> None:
        self.image = bytearray(b"\xff" * (4096 * sectors))
        self.left = -1
        self.is_worn = False

    def readblocks(self, block, buf, offset=0):
        start = 4096 * block + offset
        buf[:] = self.image[start : start + len(buf)]

    def writeblocks(self, block, buf, offset=0):
        if self.is_worn:
            raise OSError(5)
        start = 4096 * block + offset
        for at in range(self._reach(len(buf))):
            self.image[start + at] &= buf[at]
        self._count()

    def ioctl(self, op, arg):
        if op == 4:
            return len(self.image) // 4096
        if op == 5:
            return 4096
        if op == 6:
            size = self._reach(4096)
            self.image[4096 * arg : 4096 * arg + size] = b"\xff" * size
            self._count()
        return 0

    def _reach(self, size):
        return size // 2 if self.left == 0 else size

    def _count(self):
        self.left -= 1
        if self.left == -1:
            raise LightsOut()


def _play(lock, done: list) -> None:
    for number in range(8):
        done.append((subject.append(lock, b"event %d" % number), b"event %d" % number))
        if number == 3:
            subject.guess(lock)
            subject.use(lock, b"visitor 1", 2_000, 1_500)
            subject.floor(lock, 1_600)


def _cut_at(sectors: int, operation: int) -> bool:
    """Returns whether the lights went out in that operation."""
    flash = PlainFlash(sectors)
    lock = subject.fresh(flash)
    flash.left = operation
    done: list = []
    is_cut = False
    try:
        _play(lock, done)
    except LightsOut:
        is_cut = True
    flash.left = -1
    lock = subject.open(flash)
    found = subject.pending(lock)
    assert found[: len(done)] == done and len(found) <= len(done) + 1, operation
    seq = subject.append(lock, b"x" * subject.PAYLOAD_BYTES)
    assert seq == len(found) + 1
    subject.release(lock, seq - 1)
    again = subject.open(flash)
    assert subject.pending(again) == [(seq, b"x" * subject.PAYLOAD_BYTES)]
    if not is_cut:
        assert subject.guesses(again) == (1, 0, False) and subject.floor(again) == 1_600
        assert not subject.use(again, b"visitor 1", 2_000, 1_500)
    assert subject.guess(again, True) and subject.guesses(again) == (0, 0, False)
    for key in subject.past_keys(again):
        assert flash.image.find(key[:8]) < 0
    return is_cut


def _wear_out() -> None:
    """A flash that fails without a power cut is an error of the lock's own, and nothing is acknowledged."""
    flash = PlainFlash(subject.SECTORS_LEAST)
    lock = subject.fresh(flash)
    flash.is_worn = True
    try:
        subject.append(lock, b"lost")
        raise AssertionError("no error")
    except FlashError:
        pass
    flash.is_worn = False
    assert subject.pending(subject.open(flash)) == []


def run() -> None:
    for sectors in (subject.SECTORS_LEAST, 37):
        operation = 0
        while _cut_at(sectors, operation):
            operation += 1
        assert operation > 15, operation
    _wear_out()
    print("as it should be")


if __name__ == "__main__":
    run()
