import os

from fake_flash import WAYS, FakeFlash, PowerCut

from firmware.core.errors import FlashError
from firmware.store import claim, ledger, wiping
from firmware.store.ledger import Ledger

FOLDER = "/tmp/lobbylock-wiping-%d" % (id(object()) & 0xFFFFFFF)
OWNER, RELEASE = b"\x03" * 32, b"\x04" * 32
SEED = bytes(range(32))
USE = b"credenti"


def settled():
    """Returns a ledger's flash with what an installed lock has there, spread over two sectors."""
    flash = FakeFlash(3)
    kept = Ledger(flash)
    kept.put(ledger.IDENTITY, SEED)
    kept.put_integer(ledger.CLOCK_FLOOR, 1_700_000_000)
    claim.keep(kept, OWNER, RELEASE)
    kept.use(USE, 1_900_000_000, 1_700_000_000)
    for number in range(300):
        kept.put_integer(ledger.BOOT_COUNT, number)
    return flash


def cut_everywhere(flash, act):
    """Yields the ledger as each cut of `act(ledger)` leaves it, and None with the last, which is none."""
    before = [bytes(sector) for sector in flash.data]
    for how in WAYS:
        at = 0
        while True:
            for sector, was in zip(flash.data, before):
                sector[:] = was
            flash.cut_at, flash.how, flash.operations = None, how, 0
            kept = Ledger(flash)
            flash.cut_at, flash.operations = at, 0
            try:
                act(kept)
                is_over = True
            except PowerCut:
                is_over = False
            flash.cut_at = None
            yield Ledger(flash), is_over
            if is_over:
                break
            at += 1


def test_a_claim_is_there_whole_or_not_at_all():
    for filling in (0, 78, 79, 80, 81):
        # The last ones have to go to another sector.
        flash = FakeFlash(3)
        kept = Ledger(flash)
        kept.put(ledger.IDENTITY, SEED)
        for number in range(filling):
            kept.put(ledger.TRIAL, bytes([number]) * 40)
        cuts = done = 0
        for kept, is_over in cut_everywhere(flash, lambda kept: claim.keep(kept, OWNER, RELEASE)):
            value = kept.get(ledger.CLAIM)
            assert value in (None, OWNER + RELEASE) and kept.get(ledger.IDENTITY) == SEED
            assert value or not is_over
            assert claim.is_claimed(kept) == bool(value)
            cuts += not is_over
            done += bool(value)
        assert cuts >= len(WAYS) and done >= len(WAYS)


def test_installers_are_the_old_or_the_new_ones():
    flash = FakeFlash(2)
    kept = Ledger(flash)
    claim.keep(kept, OWNER, RELEASE)
    old = [b"\x11" * 32, b"\x12" * 32]
    new = [b"\x11" * 32, b"\x13" * 32, b"\x14" * 32, b"\x15" * 32]
    claim.keep_installers(kept, old)
    for kept, is_over in cut_everywhere(flash, lambda kept: claim.keep_installers(kept, new)):
        assert claim.installers(kept) in (old, new)
        assert claim.installers(kept) == new or not is_over
        assert claim.release_key(kept) == RELEASE


class Files:
    """Stands in for `os`: a file system with few free blocks, and what an installed lock has there."""

    def __init__(self):
        self.names = ["boot.py", "settings.json", "settings.new.json", "part.0123456789abcdef", "slot", "tables"]
        self.tables = ["0123456789abcdef.bin", "fedcba9876543210.bin"]
        self.rounds = 0

    def listdir(self, name=None):
        return list(self.tables if name == "tables" else self.names)

    def remove(self, name):
        if name == "blank":
            os.remove(name)
            self.rounds += 1
        elif name.startswith("tables/"):
            self.tables.remove(name[7:])
        else:
            self.names.remove(name)

    def rmdir(self, name):
        assert not self.tables
        self.names.remove(name)

    def statvfs(self, name):
        return 512, 512, 20, 6


def test_a_reset_goes_on_until_everything_is_gone():
    flash = settled()
    order = Ledger(flash)
    order.put(ledger.RESETTING, b"\x01")
    journal, photos = FakeFlash(1), FakeFlash(1)
    files = None
    real = wiping.os
    os.mkdir(FOLDER)
    os.chdir(FOLDER)
    cuts = 0

    def start(kept):
        wiping.wipe(kept, (journal, photos))

    try:
        wiping.os = files = Files()
        for kept, is_over in cut_everywhere(flash, start):
            if not is_over:
                cuts += 1
                if not kept.get(ledger.RESETTING):
                    # Only the last word was cut, and it is there.
                    assert not kept.get(ledger.IDENTITY) and not kept.get(ledger.CLAIM)
                    continue
                # Nobody's yet, or still its owner's, and the next start goes on.
                journal.data[0][7:9] = b"xy"
                files.names.append("settings.json")
                start(kept)
                kept = Ledger(flash)
            for number in range(1, 14):
                assert not kept.get(number), number
            assert kept.uses_of(USE) == 0
            for sector in flash.data:
                for secret in (SEED, OWNER, RELEASE, USE):
                    assert sector.find(secret[:8]) < 0
            assert bytes(journal.data[0]) == bytes(photos.data[0]) == b"\xff" * 4096
            assert files.names == ["boot.py", "slot"] and not files.tables and files.rounds >= 2
    finally:
        wiping.os = real
        os.chdir("/")
        os.rmdir(FOLDER)
    assert cuts >= 5 * len(WAYS)


def test_a_reset_that_the_flash_does_not_take_is_ordered_still():
    flash = settled()
    kept = Ledger(flash)
    kept.put(ledger.RESETTING, b"\x01")
    journal = FakeFlash(1)
    journal.data[0][0] = 0
    journal.is_broken = True
    try:
        wiping.wipe(kept, (journal,))
    except FlashError:
        pass
    else:
        raise AssertionError("done")
    kept = Ledger(flash)
    assert kept.get(ledger.RESETTING) and claim.is_claimed(kept)
