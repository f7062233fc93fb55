"""The journal at a start: a first one, one after a loss, and the power cut anywhere in either."""

import sys

import ed25519
from fake_flash import WAYS, FakeFlash, PowerCut
from journal_case import append, assert_authentic, found_keys, make

from firmware.core import event, ratchet
from firmware.store import ledger
from firmware.store.ledger import Ledger
from firmware.store.opening import open_journal

LEDGER_SECTORS = 2
SECTORS = 5
ERASED = b"\xff" * 4096


class Partition:
    """Some sectors of a flash, from `first` on."""

    def __init__(self, flash, first, count):
        self._flash = flash
        self._first = first
        self._count = count

    def readblocks(self, block, buffer, offset=0):
        self._flash.readblocks(self._first + block, buffer, offset)

    def writeblocks(self, block, buffer, offset=0):
        self._flash.writeblocks(self._first + block, buffer, offset)

    def ioctl(self, operation, argument):
        return self._count if operation == 4 else self._flash.ioctl(operation, self._first + argument)


class Lock:
    """The start of a lock, as far as the journal goes; then it has written what every start writes."""

    made = 0

    def __init__(self, flash):
        self.flash = flash
        self.kept = Ledger(Partition(flash, 0, LEDGER_SECTORS))
        partition = Partition(flash, LEDGER_SECTORS, SECTORS - LEDGER_SECTORS)
        self.journal, self.seed, self.was_lost = open_journal(partition, self.kept, self.make_seed)
        self.first_key = self.journal.next_key
        append(self.journal, event.BOOT)
        if self.was_lost:
            append(self.journal, event.JOURNAL_LOST)

    def make_seed(self):
        Lock.made += 1
        return bytes([Lock.made & 255]) * 31 + bytes([Lock.made >> 8])

    @staticmethod
    def is_first_torn(flash):
        """Whether the first sector of the journal has a sound header and, behind it, half an entry."""
        first = flash.data[LEDGER_SECTORS]
        return first[0:4] == b"LBJ2" and first[88:92] != ERASED[88:92]

    @property
    def kinds(self):
        return [event.kind_of(record) for _, _, record, _ in self.journal._events_from(1)]

    @property
    def genesis(self):
        return next(self.journal._events_from(1))[1]


def start(flash):
    """Starts a lock on flash that was cut; returns it."""
    flash.cut_at = None
    return Lock(flash)


def cut_start(flash, operation, how):
    """Starts a lock and cuts its power at its operation number `operation`; returns whether it came so far."""
    flash.cut_at, flash.how = flash.operations + operation, how
    try:
        Lock(flash)
    except PowerCut:
        return True
    return False


def test_a_first_start_makes_identity_and_key_once():
    flash = FakeFlash(SECTORS)
    lock = Lock(flash)
    assert not lock.was_lost and lock.kinds == [event.BOOT] and lock.first_key != lock.seed
    assert lock.genesis == event.genesis(ed25519.public_key(lock.seed))
    again = Lock(flash)
    assert not again.was_lost and again.seed == lock.seed and again.first_key == ratchet.following(lock.first_key)
    assert again.kinds == [event.BOOT, event.BOOT] and again.kept.integer(ledger.JOURNAL_EPOCH) == 1


def test_what_is_needed_once_is_let_go():
    Lock(FakeFlash(SECTORS))
    assert "firmware.store.mounting" not in sys.modules
    assert not hasattr(sys.modules["firmware.store"], "mounting")


def test_a_first_start_cut_anywhere_comes_up_with_one_identity():
    flash = FakeFlash(SECTORS)
    operation = 0
    is_cut = True
    while is_cut:
        for how in WAYS:
            flash.reset()
            is_cut = cut_start(flash, operation, how)
            lock = start(flash)
            assert not lock.was_lost and set(lock.kinds) == {event.BOOT} and lock.journal.seq <= 2, (operation, how)
            assert lock.genesis == event.genesis(ed25519.public_key(lock.seed))
            again = Lock(flash)
            assert (again.seed, again.journal.seq) == (lock.seed, lock.journal.seq + 1)
        operation += 1
    assert operation > 6


def lose_journal(flash):
    """Makes a lock with events and erases its journal; returns its seed."""
    flash.reset()
    lock = Lock(flash)
    for number in range(LEDGER_SECTORS, SECTORS):
        flash.data[number][:] = ERASED
    return lock.seed


