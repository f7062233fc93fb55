from fake_flash import WAYS, FakeFlash, PowerCut

from firmware.core.errors import FlashError
from firmware.store import ledger
from firmware.store.ledger import Ledger


def test_values_survive_a_remount():
    flash = FakeFlash(4)
    kept = Ledger(flash)
    assert kept.is_new and kept.get(ledger.IDENTITY) is None
    kept.put(ledger.IDENTITY, b"s" * 32)
    kept.put_throttle((3, 1, True))
    kept.put_integer(ledger.CLOCK_FLOOR, 1_789_992_000)
    again = Ledger(flash)
    assert not again.is_new
    assert again.get(ledger.IDENTITY) == b"s" * 32
    assert again.throttle() == (3, 1, True)
    assert again.integer(ledger.CLOCK_FLOOR) == 1_789_992_000


def test_many_changes_move_through_all_sectors():
    flash = FakeFlash(3)
    kept = Ledger(flash)
    kept.put(ledger.IDENTITY, b"s" * 32)
    for number in range(2000):
        kept.put_integer(ledger.BOOT_COUNT, number)
    again = Ledger(flash)
    assert again.integer(ledger.BOOT_COUNT) == 1999 and again.get(ledger.IDENTITY) == b"s" * 32
    assert flash.erases >= 5


def test_first_start_cut_anywhere_leaves_nothing_or_everything():
    cut_at = 0
    while True:
        for how in WAYS:
            flash = FakeFlash(3)
            flash.cut_at, flash.how = cut_at, how
            try:
                Ledger(flash).put(ledger.IDENTITY, b"s" * 32)
            except PowerCut:
                pass
            seed = Ledger(flash).get(ledger.IDENTITY)
            assert seed in (None, b"s" * 32)
            if seed is None:
                Ledger(flash).put(ledger.IDENTITY, b"t" * 32)
                assert Ledger(flash).get(ledger.IDENTITY) == b"t" * 32
        if flash.operations <= cut_at:
            break
        cut_at += 1
    assert cut_at >= 4


def test_power_cut_at_every_operation_leaves_the_old_value_or_the_new():
    reference = FakeFlash(3)
    kept = Ledger(reference)
    for number in range(400):
        kept.put_integer(ledger.BOOT_COUNT, number)
    for cut_at in range(0, reference.operations, 5):
        for how in WAYS:
            flash = FakeFlash(3)
            flash.cut_at, flash.how = cut_at, how
            kept = Ledger(flash)
            last = 0
            try:
                for number in range(1, 400):
                    kept.put_integer(ledger.BOOT_COUNT, number)
                    last = number
            except PowerCut:
                pass
            assert Ledger(flash).integer(ledger.BOOT_COUNT) in (last, last + 1), (cut_at, how)


def test_single_use_codes_are_spent_for_good():
    flash = FakeFlash(3)
    kept = Ledger(flash)
    assert not kept.is_code_used(7, 100)
    kept.use_code(7, 100)
    kept.use_code(99, 100)
    again = Ledger(flash)
    assert again.is_code_used(7, 100) and again.is_code_used(99, 100) and not again.is_code_used(8, 100)
    again.use_code(8, 101)
    # The window before is over: everything in it is spent, so a clock pulled back gains nothing.
    assert again.is_code_used(5, 100) and not again.is_code_used(7, 101)
    try:
        again.use_code(5, 100)
        raise AssertionError("used in a closed window")
    except FlashError:
        pass


def test_broken_flash_raises_and_changes_nothing():
    flash = FakeFlash(3)
    kept = Ledger(flash)
    kept.put_throttle((1, 0, False))
    flash.is_broken = True
    try:
        kept.put_throttle((2, 0, False))
        raise AssertionError("no error")
    except FlashError:
        pass
    assert kept.throttle() == (1, 0, False)
    flash.is_broken = False
    kept.put_throttle((2, 0, False))
    assert Ledger(flash).throttle() == (2, 0, False)


def test_a_sector_that_cannot_be_erased_is_passed_by():
    for unerasable in ((1,), (2, 3)):
        flash = FakeFlash(4)
        flash.unerasable = unerasable
        kept = Ledger(flash)
        kept.put(ledger.IDENTITY, b"s" * 32)
        for number in range(2_000):
            kept.put_integer(ledger.BOOT_COUNT, number)
        assert flash.erases > 5
        again = Ledger(flash)
        assert again.integer(ledger.BOOT_COUNT) == 1_999 and again.get(ledger.IDENTITY) == b"s" * 32
