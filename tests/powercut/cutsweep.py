"""The sweep: in front of every operation the image is copied with that operation cut short, and the copy examined."""

import subject
from norflash import WAYS, cut_short


class Broken(Exception):
    """A lock that came up after a power cut is not what it should be."""


def require(is_right: bool, what: str) -> None:
    if not is_right:
        raise Broken(what)


class Tally:
    """What a case counted; `failures` are sentences, of which the first few are kept."""

    def __init__(self) -> None:
        self.operations = 0
        self.cuts = 0
        self.failed = 0
        self.failures: list = []
        self.images = 0
        self.keys_found = 0
        self.figures: dict = {}

    def fail(self, sentence: str) -> None:
        self.failed += 1
        if len(self.failures) < 5:
            self.failures.append(sentence)

    def take(self, hunt) -> None:
        """Adds what a forensics.Hunt found; a key that was found is a failure."""
        self.images += hunt.images
        self.keys_found += hunt.found
        if hunt.found:
            self.failed += hunt.found
            self.failures.append("%d times a past journal key was in the image" % hunt.found)


class Sweep:
    """Cuts every operation on `flash` in every way: `examine(copy)` raises for a copy that is not as it should be.

    With `shares` above 1 it cuts every operation whose number leaves `share` when divided by that. `hunt` scans each
    image for keys of the past. `number` counts the operations that came by.
    """

    def __init__(self, flash, examine, tally, hunt, share: int = 0, shares: int = 1, note: str = "") -> None:
        self._examine = examine
        self._tally = tally
        self._share = share
        self._shares = shares
        self._hunt = hunt
        self._note = note
        self._flash = flash
        self.number = 0

    def start(self) -> None:
        self._flash.before = self._before

    def stop(self) -> None:
        self._flash.before = None

    def _before(self, sector: int, at: int, old: bytes, new: bytes) -> None:
        number = self.number
        self.number += 1
        if number % self._shares != self._share:
            return
        for way in range(len(WAYS)):
            copy = self._flash.copy()
            copy.put(sector, at, cut_short(old, new, way, 5 * number + way))
            self._tally.cuts += 1
            self._hunt.scan(copy.data[sector], at, len(old))
            try:
                self._examine(copy)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is counted and told
                where = "%soperation %d, %s" % (self._note, number, WAYS[way])
                self._tally.fail("%s: %s: %s" % (where, type(error).__name__, error))


