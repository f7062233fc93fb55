import gc

from fake_flash import FakeFlash, PowerCut
from journal_case import (
    FIELD_BYTES,
    GENESIS,
    KEY,
    SECTOR_BYTES,
    append,
    assert_authentic,
    begin,
    chain,
    keys_up_to,
    make,
    mount,
)

from firmware.core import event, ratchet
from firmware.store.journal import Journal


def test_empty_journal_starts_at_genesis():
    journal = begin(FakeFlash(4))
    assert (journal.seq, journal.head, journal.next_key, journal.batch(48, 7680)) == (0, GENESIS, KEY, None)
    assert (journal.is_new, journal.is_broken) == (False, False)


def test_events_survive_a_remount_in_order_with_their_chain_and_tags():
    flash = FakeFlash(8)
    epochs = []
    journal = begin(flash, epochs)
    for _ in range(150):
        append(journal, size=40)
    again = mount(flash, 0, epochs[-1])
    assert (again.seq, again.head, again.next_key) == (150, journal.head, journal.next_key)
    assert next(again._events_from(1))[1] == GENESIS
    assert_authentic(again, 1, None)
    # An epoch for each sector: the number of its first event.
    assert epochs[0] == 1 and len(epochs) == 5
    assert list(epochs) == [seq // again._count for seq in again._live]


def test_batch_ends_with_a_seal_and_moves_on_after_release():
    journal = begin(FakeFlash(4))
    append(journal)
    append(journal)
    assert journal.batch(48, 7680) is None
    append(journal, event.SEAL)
    append(journal)
    first, head, entries, last_head = journal.batch(48, 7680)
    assert (first, head, len(entries)) == (1, GENESIS, 3)
    assert event.kind_of(entries[-1]) == event.SEAL
    keys = keys_up_to(3)
    for number in range(3):
        head = event.next_head(head, entries[number][:-16])
        assert entries[number][-16:] == ratchet.tag(keys[number], head)
    assert head == last_head
    journal.release(3)
    assert journal.batch(48, 7680) is None
    append(journal, event.SEAL)
    first, head, entries, _ = journal.batch(48, 7680)
    assert (first, head, len(entries)) == (4, last_head, 2)


def test_batch_stays_inside_its_bounds():
    journal = begin(FakeFlash(8))
    for _ in range(20):
        append(journal, size=100)
        append(journal, event.SEAL, 100)
    assert len(journal.batch(10, 7680)[2]) == 10
    first, _, entries, _ = journal.batch(48, 1000)
    assert sum(len(entry) for entry in entries) <= 1000 and first == 1


def test_batch_ends_at_the_first_seal_behind_enough():
    journal = begin(FakeFlash(8))
    for seq in range(1, 31):
        append(journal, event.SEAL if seq % 10 == 0 else event.ACCESS, size=60)
    assert len(journal.batch(48, 7680, 1)[2]) == 10
    assert len(journal.batch(48, 7680, 1000)[2]) == 20
    assert len(journal.batch(48, 7680, 7680)[2]) == 30
    first, _, entries, last_head = journal.batch(48, 7680, 1000)
    assert first == 1 and last_head == event.next_head(chain(journal, 20)[0][1], entries[-1][:-16])


def test_batch_leaves_out_what_has_become_unreadable():
    flash = FakeFlash(4)
    journal = begin(flash)
    for seq in range(1, 61):
        append(journal, event.SEAL if seq % 4 == 0 else event.ACCESS, size=60)
    # One bit of a record in the middle of the first sector: those behind it in that sector have no head any more.
    flash.data[0][2000] ^= 1
    seqs = [seq for seq, _, _, _ in journal._events_from(1)]
    hole = [seq for seq in seqs if seq + 1 not in seqs][0]
    assert seqs[-1] == 60 and 4 < hole < 59 and hole + 1 not in seqs
    first, _, entries, _ = journal.batch(48, 7680)
    assert first == 1 and len(entries) == hole // 4 * 4
    journal.release(len(entries))
    first, before, entries, last_head = journal.batch(48, 7680)
    assert first == [seq for seq in seqs if seq > hole][0]
    for entry in entries:
        before = event.next_head(before, entry[:-16])
    assert before == last_head and event.kind_of(entries[-1]) == event.SEAL


def test_ring_drops_the_oldest_and_says_so():
    flash = FakeFlash(3)
    journal = begin(flash)
    for _ in range(200):
        append(journal, size=90)
    oldest = chain(journal, 1)[0]
    lost = None
    for _, _, record, _ in chain(journal, 1):
        if event.kind_of(record) == event.EVENTS_LOST:
            lost = event.decode(record).details
    assert lost[event.FIRST_SEQ] + lost[event.COUNT] == oldest[0]
    assert lost[event.SHA256] == oldest[1]
    assert mount(flash).seq == journal.seq


def test_who_reads_slowly_finds_the_next_sector_erased():
    flash = FakeFlash(3)
    journal = begin(flash)
    while journal.seq < 200 or not journal.wants_preparing:
        append(journal, size=90)
    # In the sector before the newest.
    slow = journal._events_from(journal._live_at(len(journal._live) - 2)[0])
    read = [next(slow)[0]]
    journal.prepare()
    read += [seq for seq, _, _, _ in slow]
    assert read == list(range(read[0], read[0] + len(read)))


def test_nothing_is_reported_lost_when_all_was_acknowledged():
    journal = begin(FakeFlash(3))
    for _ in range(200):
        journal.release(append(journal, size=90))
    for _, _, record, _ in journal._events_from(1):
        assert event.kind_of(record) != event.EVENTS_LOST


def test_what_is_lost_is_said_once_for_each_sector_even_after_a_cut():
    flash = FakeFlash(3)
    journal = begin(flash)
    while not any(event.kind_of(record) == event.EVENTS_LOST for _, _, record, _ in journal._events_from(1)):
        before = flash.operations
        image = [bytes(data) for data in flash.data]
        append(journal, size=90)
    said = journal.seq - 1
    # Cut behind the header of the sector that takes the place of events, before the record that says so.
    flash.data = [bytearray(data) for data in image]
    flash.operations, flash.cut_at, flash.how = before, before + 2, "all"
    try:
        append(mount(flash), size=90)
        raise AssertionError("no power cut")
    except PowerCut:
        pass
    again = mount(flash)
    assert again.seq == said - 1
    append(again)
    kinds = [event.kind_of(record) for _, _, record, _ in again._events_from(said)]
    assert kinds == [event.EVENTS_LOST, event.ACCESS]


# What is there at a start.


def test_what_is_missing_is_noticed():
    flash = FakeFlash(4)
    assert Journal(flash, GENESIS, 0, 0, None).is_new
    # The ledger knows of events.
    for acked_seq, epoch in ((0, 1), (3, 0)):
        journal = Journal(flash, GENESIS, acked_seq, epoch, None)
        assert journal.is_broken and not journal.is_new
    epochs = []
    journal = begin(flash, epochs)
    old = bytes(flash.data[0])
    for _ in range(60):
        append(journal, size=60)
    assert not Journal(flash, GENESIS, 0, epochs[-1], None).is_broken
    assert Journal(flash, GENESIS, 0, epochs[-1] + 1, None).is_broken
    # An older copy was put back.
    newest = journal._sector
    flash.data[0][:] = old
    for number in range(newest):
        flash.data[number + 1][:] = b"\xff" * SECTOR_BYTES
        # Step by step: the newest sector is gone last.
        assert Journal(flash, GENESIS, 0, epochs[-1], None).is_broken == (number + 1 == newest)


def test_without_a_key_it_is_broken():
    flash = FakeFlash(4)
    journal = begin(flash)
    for _ in range(5):
        append(journal)
    at = journal._at
    flash.data[0][at - FIELD_BYTES : at] = bytes(FIELD_BYTES)
    journal = Journal(flash, GENESIS, 0, 1, [].append)
    assert journal.is_broken and not journal.is_new
    journal.begin(KEY)
    assert (journal.seq, journal.is_broken) == (0, False)
    assert append(journal) == 1
    assert mount(flash).seq == 1


def test_a_device_that_cannot_be_written_is_read():
    flash = FakeFlash(3)
    journal = begin(flash)
    append(journal)
    append(journal)
    flash.cut_at, flash.how = flash.operations, "prefix"
    try:
        append(journal)
    except PowerCut:
        pass
    flash.cut_at = None
    flash.is_broken = True
    again = mount(flash)
    assert again.seq == 2
    assert_authentic(again, 1, None)


# Cost.


def test_a_full_ring_takes_little_memory():
    flash = FakeFlash(12)
    journal = begin(flash)
    taken = []
    for count in (20, 150):
        while journal.seq < count:
            append(journal, size=160)
        journal = None
        gc.collect()
        before = gc.mem_alloc()
        journal = mount(flash)
        gc.collect()
        taken.append(gc.mem_alloc() - before)
    assert taken[1] - taken[0] < 8 * 24, taken


def test_reading_holds_one_record_at_a_time():
    flash = FakeFlash(6)
    journal = begin(flash)
    for _ in range(80):
        append(journal, size=150)
    append(journal, event.SEAL, 150)
    gc.collect()
    before = gc.mem_alloc()
    most = 0
    for _ in journal._events_from(1):
        gc.collect()
        most = max(most, gc.mem_alloc() - before)
    assert most < 2_048, most


def test_cost_per_event():
    flash = FakeFlash(6)
    journal = begin(flash)
    assert len(make(size=45)(200)) == 60
    for _ in range(300):
        journal.release(append(journal, size=45))
        if journal.wants_preparing:
            journal.prepare()
    operations, erases = flash.operations, flash.erases
    for _ in range(300):
        journal.release(append(journal, size=45))
        if journal.wants_preparing:
            journal.prepare()
    per_event = (flash.operations - operations) / 300, (flash.erases - erases) / 300
    print(per_event)
    assert per_event[0] <= 2.5 and per_event[1] <= 0.05, per_event
