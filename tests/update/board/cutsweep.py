"""A lock through an update, its power cut at every flash operation in turn: main.py, slots.py, update.py as they are.

    micropython cutsweep.py FOLDER WAY FROM SHARE SHARES PAIRS

FOLDER holds compiled versions, one folder each: old, new, broken. WAY is "good" or "broken", FROM the slot that the old
version runs in. Prints what it counted, as JSON; a life that went wrong ends it with a traceback.
"""

import asyncio
import gc
import json
import os
import random
import sys

import vfs
from fake_flash import WAYS, _partly
from fake_package import Console, Kept, package, send

from firmware.console import update
from firmware.core import event
from firmware.store import ledger, slots

OLD, NEW = "0.1.0", "0.2.0"
BLOCKS = 64
# Whatever happens between, the end comes within so many starts.
MOST_STARTS = 40
OTHERS = {
    "settings.json": b'{"version": 1}',
    "table.bin": bytes(range(256)) * 60,
    "main.py": b"main",
    "boot.py": b"boot",
}


class PowerCut(BaseException):
    """The power went; nothing that runs hears of it."""


class Reset(BaseException):
    """machine.reset()."""


class Chip:
    """Flash in memory. Operation `cut_at` (from 0) is done as far as `how` says; after it there is no power."""

    def __init__(self, data=None):
        self.data = data[:] if data else [b"\xff" * 4096] * BLOCKS
        self.operations = 0
        self.cut_at = None
        self.how = "none"
        self.is_dead = False

    def readblocks(self, block, buffer, offset=0):
        if self.is_dead:
            return
        memoryview(buffer)[:] = memoryview(self.data[block])[offset : offset + len(buffer)]

    def writeblocks(self, block, buffer, offset=0):
        if self.is_dead:
            # A file that nobody closed any more is closed by the collector.
            return
        old = self.data[block]
        self._apply(block, old[:offset] + bytes(buffer) + old[offset + len(buffer) :])

    def ioctl(self, operation, argument):
        if operation == 4:
            return BLOCKS
        if operation == 5:
            return 4096
        if operation == 6 and not self.is_dead:
            self._apply(argument, b"\xff" * 4096)
        return 0

    def _apply(self, block, new):
        is_cut = self.operations == self.cut_at
        self.operations += 1
        self.data[block] = bytes(_partly(self.data[block], new, self.how)) if is_cut else new
        if is_cut:
            self.is_dead = True
            raise PowerCut


class Machine:
    """Stands in for the module `machine`."""

    PWRON_RESET = 1
    cause = 1

    class Timer:
        ONE_SHOT = 0

        def __init__(self, number):
            pass

        def init(self, **options):
            pass

        def deinit(self):
            pass

    @staticmethod
    def WDT(timeout):  # noqa: N802 - as in machine
        pass

    @staticmethod
    def reset_cause():
        return Machine.cause

    @staticmethod
    def reset():
        raise Reset


class Clock:
    """Stands in for `time`: nothing is waited for."""

    @staticmethod
    def sleep_ms(duration_ms):
        pass


class QuietSys:
    """Stands in for `sys`: as it is, but nothing is printed."""

    path = sys.path
    modules = sys.modules

    @staticmethod
    def print_exception(error):
        pass


class Harness:
    """What a version in a slot tells: its two modules' versions, and how it is accepted. Then its run is over."""

    ran = None

    @staticmethod
    def tell(build, part, accept):
        Harness.ran = (build, part, accept)


class World:
    """A board: its chip, what its ledger holds, what its trail says. RAM is what `start` makes anew."""

    def __init__(self, main, data, slot):
        self._main = main
        self.chip = Chip(data)
        self.kept = Kept()
        self.kept.put_integer(ledger.RELEASE_FLOOR, slots.number(OLD))
        self.records = []
        self.console = None
        self.cause = 1
        self.starts = 0
        mount(self.chip)

    def restore_power(self):
        """The power comes back."""
        if self.console and self.console.session.upload:
            try:
                self.console.session.upload.close()
            except OSError:
                # It has no power to be written with.
                pass
        chip = self.chip
        self.chip = Chip(chip.data)
        mount(self.chip)
        self.cause = 1

    def start(self):
        """Runs boot and main.py; returns (version that ran, accept)."""
        self.starts += 1
        assert self.starts < MOST_STARTS, "it never ends"
        Harness.ran = None
        Machine.cause = self.cause
        self.cause = 2
        while sys.path[0] in ("/b", "/b/lib"):
            sys.path.pop(0)
        stash = dict([(name, sys.modules[name]) for name in sys.modules if name.startswith("firmware")])
        for name in stash:
            del sys.modules[name]
        before = sys.path[:]
        try:
            exec(self._main, {"__name__": "__main__", "print": lambda *said: None})
            raise AssertionError("a prompt")
        except Reset:
            pass
        finally:
            path = sys.path[:]
            sys.path[:] = before
            for name in list(sys.modules):
                if name.startswith("firmware"):
                    del sys.modules[name]
            sys.modules.update(stash)
        if self.chip.is_dead:
            # main.py lets nothing out, which a power cut does not ask.
            raise PowerCut
        if path[0] == "/b":
            sys.path[:0] = ["/b", "/b/lib"]
        if Harness.ran is None:
            return None, None
        build, part, accept = Harness.ran
        assert build == part, "half of one version and half of another"
        return build, accept


