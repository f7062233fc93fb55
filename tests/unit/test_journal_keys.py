"""Keys of the journal and cuts of its power: no event is lost, and none of the keys that were used is left."""

from fake_flash import WAYS, FakeFlash, PowerCut
from journal_case import (
    FIELD_BYTES,
    GENESIS,
    KEY,
    SECTOR_BYTES,
    append,
    assert_authentic,
    begin,
    chain,
    found_keys,
    keys_up_to,
    mount,
)

from firmware.core import ratchet
from firmware.store import entry
from firmware.store.journal import Journal


def test_no_used_key_is_left_anywhere_in_the_flash():
    flash = FakeFlash(3)
    journal = begin(flash)
    keys = [KEY]
    for _ in range(90):
        append(journal, size=90)
        while len(keys) <= journal.seq:
            keys.append(ratchet.following(keys[-1]))
        assert found_keys(flash, keys) == [len(keys)]
        if journal.wants_preparing:
            journal.prepare()
            assert found_keys(flash, keys) == [len(keys)]
    assert sum(data.count(journal.next_key) for data in flash.data) == 1 and journal.next_key == keys[-1]


def test_the_erased_next_sector_never_holds_the_key():
    flash = FakeFlash(2)
    journal = begin(flash)
    for _ in range(60):
        journal.release(append(journal, size=100))
        if journal.wants_preparing:
            journal.prepare()
            assert sum(data == b"\xff" * SECTOR_BYTES for data in flash.data) == 1
            assert_authentic(mount(flash, journal.acked_seq), journal.seq + 1, None)
    assert_authentic(journal, journal.seq - 5, None)


def script(flash, done):
    """Fills a ring of three twice; `done[0]` is the last event that `append` has acknowledged."""
    journal = begin(flash)
    for _ in range(48):
        done[0] = append(journal, size=100)
        journal.release(done[0] - 20)
        if journal.wants_preparing and journal.seq % 2:
            journal.prepare()


def cut_script(flash, cut_at, how):
    """Returns (last acknowledged event, whether the power was cut)."""
    flash.reset()
    flash.cut_at, flash.how = cut_at, how
    done = [0]
    try:
        script(flash, done)
    except PowerCut:
        pass
    flash.cut_at = None
    return done[0], flash.operations > cut_at


def check_after_cut(flash, done, keys, case):
    acked_seq = max(0, done - 20)
    again = Journal(flash, GENESIS, acked_seq, 1 if done else 0, [].append)
    if not done and again.is_new:
        return
    assert not again.is_broken, case
    assert done <= again.seq <= done + 1, (case, done, again.seq)
    assert_authentic(again, acked_seq + 1, keys)
    assert found_keys(flash, keys[: again.seq]) == [], case
    assert append(again) == done + 1 or again.seq == done + 2, case
    assert found_keys(flash, keys[: again.seq]) == [], case
    assert_authentic(mount(flash, acked_seq), acked_seq + 1, keys)


def test_power_cut_at_every_operation_loses_no_event_and_leaves_no_key():
    flash = FakeFlash(3)
    keys = keys_up_to(60)
    cut_at = cases = 0
    is_cut = True
    while is_cut:
        for how in WAYS:
            done, is_cut = cut_script(flash, cut_at, how)
            # As it lies there before anybody starts it again.
            assert found_keys(flash, keys[:done]) == [], (cut_at, how)
            check_after_cut(flash, done, keys, (cut_at, how))
            cases += 1
        # Every seventh operation here; the whole sweep has its own target.
        cut_at += 7
    assert cases > 70


def test_a_second_cut_while_the_first_is_mended():
    flash = FakeFlash(3)
    keys = keys_up_to(60)
    # In a record, in the wiping of its key, in a header, in the wiping of what is behind it.
    operations = cuts_of_each_kind(flash)
    cases = 0
    for first in operations:
        for how in ("prefix", "scattered", "all"):
            for second in range(4):
                done, _ = cut_script(flash, first, how)
                if not done:
                    continue
                flash.cut_at, flash.how = flash.operations + second, "suffix"
                try:
                    check_after_cut(flash, done, keys, (first, how, second))
                except PowerCut:
                    cases += 1
                flash.cut_at = None
                acked_seq = max(0, done - 20)
                again = mount(flash, acked_seq)
                assert done <= again.seq <= done + 2
                assert_authentic(again, acked_seq + 1, keys)
                assert found_keys(flash, keys[: again.seq]) == [], (first, how, second)
    assert cases > 20


def cuts_of_each_kind(flash):
    """Numbers of operations of `script` that open its second sector, and of those around them."""
    epochs = []
    journal = begin(flash, epochs)
    while len(epochs) == 1:
        before = flash.operations
        append(journal, size=100)
        if journal.wants_preparing and journal.seq % 2:
            journal.prepare()
    return range(before - 2, flash.operations)


def test_torn_record_is_never_built_upon():
    flash = FakeFlash(3)
    journal = begin(flash)
    append(journal)
    flash.cut_at, flash.how = flash.operations, "prefix"
    try:
        append(journal)
        raise AssertionError("no power cut")
    except PowerCut:
        pass
    again = mount(flash)
    assert again.seq == 1
    assert append(again) == 2
    assert [seq for seq, _, _, _ in chain(mount(flash), 1)] == [1, 2]


def test_a_whole_record_without_its_key_does_not_count():
    flash = FakeFlash(3)
    journal = begin(flash)
    append(journal)
    start = journal._at
    append(journal, size=30)
    # As if the power had been cut in the middle of the key field.
    flash.data[0][88 - FIELD_BYTES : 88] = bytes(FIELD_BYTES)
    flash.data[0][start - FIELD_BYTES : start] = entry.field(keys_up_to(2)[1])
    end = journal._at
    for at in range(end - 20, end):
        flash.data[0][at] = 0xFF
    again = mount(flash)
    assert again.seq == 1 and again.next_key == keys_up_to(2)[1]
    assert bytes(flash.data[0][start:end]) == bytes(end - start)
    assert append(again) == 2
    assert found_keys(flash, keys_up_to(2)) == []
    assert_authentic(mount(flash), 1, None)


def test_a_torn_header_keeps_no_key_that_is_used_later():
    flash = FakeFlash(3)
    journal = begin(flash)
    while journal._at < SECTOR_BYTES - 200:
        append(journal, size=20)
    journal.prepare()
    flash.cut_at, flash.how = flash.operations, "suffix"
    try:
        # Too long for what is left, so that it opens the next sector.
        append(journal, size=150)
        raise AssertionError("no power cut")
    except PowerCut:
        pass
    seq = journal.seq
    keys = keys_up_to(seq + 1)
    assert seq + 1 in found_keys(flash, keys)
    # A short one still fits into the sector before.
    again = mount(flash)
    assert append(again) == seq + 1 and again._sector == 0
    assert found_keys(flash, keys) == []
