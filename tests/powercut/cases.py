"""The cases of the sweep by name: each plays a share of its work and returns a Tally."""

import deliveries
import subject
from cutsweep import Expected, Life, Sweep, Tally, make_no_seed, require
from forensics import Hunt
from norflash import SECTOR_BYTES, WAYS, Cutter, NorFlash, PowerCut
from script import Dice, Script, Seeds

from firmware.core import event

SECTORS = subject.SECTORS_LEAST


# So many events bring the ring of the smallest device round.
_ROUND = 400


def _play(tally, events: int, lag, share: int, shares: int, depth: int = 0, flash=None, before: int = 0) -> Tally:
    """Plays a Script with every operation of it cut, and `depth` more cuts after each of those.

    `before` events come first that nothing is cut in.
    """
    flash = flash or NorFlash(SECTORS)
    doors: dict = {}
    lock = subject.fresh(flash, Seeds(b"door"), doors)
    hunt = Hunt()
    script = Script(lock, flash, lag, lambda lock: hunt.add(lock.enrolment.key(lock.journal.seq)))
    life = Life(tally, hunt)

    def examine(copy) -> None:
        life.live(copy, script.expected.copy(), script.mark, doors, depth)

    sweep = Sweep(flash, examine, tally, hunt, share, shares)
    try:
        script.play(before)
        sweep.start()
        script.play(events)
    except Exception as error:  # noqa: BLE001 - a run that does not get to its end has failed as well
        tally.fail("the run itself: %s: %s" % (type(error).__name__, error))
    sweep.stop()
    tally.operations = sweep.number
    # What was never looked at because it did not change is looked at once in the end.
    for sector in flash.data:
        hunt.scan(sector, 0, SECTOR_BYTES)
    tally.take(hunt)
    tally.figures = script.counts
    tally.figures["erases"] = flash.erases
    return tally


def cut_events(share: int, shares: int, size: int, flash=None) -> Tally:
    """A run of `size` events with releases, the ring coming round, guesses, uses and clock moves."""
    return _play(Tally(), size, 40, share, shares, flash=flash)


def cut_overrun(share: int, shares: int, size: int) -> Tally:
    """A run without a network: the ring is full of what nobody released, and overwrites the oldest."""
    return _play(Tally(), size, None, share, shares, before=_ROUND)


def cut_pairs(share: int, shares: int, size: int) -> Tally:
    """Every pair of cuts: the first in a run of `size` events, the second in the start after it and two more events."""
    return _play(Tally(), size, 4, share, shares, depth=1, before=_ROUND)


def cut_in_a_row(share: int, shares: int, size: int) -> Tally:
    """One lock that lives through `size` cuts one after the other, with what each of them left behind."""
    tally = Tally()
    flash = NorFlash(SECTORS)
    doors: dict = {}
    hunt = Hunt()
    lock = subject.fresh(flash, Seeds(b"door"), doors)
    script = Script(lock, flash, 20, lambda lock: hunt.add(lock.enrolment.key(lock.journal.seq)))
    dice = Dice(3)
    for number in range(size):
        Cutter(flash, dice.roll(30), dice.roll(len(WAYS)), number)
        try:
            while True:
                script.play(1)
        except PowerCut:
            tally.cuts += 1
        flash.before = None
        try:
            lock = subject.open(flash, make_no_seed, doors)
            script.expected.check(lock)
        except Exception as error:  # noqa: BLE001 - nothing of it is right any more
            tally.fail("cut %d: %s: %s" % (number, type(error).__name__, error))
            break
        script.resume(lock)
        keys = [lock.enrolment.key(seq) for seq in range(max(1, lock.journal.seq - 2), lock.journal.seq + 1)]
        hunt.search(flash, keys, 0)
    for sector in flash.data:
        hunt.scan(sector, 0, SECTOR_BYTES)
    tally.take(hunt)
    tally.operations = flash.operations
    tally.figures = script.counts
    return tally


def cut_first_start(share: int, shares: int, size: int) -> Tally:
    """A first start cut anywhere, `size` times in a row."""

    def first(lock) -> Expected:
        head = event.genesis(lock.public_key)
        require((lock.journal.seq, lock.journal.head, lock.was_lost) == (0, head, False), "half a first start")
        return Expected(lock.public_key)

    tally = Tally()
    hunt = Hunt()
    tally.operations = Life(tally, hunt, first, Seeds(b"first")).live(NorFlash(SECTORS), None, 0, {}, size)
    tally.take(hunt)
    return tally


def _erase_all(flash, first: int, newest: int) -> None:
    for sector in range(first, SECTORS):
        flash.put(sector, 0, b"\xff" * SECTOR_BYTES)


def _clear_all(flash, first: int, newest: int) -> None:
    for sector in range(first, SECTORS):
        flash.put(sector, 0, bytes(SECTOR_BYTES))


def _spoil_all(flash, first: int, newest: int) -> None:
    noise = Seeds(b"noise")
    for sector in range(first, SECTORS):
        for at in range(0, SECTOR_BYTES, 32):
            flash.put(sector, at, noise())


def _erase_newest(flash, first: int, newest: int) -> None:
    flash.put(newest, 0, b"\xff" * SECTOR_BYTES)


LOSSES = (_erase_all, _clear_all, _spoil_all, _erase_newest)


def cut_lost_journal(share: int, shares: int, size: int) -> Tally:
    """The start after the journal was lost, in each of four ways, cut anywhere, `size` times in a row."""
    tally = Tally()
    for number, lose in enumerate(LOSSES):
        if number % shares == share:
            _lose(tally, lose, size)
    return tally


def _lose(tally, lose, depth: int) -> None:
    flash = NorFlash(SECTORS)
    lock = subject.fresh(flash, Seeds(b"door"), {})
    script = Script(lock, flash, 20)
    script.play(70)
    kept = script.expected
    # The sector that was written last holds the newest events.
    before = list(flash.changed)
    kept.append(lock, b"the last one")
    newest = [number for number in range(SECTORS) if flash.changed[number] != before[number]][-1]
    lose(flash, SECTORS // 4, newest)

    def first(lock) -> Expected:
        require(lock.public_key != kept.public_key, "the identity of the lost journal")
        require(subject.pending(lock) == [(1, None)], "the new journal does not begin with its loss")
        _, _, record, _ = next(lock.journal._events_from(1))
        require(event.kind_of(record) == event.JOURNAL_LOST, "the first event is another one")
        expected = kept.copy()
        expected.public_key = lock.public_key
        expected.payloads = {1: None}
        expected.seq = 1
        expected.acked = [0]
        # What guards against guesses, second uses and a clock that is pulled back was not lost.
        expected.check_kept(lock)
        return expected

    hunt = Hunt()
    life = Life(tally, hunt, first, Seeds(b"second"))
    tally.operations += life.live(flash, None, 0, {}, depth, lose.__name__ + ": ")
    tally.take(hunt)


CASES = {
    "events": cut_events,
    "overrun": cut_overrun,
    "pairs": cut_pairs,
    "in a row": cut_in_a_row,
    "first start": cut_first_start,
    "lost journal": cut_lost_journal,
    "guesses": deliveries.cut_guesses,
    "uses": deliveries.cut_uses,
    "clock": deliveries.cut_clock,
}
