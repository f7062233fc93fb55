"""A list that comes in from a phone, into files in memory; MicroPython only. For verdicts.py."""

import gc

# Collects before the heap is full, as the lock does.
gc.threshold(8192)

# ruff: noqa: E402, I001 - first what takes the most to compile, while there is room.
from firmware.store import asking, intake

import vfs
from fuzz_formats import ok

from firmware.core import event
from firmware.store import ledger
from firmware.task.news import News


class Lock:
    """Ledger, trail, settings and clock at once; believes every signature, and begins at list 1."""

    building = "maple-12"
    full_name = "maple-12/front"
    issuers = ((b"\x0a\x0b\x0c\x0d", "maple-office", b""),)

    def __init__(self) -> None:
        self.values = {}
        self.ms = 0

    def get(self, number):
        return self.values.get(number)

    def put(self, number, value):
        self.values[number] = value

    def record(self, kind, details):
        event.Event(1, kind, 1, 0, None, details).encode()

    def now_ms(self):
        return self.ms

    def verify(self, message, signature):
        return True


class Phone:
    """Brings `data`, as many bytes at once as its first byte says."""

    list_version = 1 << 31
    is_remote = False

    def __init__(self, data) -> None:
        self._data = data[1:]
        self._piece = 20 + data[0] if data else 240

    async def fetch(self, what, offset, most):
        return self._data[offset : offset + min(most, self._piece)]


class _Blocks:
    """A disk in memory, for the file system of the lock."""

    def __init__(self, count) -> None:
        self._data = bytearray(512 * count)

    def readblocks(self, number, buffer, offset=0):
        at = number * 512 + offset
        memoryview(buffer)[:] = memoryview(self._data)[at : at + len(buffer)]

    def writeblocks(self, number, buffer, offset=0):
        at = number * 512 + offset
        self._data[at : at + len(buffer)] = buffer

    def ioctl(self, operation, argument):
        return {4: len(self._data) // 512, 5: 512, 6: 0}.get(operation)


def _list():
    blocks = _Blocks(80)
    vfs.VfsLfs2.mkfs(blocks)
    vfs.mount(vfs.VfsLfs2(blocks), "/fuzz")
    import os

    os.chdir("/fuzz")
    lock = Lock()
    news = News(lock, {lock.issuers[0][0]: lock}, lock, lock, lock, lock, lock, 1, lambda names: None)

    def check(data):
        lock.ms += 60_000
        # Forgotten, so that a list of any version is wanted.
        lock.values.pop(ledger.LIST_VERSION, None)
        if news.file:
            news.file.close()
            news.file = None
            os.remove("revoked")
        news.floor = 0
        try:
            news.collect(Phone(data)).send(None)
        except StopIteration:
            pass
        if news.coming:
            return "!! somebody is still coming"
        if not news.version:
            return "no"
        return ok(news.version, news.count, news.is_revoked(bytes(8)))

    return check


LOADED = (asking, intake)
TARGETS = {"news list": _list}