class Expected:
    """What a lock has acknowledged: what has to be there after a power cut, and what may be.

    `payloads` maps seqs to payloads, None for a record of the lock's own. `writing` is the payload that is being
    written, None if none is. `acked`, `guesses`, `floors` and each of `uses` list what may be found there.
    """

    def __init__(self, public_key: bytes) -> None:
        self.public_key = public_key
        self.payloads: dict = {}
        self.seq = 0
        self.writing = None
        self.may_lose = False
        self.acked = [0]
        self.guesses = [(0, 0, False)]
        self.floors = [0]
        self.uses: dict = {}

    def copy(self):
        twin = Expected(self.public_key)
        twin.payloads = dict(self.payloads)
        twin.seq = self.seq
        twin.writing = self.writing
        twin.may_lose = self.may_lose
        twin.acked = list(self.acked)
        twin.guesses = list(self.guesses)
        twin.floors = list(self.floors)
        twin.uses = {identity: list(self.uses[identity]) for identity in self.uses}
        return twin

    def append(self, lock, payload: bytes) -> None:
        """Appends an event; from its return on it has to be there."""
        self.writing = payload
        seq = subject.append(lock, payload)
        require(seq == self.seq + 1 or (self.may_lose and seq == self.seq + 2), "appended %d" % seq)
        if seq == self.seq + 2:
            self.payloads[seq - 1] = None
        self.payloads[seq] = payload
        self.seq = seq
        self.writing = None

    def check(self, lock) -> None:
        """Raises Broken or Unsound if the lock, which has just come up, is not as it has to be; else goes by it."""
        require(lock.public_key == self.public_key, "another identity")
        require(not lock.was_lost, "the journal was taken for lost")
        found = subject.pending(lock)
        acked = lock.journal.acked_seq
        require(acked in self.acked, "acknowledged up to %d, not %s" % (acked, self.acked))
        self._check_events(found, lock.journal.seq, acked)
        self.check_kept(lock)
        self._settle(lock, acked)

    def check_kept(self, lock) -> None:
        """Raises Broken if the ledger does not hold what it has to."""
        require(subject.guesses(lock) in self.guesses, "guesses %s, not %s" % (subject.guesses(lock), self.guesses))
        require(subject.floor(lock) in self.floors, "floor %d, not %s" % (subject.floor(lock), self.floors))
        for identity in self.uses:
            count = subject.uses(lock, identity)
            require(count in self.uses[identity], "%d uses, not %s" % (count, self.uses[identity]))

    def _check_events(self, found: list, newest: int, acked: int) -> None:
        first = found[0][0] if found else newest + 1
        require(first == acked + 1 or (self.may_lose and first > acked), "first pending is %d" % first)
        require([seq for seq, _ in found] == list(range(first, newest + 1)), "a gap")
        extra: list = [] if self.writing is None else [self.writing]
        if extra and self.may_lose and newest > self.seq and self._payload(found, self.seq + 1) is None:
            extra.insert(0, None)
        require(self.seq <= newest <= self.seq + len(extra), "newest is %d, not %d" % (newest, self.seq))
        for seq in range(self.seq + 1, newest + 1):
            self.payloads[seq] = extra[seq - self.seq - 1]
        for seq, payload in found:
            require(payload == self.payloads[seq], "record %d says something else" % seq)

    @staticmethod
    def _payload(found: list, wanted: int):
        for seq, payload in found:
            if seq == wanted:
                return payload
        return b""

    def _settle(self, lock, acked: int) -> None:
        self.seq = lock.journal.seq
        self.writing = None
        self.acked = [acked]
        self.guesses = [subject.guesses(lock)]
        self.floors = [subject.floor(lock)]
        for identity in self.uses:
            self.uses[identity] = [subject.uses(lock, identity)]


def make_no_seed() -> bytes:
    """For a lock that has its identity: whoever asks for another one has lost it."""
    raise Broken("a new identity was asked for")


def expect_none(lock) -> Expected:
    """For a lock that does not come up for the first time."""
    raise Broken("a first start")


class Life:
    """Starts a lock on an image, holds it against what is expected, appends twice, and starts it once more.

    With `depth` 1 every operation of that is cut in turn, and the copy lives another life; with 2 those too.
    `first(lock)` returns the Expected of a lock that comes up for the first time, and raises if that is not sound.
    """

    def __init__(self, tally, hunt, first=expect_none, make_seed=make_no_seed) -> None:
        self._tally = tally
        self._hunt = hunt
        self._first = first
        self._make_seed = make_seed

    def live(self, flash, expected, mark: int, doors: dict, depth: int = 0, note: str = "") -> int:
        """Returns how many operations it took; only with `depth` are they counted.

        `expected` is used up, None for a first start. `mark`: see `Script`. `doors`: what the collector knows.
        """
        sweep = None
        if depth:

            def examine(copy) -> None:
                # A collector learns what this life tells it, and nothing of what is cut off from it.
                self.live(copy, expected and expected.copy(), mark, dict(doors), depth - 1)

            sweep = Sweep(flash, examine, self._tally, self._hunt, note=note)
            sweep.start()
        lock = subject.open(flash, make_no_seed if expected else self._make_seed, doors)
        if expected:
            expected.check(lock)
        else:
            expected = self._first(lock)
        self._search(flash, lock, mark)
        for payload in (b"after the cut", b"and again"):
            expected.append(lock, payload)
        flash.before = None
        self._search(flash, lock, mark)
        expected.check(subject.open(flash, make_no_seed, doors))
        return sweep.number if sweep else 0

    def _search(self, flash, lock, mark: int) -> None:
        """Looks for the keys of the newest records: those that this copy made past, or may have left behind."""
        enrolment = lock.enrolment
        first = max(enrolment.seq, lock.journal.seq - 2)
        keys = [enrolment.key(seq) for seq in range(first, lock.journal.seq + 1)]
        self._hunt.search(flash, keys, mark)
