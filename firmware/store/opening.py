"""Opens the journal at a start, with the identity that it belongs to. Needed once, then let go.

A journal that is lost is begun anew under a new identity, so that no number is given twice: its chain is another one.
Until the event that says so is in the new journal, the ledger keeps a mark in place of the journal's epoch, and a cut
at any moment only means that the same is done again.
"""

import sys

import ed25519
from constant import const

from firmware.core import event
from firmware.store import entry, ledger, sector
from firmware.store.journal import Journal

# In place of the epoch: the journal is to be begun anew; it was, and no event says so yet. No seq gets there.
_LOST = const(0xFFFFFFFF)
_UNSAID = const(0xFFFFFFFE)

# From store.entry.
_FIRST_AT = const(88)
_FIELD_BYTES = const(36)


def open_journal(flash, kept, make_seed) -> tuple:
    """Returns (journal, seed of the door's Ed25519 key, whether an earlier journal was lost).

    `kept` is the ledger, `make_seed()` returns 32 random bytes. Whoever is told of a loss writes JOURNAL_LOST right
    behind BOOT. Raises FlashError.
    """
    epoch = kept.integer(ledger.JOURNAL_EPOCH)
    is_unsaid = epoch == _UNSAID
    seed = kept.get(ledger.IDENTITY)

    def keep_epoch(seq: int) -> None:
        # A new ring that nobody was told of goes on being one until its first sector is full.
        kept.put_integer(ledger.JOURNAL_EPOCH, _UNSAID if is_unsaid and seq == 1 else seq)

    journal = Journal(flash, b"", kept.integer(ledger.ACKED_SEQ), 1 if is_unsaid else epoch, keep_epoch)
    # A journal without an identity is the rest of a ledger that was lost.
    if journal.is_broken or (seed is None and not journal.is_new):
        kept.put_integer(ledger.JOURNAL_EPOCH, _LOST)
        kept.put_integer(ledger.ACKED_SEQ, 0)
        seed = None
        is_unsaid = journal.is_new = True
    if seed is None:
        seed = make_seed()
        kept.put(ledger.IDENTITY, seed)
    if journal.is_new:
        journal.head = event.genesis(ed25519.public_key(seed))
        journal.begin(make_seed())
    elif is_unsaid and _says_lost(flash):
        is_unsaid = False
        keep_epoch(1)
    # Not the function above, which would keep this module in the heap.
    journal.keep_epoch = kept.keep_epoch
    _let_go()
    return journal, seed, is_unsaid


def _says_lost(flash) -> bool:
    """Whether any record says that a journal was lost. So far none but the first sectors can have been opened."""
    for number in range(sector.count(flash)):
        # One without a header was passed by, or not come to yet.
        at = _FIRST_AT if entry.header_at(flash, number) else sector.SECTOR_BYTES
        while True:
            at, body = entry.body_from(flash, number, at)
            if not body:
                break
            if event.kind_of(body) == event.JOURNAL_LOST:
                return True
            at += len(body) + sector.OVERHEAD_BYTES + _FIELD_BYTES
    return False


def _let_go() -> None:
    # Unless it lies in the same file as this module.
    if sys.modules.pop("firmware.store.mounting", None):
        delattr(sys.modules["firmware.store"], "mounting")
