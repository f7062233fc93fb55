import gc

from fake_flash import WAYS, FakeFlash, PowerCut

from firmware.core import event
from firmware.core.errors import FlashError
from firmware.store.journal import Journal

GENESIS = event.genesis(bytes(32))


def make(kind=event.ACCESS, size=0):
    return lambda seq: event.Event(seq, kind, 1, 1000 * seq, None, {event.NAME: "x" * size}).encode()


def make_lost(seq, first_seq, count, head):
    return event.Event(
        seq, event.EVENTS_LOST, 1, 0, None, {event.FIRST_SEQ: first_seq, event.COUNT: count, event.SHA256: head}
    ).encode()


def append(journal, kind=event.ACCESS, size=0):
    return journal.append(make(kind, size), make_lost)


def chain(journal, first_seq):
    return list(journal._events_from(first_seq))


def test_empty_journal_starts_at_genesis():
    journal = Journal(FakeFlash(4), GENESIS, 0)
    assert (journal.seq, journal.head, journal.batch(48, 7680)) == (0, GENESIS, None)


def test_events_survive_a_remount_in_order_with_their_chain():
    flash = FakeFlash(8)
    journal = Journal(flash, GENESIS, 0)
    for _ in range(150):
        append(journal, size=40)
    again = Journal(flash, GENESIS, 0)
    assert (again.seq, again.head) == (150, journal.head)
    head = GENESIS
    for seq, before, record in again._events_from(1):
        assert before == head
        assert event.decode(record).seq == seq
        head = event.next_head(head, record)
    assert head == journal.head and seq == 150


def test_batch_ends_with_a_seal_and_moves_on_after_release():
    journal = Journal(FakeFlash(4), GENESIS, 0)
    append(journal)
    append(journal)
    assert journal.batch(48, 7680) is None
    append(journal, event.SEAL)
    append(journal)
    first, head, records, last_head = journal.batch(48, 7680)
    assert (first, head, len(records)) == (1, GENESIS, 3)
    assert event.kind_of(records[-1]) == event.SEAL
    for record in records:
        head = event.next_head(head, record)
    assert head == last_head
    journal.release(3)
    assert journal.batch(48, 7680) is None
    append(journal, event.SEAL)
    first, head, records, _ = journal.batch(48, 7680)
    assert (first, head, len(records)) == (4, last_head, 2)


def test_batch_stays_inside_its_bounds():
    journal = Journal(FakeFlash(8), GENESIS, 0)
    for _ in range(20):
        append(journal, size=100)
        append(journal, event.SEAL, 100)
    assert len(journal.batch(10, 7680)[2]) == 10
    first, _, records, _ = journal.batch(48, 1000)
    assert sum(len(record) for record in records) <= 1000 and first == 1


def test_batch_ends_at_the_first_seal_behind_enough():
    journal = Journal(FakeFlash(8), GENESIS, 0)
    for seq in range(1, 31):
        append(journal, event.SEAL if seq % 10 == 0 else event.ACCESS, size=60)
    assert len(journal.batch(48, 7680, 1)[2]) == 10
    assert len(journal.batch(48, 7680, 1000)[2]) == 20
    assert len(journal.batch(48, 7680, 7680)[2]) == 30
    first, _, records, last_head = journal.batch(48, 7680, 1000)
    assert first == 1 and last_head == event.next_head(chain(journal, 20)[0][1], records[-1])


def test_ring_drops_the_oldest_and_says_so():
    flash = FakeFlash(3)
    journal = Journal(flash, GENESIS, 0)
    for _ in range(200):
        append(journal, size=90)
    kinds = [event.kind_of(record) for _, _, record in chain(journal, 1)]
    assert event.EVENTS_LOST in kinds
    oldest = chain(journal, 1)[0]
    lost = 0
    for _, _, record in chain(journal, 1):
        if event.kind_of(record) == event.EVENTS_LOST:
            found = event.decode(record).details
            lost = found[event.FIRST_SEQ] + found[event.COUNT] - 1
            last = found
    assert lost == oldest[0] - 1
    assert last[event.SHA256] == oldest[1]
    assert Journal(flash, GENESIS, 0).seq == journal.seq


def test_nothing_is_reported_lost_when_all_was_acknowledged():
    journal = Journal(FakeFlash(3), GENESIS, 0)
    for _ in range(200):
        journal.release(append(journal, size=90))
    for _, _, record in journal._events_from(1):
        assert event.kind_of(record) != event.EVENTS_LOST


def test_power_cut_at_every_operation_loses_no_acknowledged_event():
    cut_at = 0
    cases = 0
    while True:
        for how in WAYS:
            flash = FakeFlash(3)
            journal = Journal(flash, GENESIS, 0)
            flash.cut_at = cut_at
            flash.how = how
            done = 0
            try:
                for _ in range(75):
                    done = append(journal, size=100)
                    journal.release(done - 20)
            except PowerCut:
                pass
            cases += 1
            was_cut = flash.operations > cut_at
            flash.cut_at = None
            again = Journal(flash, GENESIS, max(0, done - 20))
            assert done <= again.seq <= done + 1, (cut_at, how, done, again.seq)
            kept = chain(again, max(1, done - 19))
            assert [seq for seq, _, _ in kept] == list(range(max(1, done - 19), again.seq + 1)), (cut_at, how)
            seq = append(again)
            assert seq == again.seq and event.decode(chain(again, seq)[0][2]).seq == seq
            head = Journal(flash, GENESIS, 0).head
            assert head == again.head
        if not was_cut:
            break
        # Every sixth operation here; the whole sweep has its own target.
        cut_at += 6
    assert cases > 60


def test_torn_record_is_never_built_upon():
    flash = FakeFlash(3)
    journal = Journal(flash, GENESIS, 0)
    append(journal)
    flash.cut_at, flash.how = flash.operations, "prefix"
    try:
        append(journal)
        raise AssertionError("no power cut")
    except PowerCut:
        pass
    again = Journal(flash, GENESIS, 0)
    assert again.seq == 1
    assert append(again) == 2
    assert [seq for seq, _, _ in chain(Journal(flash, GENESIS, 0), 1)] == [1, 2]


def test_a_full_ring_takes_little_memory():
    flash = FakeFlash(12)
    journal = Journal(flash, GENESIS, 0)
    taken = []
    for count in (20, 180):
        while journal.seq < count:
            append(journal, size=160)
        journal = None
        gc.collect()
        before = gc.mem_alloc()
        journal = Journal(flash, GENESIS, 0)
        gc.collect()
        taken.append(gc.mem_alloc() - before)
    assert taken[1] - taken[0] < 8 * 24, taken


def test_broken_flash_raises_and_keeps_the_chain_where_it_was():
    flash = FakeFlash(8)
    journal = Journal(flash, GENESIS, 0)
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


def test_cost_per_event():
    flash = FakeFlash(6)
    journal = Journal(flash, GENESIS, 0)
    for _ in range(400):
        journal.release(append(journal, size=40))
    assert flash.operations / 400 <= 2.5
    assert flash.erases / 400 <= 0.05
