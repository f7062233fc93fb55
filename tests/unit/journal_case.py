"""A journal on a fake flash, its keys, and what has to hold of both."""

from firmware.core import event, ratchet
from firmware.store.journal import Journal

GENESIS = event.genesis(bytes(32))
KEY = bytes(range(100, 132))
SECTOR_BYTES = 4096
# The last ones of each key field, and of each header's.
FIELD_BYTES = 36


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


def begin(flash, epochs=None):
    journal = Journal(flash, GENESIS, 0, 0, (epochs if epochs is not None else []).append)
    assert journal.is_new and not journal.is_broken
    journal.begin(KEY)
    return journal


def mount(flash, acked_seq=0, epoch=1, epochs=None):
    journal = Journal(flash, GENESIS, acked_seq, epoch, (epochs if epochs is not None else []).append)
    assert not journal.is_new and not journal.is_broken
    return journal


def keys_up_to(seq):
    """The keys of events 1 to `seq`."""
    keys = [KEY]
    while len(keys) < seq:
        keys.append(ratchet.following(keys[-1]))
    return keys[:seq]


def found_keys(flash, keys):
    """The numbers (from 1) of those `keys` of which eight bytes in a row lie anywhere in the flash.

    The last three by every eight bytes that they have, those before by four that do not overlap.
    """
    found = set()
    for sector in flash.data:
        for number in range(len(keys)):
            step = 1 if number >= len(keys) - 3 else 8
            for at in range(0, 25, step):
                if sector.find(keys[number][at : at + 8]) >= 0:
                    found.add(number + 1)
    return sorted(found)


def assert_authentic(journal, first_seq, keys):
    """Every record from `first_seq` on has its number, its place in the chain and its tag, and the next key follows."""
    keys = keys_up_to(journal.seq + 1) if keys is None else keys
    seq = first_seq - 1
    head = None
    for seq, before, record, tag in journal._events_from(first_seq):
        assert head in (None, before)
        head = event.next_head(before, record)
        assert event.decode(record).seq == seq == first_seq
        assert tag == ratchet.tag(keys[seq - 1], head)
        first_seq += 1
    assert seq == journal.seq and head in (None, journal.head)
    assert journal.next_key == keys[seq]
