"""Flash that fails under the journal: the key goes on to a sound sector, and none is left in the spoiled one."""

from fake_flash import WAYS, FakeFlash, PowerCut
from journal_case import GENESIS, KEY, SECTOR_BYTES, append, assert_authentic, begin, found_keys, keys_up_to, mount

from firmware.core.errors import FlashError
from firmware.store.journal import Journal


def test_a_sector_that_fails_hands_the_key_on():
    flash = FakeFlash(4)
    keys = keys_up_to(60)
    cases = 0
    for offset in range(0, 12):
        for how in WAYS:
            flash.reset()
            journal = begin(flash)
            while journal._at < SECTOR_BYTES - 300:
                append(journal, size=100)
            flash.failing = {flash.operations + offset: how}
            for _ in range(6):
                before = journal.seq
                assert append(journal, size=100) == before + 1
            # A wipe that failed was tried again with the next event, and whatever failed left no key behind.
            assert found_keys(flash, keys[: journal.seq]) == [], (offset, how)
            assert_authentic(journal, 1, keys)
            again = mount(flash)
            assert (again.seq, again.head) == (journal.seq, journal.head), (offset, how)
            append(again)
            assert_authentic(again, 1, keys)
            assert found_keys(flash, keys[: again.seq]) == [], (offset, how)
            cases += 1
    assert cases == 60


def test_what_reads_back_differently_hands_the_key_on():
    flash = FakeFlash(5)
    for worn in ((0,), (1,), (1, 2)):
        flash.reset()
        journal = begin(flash)
        for _ in range(10):
            append(journal, size=100)
        flash.worn = worn
        for _ in range(20):
            append(journal, size=100)
        assert journal.seq == 30
        keys = keys_up_to(31)
        flash.worn = ()
        append(journal)
        assert_authentic(mount(flash), 1, None)
        # Every other bit of a worn sector stays: no eight bytes of any key.
        assert found_keys(flash, keys) == [], worn


def test_a_sector_that_cannot_be_erased_is_passed_by():
    flash = FakeFlash(4)
    journal = begin(flash)
    for _ in range(100):
        journal.release(append(journal, size=100))
    number = (journal._sector + 1) % 4
    flash.unerasable = (number,)
    generation = journal._generation
    while journal._generation == generation:
        journal.release(append(journal, size=100))
    assert journal._sector == (number + 1) % 4
    for _ in range(100):
        journal.release(append(journal, size=100))
    again = mount(flash, journal.acked_seq - 10)
    assert again.seq == journal.seq
    assert_authentic(again, again.seq - 10, None)
    assert found_keys(flash, keys_up_to(again.seq)) == []


def test_a_wipe_that_fails_is_tried_again_with_the_next_event():
    flash = FakeFlash(3)
    journal = begin(flash)
    append(journal)
    flash.failing = {flash.operations + 1: "none", flash.operations + 2: "none"}
    append(journal)
    keys = keys_up_to(4)
    assert found_keys(flash, keys[:2]) != []
    # The first attempt of the next event fails as well.
    append(journal)
    assert 2 in found_keys(flash, keys[:3])
    append(journal)
    assert found_keys(flash, keys[:4]) == []
    # Or with the next start.
    flash.failing = {flash.operations + 1: "none"}
    append(journal)
    assert found_keys(flash, keys_up_to(5)) != []
    mount(flash)
    assert found_keys(flash, keys_up_to(5)) == []


def test_a_wipe_that_is_still_due_spares_a_sector_that_was_opened_anew():
    flash = FakeFlash(2)
    journal = begin(flash)
    append(journal)
    place = (0, 88, 60)
    journal._unwiped = [place]
    flash.failing = dict((number, "none") for number in range(flash.operations, flash.operations + 1))
    append(journal)
    assert journal._unwiped == [place]
    journal._unwiped = []
    # What is in mind of a sector goes with its erasing.
    for _ in range(40):
        append(journal, size=100)
    journal._unwiped = [((journal._sector + 1) % 2, 88, 60)]
    journal.prepare()
    assert journal._unwiped == []


def test_broken_flash_raises_and_keeps_the_chain_where_it_was():
    flash = FakeFlash(8)
    journal = begin(flash)
    append(journal)
    head = journal.head
    flash.is_broken = True
    try:
        append(journal)
        raise AssertionError("no error")
    except FlashError:
        pass
    assert (journal.seq, journal.head) == (1, head)
    flash.is_broken = False
    assert append(journal) == 2
    assert_authentic(mount(flash), 1, None)
    assert found_keys(flash, keys_up_to(2)) == []


def test_a_ledger_that_fails_costs_no_event():
    def keep_epoch(seq):
        raise FlashError("ledger")

    journal = Journal(FakeFlash(3), GENESIS, 0, 0, keep_epoch)
    journal.begin(KEY)
    for _ in range(60):
        append(journal, size=100)
    assert journal.seq >= 60


def test_cuts_in_the_middle_of_writes_do_not_use_the_ring_up():
    flash = FakeFlash(5)
    journal = begin(flash)
    keys = keys_up_to(60)
    for round in range(40):
        append(journal, size=20)
        flash.cut_at, flash.how = flash.operations, WAYS[1 + round % 3]
        try:
            append(journal, size=60)
            raise AssertionError("no power cut")
        except PowerCut:
            pass
        flash.cut_at = None
        journal = mount(flash)
        # More cuts than sectors by far, nothing collected, and all of it is there.
        assert journal._live_at(0)[0] == 1 and journal.seq >= round + 1
        assert_authentic(journal, 1, None)
    assert found_keys(flash, keys[: journal.seq]) == []


def test_the_mending_of_a_cut_write_may_be_cut():
    flash = FakeFlash(3)
    for how in WAYS:
        for mending in WAYS:
            for later in range(3):
                flash.reset()
                journal = begin(flash)
                for _ in range(later):
                    append(journal, size=20)
                flash.cut_at, flash.how = flash.operations, how
                try:
                    append(journal, size=60)
                except PowerCut:
                    pass
                flash.cut_at, flash.how = flash.operations, mending
                try:
                    mount(flash)
                except PowerCut:
                    pass
                flash.cut_at = None
                journal = mount(flash)
                before = journal.seq
                for _ in range(3):
                    append(journal, size=40)
                again = mount(flash)
                assert again.seq == before + 3, (how, mending, later)
                assert_authentic(again, 1, None)
                assert found_keys(flash, keys_up_to(again.seq)) == [], (how, mending, later)
