"""A list is brought to a lock whose power is cut at every flash operation in turn, five ways each.

    micropython listcut.py CASE SHARE SHARES PAIRS [in-place]

The file system is a littlefs and the ledger its own ring, both on NOR flash in memory. CASE says what there was before:
"newer" (list 1), "first" (none), "half" (list 1, and half of list 2 from an earlier visitor). PAIRS second cuts follow
each first one; "in-place" has the new list written over the old one, which has to be noticed. Prints what it counted,
as JSON; a lock that is not as it should be ends it with a traceback.
"""

import gc
import json
import os
import sys

import vfs
from news_case import Case, bring, make_ids, make_list
from norflash import WAYS, Cutter, NorFlash, PowerCut, cut_short

from firmware.core import event
from firmware.store import revoked
from firmware.store.ledger import Ledger

_FILE_BLOCKS = 12
_LEDGER_SECTORS = 3
_OLD = make_list(1, make_ids(200))
_NEW = make_list(2, make_ids(230)[30:])
# The first 30 are off again, the last 30 are on it.
_GONE, _ADDED = make_ids(1)[0], make_ids(230)[229]


class Board:
    """What outlives a power cut: the flash of file system and ledger."""

    def __init__(self, files=None, ledger=None):
        self.files = files or NorFlash(_FILE_BLOCKS)
        self.ledger = ledger or NorFlash(_LEDGER_SECTORS)
        if not files:
            vfs.VfsLfs2.mkfs(self.files)

    def copy(self):
        return Board(self.files.copy(), self.ledger.copy())


class Powered:
    """The file system's flash for one start of the lock: without power nothing reaches it."""

    def __init__(self, flash):
        self._flash = flash
        self.is_dead = False

    def readblocks(self, block, buffer, offset=0):
        self._flash.readblocks(block, buffer, offset)

    def writeblocks(self, block, buffer, offset=0):
        if not self.is_dead:
            self._flash.writeblocks(block, buffer, offset)

    def ioctl(self, operation, argument):
        # A file that nobody closed any more is closed by the collector.
        return 0 if self.is_dead and operation == 6 else self._flash.ioctl(operation, argument)


class Life:
    """A start of the lock on a board, until `end`. A context manager."""

    def __init__(self, board, name):
        self._board = board
        self._point = "/" + name

    def __enter__(self):
        self._folder = os.getcwd()
        self._powered = Powered(self._board.files)
        vfs.mount(vfs.VfsLfs2(self._powered), self._point)
        os.chdir(self._point)
        self.case = Case(kept=Ledger(self._board.ledger))
        return self.case

    def __exit__(self, kind, *_):
        self._powered.is_dead = kind is PowerCut
        for file in (self.case.news.file, self.case.news.coming):
            if file:
                file.close()
        self._powered.is_dead = True
        vfs.umount(self._point)
        os.chdir(self._folder)


def check(case, versions):
    """Looks that one of `versions` is in force, whole."""
    news = case.news
    assert news.version in versions, (news.version, versions)
    expected = {0: (0, 0), 1: (event.REVOKED, 0), 2: (0, event.REVOKED)}[news.version]
    assert (news.is_revoked(_GONE), news.is_revoked(_ADDED)) == expected
    assert event.LIST_LOST not in case.kinds(), case.kinds()
    return news.version


def examine(board, versions, pairs, seed):
    """Starts the lock on what a cut has left; the list comes again, perhaps cut once more."""
    with Life(board, "x") as case:
        found = check(case, versions)
    for number in range(pairs):
        twin = board.copy()
        flash = (twin.files, twin.files, twin.ledger)[(seed + number) % 3]
        Cutter(flash, (seed * 7 + number * 31) % 60, (seed + number) % len(WAYS), seed + number)
        is_cut = False
        try:
            with Life(twin, "y") as case:
                bring(case.news, _NEW, 2)
        except PowerCut:
            is_cut = True
        twin.files.before = twin.ledger.before = None
        with Life(twin, "z") as case:
            check(case, {found, 2} if is_cut else {2})
    with Life(board, "x") as case:
        bring(case.news, _OLD, 1)
        check(case, {found, 2} if found else {1})
        bring(case.news, _NEW, 2)
        check(case, {2})
    with Life(board, "x") as case:
        check(case, {2})
        bring(case.news, _OLD, 1)
        check(case, {2})


class Sweep:
    def __init__(self, board, versions, share, shares, pairs):
        self._board = board
        self._versions = versions
        self._share = share
        self._shares = shares
        self._pairs = pairs
        self.number = self.cuts = 0
        board.files.before = lambda *change: self._before("files", *change)
        board.ledger.before = lambda *change: self._before("ledger", *change)

    def _before(self, flash, sector, at, old, new):
        number = self.number
        self.number += 1
        if number % self._shares != self._share:
            return
        for way in range(len(WAYS)):
            copy = self._board.copy()
            getattr(copy, flash).put(sector, at, cut_short(old, new, way, 5 * number + way))
            self.cuts += 1
            try:
                examine(copy, self._versions, self._pairs, 5 * number + way)
            except Exception as error:
                print("operation", number, "on", flash, WAYS[way])
                raise error
        gc.collect()


def main():
    what, share, shares, pairs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    if sys.argv[5:] == ["in-place"]:
        revoked.PATH = "revoked.new"
    board = Board()
    if what != "first":
        with Life(board, "a") as case:
            bring(case.news, _OLD, 1)
            check(case, {1})
            if what == "half":
                bring(case.news, _NEW, 2, left=4)
                check(case, {1})
    with Life(board, "a") as case:
        sweep = Sweep(board, {0, 2} if what == "first" else {1, 2}, share, shares, pairs)
        bring(case.news, _NEW, 2)
        board.files.before = board.ledger.before = None
        check(case, {2})
    print(json.dumps({"operations": sweep.number, "cuts": sweep.cuts}))


main()