def test_a_lost_journal_is_another_chain_and_says_so_once():
    flash = FakeFlash(SECTORS)
    seed = lose_journal(flash)
    lock = Lock(flash)
    assert lock.was_lost and lock.kinds == [event.BOOT, event.JOURNAL_LOST]
    assert lock.seed != seed and lock.genesis == event.genesis(ed25519.public_key(lock.seed))
    assert lock.kept.integer(ledger.ACKED_SEQ) == 0
    again = Lock(flash)
    assert not again.was_lost and again.seed == lock.seed
    assert again.kinds == [event.BOOT, event.JOURNAL_LOST, event.BOOT]
    assert again.kept.integer(ledger.JOURNAL_EPOCH) == 1
    # Lost again.
    for number in range(LEDGER_SECTORS, SECTORS):
        flash.data[number][:] = ERASED
    assert Lock(flash).was_lost


def test_a_journal_that_is_lost_before_it_said_so_is_lost_again():
    flash = FakeFlash(SECTORS)
    lose_journal(flash)
    assert cut_start(flash, 30, "all") is False
    flash.cut_at = None
    seed = Ledger(Partition(flash, 0, LEDGER_SECTORS)).get(ledger.IDENTITY)
    for number in range(LEDGER_SECTORS, SECTORS):
        flash.data[number][:] = ERASED
    lock = Lock(flash)
    assert lock.was_lost and lock.seed != seed


def test_a_first_record_that_is_torn_makes_no_loss_of_two():
    flash = FakeFlash(SECTORS)
    lose_journal(flash)
    # Up to the entry that would be the first one of the new journal.
    operation = 0
    while not Lock.is_first_torn(flash):
        lose_journal(flash)
        assert cut_start(flash, operation, "prefix")
        operation += 1
    lock = start(flash)
    assert lock.was_lost and lock.journal.seq == 2 and lock.journal._sector == 0
    again = Lock(flash)
    assert not again.was_lost and again.kinds == [event.BOOT, event.JOURNAL_LOST, event.BOOT]


def test_an_older_copy_of_the_journal_is_noticed():
    flash = FakeFlash(SECTORS)
    lock = Lock(flash)
    image = bytes(flash.data[LEDGER_SECTORS])
    while lock.kept.integer(ledger.JOURNAL_EPOCH) == 1:
        append(lock.journal, size=100)
    assert flash.data[LEDGER_SECTORS + 1] != ERASED
    flash.data[LEDGER_SECTORS][:] = image
    flash.data[LEDGER_SECTORS + 1][:] = ERASED
    again = Lock(flash)
    assert again.was_lost and again.seed != lock.seed and again.kinds == [event.BOOT, event.JOURNAL_LOST]


def test_a_lost_ledger_makes_another_lock_of_it():
    flash = FakeFlash(SECTORS)
    lock = Lock(flash)
    for number in range(LEDGER_SECTORS):
        flash.data[number][:] = ERASED
    again = Lock(flash)
    assert again.was_lost and again.seed != lock.seed and again.kinds == [event.BOOT, event.JOURNAL_LOST]


def test_making_up_for_a_loss_may_be_cut_anywhere():
    flash = FakeFlash(SECTORS)
    seed = lose_journal(flash)
    # All else is erased.
    image = bytes(flash.data[0])
    operation = 0
    is_cut = True
    while is_cut:
        for how in WAYS:
            flash.reset()
            flash.data[0][:] = image
            # Something of the journal is still there, so that it has to be erased.
            flash.data[LEDGER_SECTORS + 1][100:200] = bytes(100)
            is_cut = cut_start(flash, operation, how)
            lock = start(flash)
            case = operation, how, lock.kinds
            assert lock.seed != seed and lock.kinds.count(event.JOURNAL_LOST) == 1, case
            assert set(lock.kinds) == {event.BOOT, event.JOURNAL_LOST} and lock.kinds[0] == event.BOOT, case
            assert lock.genesis == event.genesis(ed25519.public_key(lock.seed))
        operation += 1
    assert operation > 10


def test_no_key_of_the_lost_journal_is_left():
    flash = FakeFlash(SECTORS)
    lock = Lock(flash)
    for _ in range(50):
        append(lock.journal, size=100)
    keys = [lock.first_key]
    while len(keys) <= lock.journal.seq:
        keys.append(ratchet.following(keys[-1]))
    assert found_keys(flash, keys) == [len(keys)]
    lock.kept.put_integer(ledger.JOURNAL_EPOCH, 1_000)
    again = Lock(flash)
    assert again.was_lost and found_keys(flash, keys) == []
    assert make(event.BOOT)(1) == next(again.journal._events_from(1))[2]
    assert_authentic(again.journal, 1, [again.first_key, ratchet.following(again.first_key), again.journal.next_key])