def mount(chip):
    """Makes the file system on `chip` the only one there is."""
    os.chdir("/")
    vfs.umount("/")
    vfs.mount(vfs.VfsLfs2(chip, progsize=32, readsize=32), "/")


def write_tree(prefix, files):
    for path, data in files:
        at = (prefix + path).find("/")
        while at > 0:
            try:
                os.mkdir((prefix + path)[:at])
            except OSError:
                pass
            at = (prefix + path).find("/", at + 1)
        with open(prefix + path, "wb") as file:
            file.write(data)


def live(world, data, is_good):
    """One life from a start on, until the update is over: accepted, or gone back from, and told so."""
    while True:
        version, accept = world.start()
        assert version in (OLD, NEW, None), version
        if version is None:
            # It did not start; whoever is on trial loses a try.
            assert not is_good
            continue
        world.console = console = Console(world.kept)
        console.records = world.records
        console.version = version
        slots.forgive(world.kept)
        slots.note(console.trail)
        if version == NEW:
            slots.settle(world.kept, console.trail, NEW, accept)
            if not accept:
                return
            continue
        assert accept is None
        if any([kind == event.UPDATE_REVERTED for kind, _ in world.records]):
            return
        asyncio.run(send(console, data))
        asyncio.run(update.commit(console, {}))


def check(world, is_good):
    """The verdict over a finished life."""
    kinds = [kind for kind, _ in world.records]
    assert event.UPDATE_PROPOSED in kinds
    assert (event.UPDATE_ACCEPTED in kinds) == is_good
    assert (event.UPDATE_REVERTED in kinds) == (not is_good)
    state, version, _ = slots.state()
    assert (state, version) == (("", "") if is_good else (slots.REVERTED, NEW))
    floor = world.kept.integer(ledger.RELEASE_FLOOR)
    assert floor == slots.number(NEW if is_good else OLD)
    for path in OTHERS:
        with open(path, "rb") as file:
            assert file.read() == OTHERS[path], path


def sweep(main, base, data, slot, is_good, share, shares, pairs):
    """Cuts at every operation, in every way; with `pairs` so many second cuts of each life."""
    world = World(main, base, slot)
    live(world, data, is_good)
    check(world, is_good)
    operations = world.chip.operations
    rand = random
    rand.seed(share + 1)
    cuts = 0
    for at in range(share, operations, shares):
        for how in WAYS:
            seconds = [rand.randrange(operations) for _ in range(pairs)] if pairs else [None]
            for second in seconds:
                gc.collect()
                world = World(main, base, slot)
                world.chip.cut_at, world.chip.how = at, how
                while True:
                    try:
                        live(world, data, is_good)
                        break
                    except (PowerCut, OSError):
                        # A file that is closed without power may raise another error.
                        if not world.chip.is_dead:
                            raise
                        cuts += 1
                        world.restore_power()
                        world.chip.cut_at = second
                        second = None
                        # A start right there: it must find a whole version whatever was going on.
                        if world.chip.cut_at is None:
                            version, _ = world.start()
                            assert version in (OLD, NEW) or not is_good
                            world.cause = 1
                check(world, is_good)
    return {"operations": operations, "cuts": cuts}


def run(folder, way, slot, share, shares, pairs):
    versions = {}
    for name in ("older", "old", "new", "broken"):
        files = []
        for path in ("firmware/part.mpy", "lib/tool.mpy", "lib/word.mpy", "firmware/build.mpy"):
            with open("/".join((folder, name, path)), "rb") as file:
                files.append((path, file.read()))
        versions[name] = tuple(files)
    with open(sys.path[0].rpartition("/tests/")[0] + "/main.py") as file:
        main = compile(file.read(), "main.py", "exec")
    is_good = way == "good"
    data = package(NEW, versions["new" if is_good else "broken"])
    sys.modules["machine"] = Machine
    sys.modules["harness"] = Harness
    sys.modules["time"] = Clock
    sys.modules["sys"] = QuietSys
    chip = Chip()
    vfs.VfsLfs2.mkfs(chip, progsize=32, readsize=32)
    # What is loaded from here on comes from the chip.
    sys.path[:] = ["", ".frozen", "/lib"]
    mount(chip)
    write_tree("", list(OTHERS.items()))
    write_tree("b/" if slot == "b" else "", versions["old"])
    # What was there before: never to run again.
    write_tree("" if slot == "b" else "b/", versions["older"])
    if slot == "b":
        write_tree("", [("slot", b"b")])
    return sweep(main, chip.data, data, slot, is_good, share, shares, pairs)


if __name__ == "__main__":
    folder, way, slot = sys.argv[1:4]
    print(json.dumps(run(folder, way, slot, *[int(text) for text in sys.argv[4:7]])))
