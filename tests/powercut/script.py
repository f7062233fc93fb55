"""A run of events with everything that goes with them: releases, guesses, uses, clock moves, the ring coming round."""

from hashlib import sha256

import subject
from cutsweep import Expected, require

from firmware.core import event

START_S = 1_800_000_000
_LOCKED_OUT_MS = 3_600_000
# Long enough for 15 others to come in between.
_VALID_S = 20_000


class Dice:
    """Numbers that are the same on every interpreter, by the generator of ANSI C's rand."""

    def __init__(self, seed: int) -> None:
        self._state = seed

    def roll(self, sides: int) -> int:
        """Returns 0 to `sides` - 1."""
        self._state = (self._state * 1_103_515_245 + 12_345) & 0x7FFFFFFF
        return (self._state >> 8) % sides


def charged(state: tuple) -> tuple:
    """Returns what (failures, lock-outs, is locked out) becomes by a wrong guess."""
    failures, level, _ = state
    return (failures + 1, level, False) if failures < 4 else (0, min(level + 1, 15), True)


class Script:
    """Plays events on `lock`. `expected` is right at every operation; `mark` says since when a key may lie in flash.

    After every seventh event some are released, but for the newest of `lag` at most; None releases nothing, so that the
    ring overruns. `appended(lock)` is called behind each event.
    """

    def __init__(self, lock, flash, lag, appended=None) -> None:
        self._lock = lock
        self._appended = appended
        self._flash = flash
        self._lag = lag
        self._dice = Dice(1)
        self._now_s = START_S
        self._newest = 0
        self._expires_s = [0] * 15
        self.expected = Expected(lock.public_key)
        self.expected.may_lose = lag is None
        self._marks = [0, 0, 0]
        self._losses: list = []
        self.counts = {"events": 0, "releases": 0, "guesses": 0, "uses": 0, "clock moves": 0}

    @property
    def mark(self) -> int:
        """The operation since which the keys of the newest three records may have been in flash."""
        return self._marks[0]

    def resume(self, lock) -> None:
        """Goes on with a lock that has come up again, after `expected` was checked on it."""
        self._lock = lock

    def play(self, events: int) -> None:
        """Plays so many events more."""
        first = self.counts["events"] + 1
        for number in range(first, first + events):
            self._append(number)
            if self._lag is not None and number % 7 == 0:
                self._release()
            if number % 9 == 4:
                self._guess(self._dice.roll(4) == 0)
            if number % 5 == 2:
                self._use()
            if number % 8 == 6:
                self._move_clock()
            if self._dice.roll(2):
                subject.prepare(self._lock)

    def _append(self, number: int) -> None:
        self._marks = self._marks[1:] + [self._flash.operations]
        payload = b"%d" % number + b"." * (16 + self._dice.roll(96))
        self.expected.append(self._lock, payload)
        self.counts["events"] += 1
        if self._appended:
            self._appended(self._lock)
        if self.expected.may_lose:
            self._check_loss()

    def _check_loss(self) -> None:
        """A record of lost events has to say which and where the chain goes on."""
        for seq, _, record, _ in self._lock.journal._events_from(self.expected.seq - 1):
            if event.kind_of(record) == event.EVENTS_LOST and seq not in self._losses:
                self._losses.append(seq)
                details = event.decode(record).details
                oldest = next(self._lock.journal._events_from(1))
                require(details[event.FIRST_SEQ] + details[event.COUNT] == oldest[0], "the loss has another number")
                require(details[event.SHA256] == oldest[1], "the loss has another head")
                self.counts["losses"] = len(self._losses)

    def _release(self) -> None:
        expected = self.expected
        seq = max(expected.acked[0], expected.seq - 4 - self._dice.roll(self._lag))
        expected.acked = [expected.acked[0], seq]
        subject.release(self._lock, seq)
        expected.acked = [seq]
        self.counts["releases"] += 1

    def _guess(self, is_right: bool) -> None:
        expected = self.expected
        before = expected.guesses[0]
        if before[2]:
            subject.wait(self._lock, _LOCKED_OUT_MS)
            self._now_s += _LOCKED_OUT_MS // 1000
        after = charged((0, before[1], False) if before[2] else before)
        expected.guesses = [before, (0, before[1], False), after] if before[2] else [before, after]
        if is_right:
            expected.guesses.append((0, 0, False))
        subject.guess(self._lock, is_right)
        expected.guesses = [(0, 0, False) if is_right else after]
        self.counts["guesses"] += 1

    def _use(self) -> None:
        """Shows a new credential, or one of the last few a second time, which must not open."""
        expected = self.expected
        is_new = self._dice.roll(3) > 0 or not self._newest
        if is_new:
            self._newest += 1
            # An older one may have lost its row to another once it has expired.
            expected.uses.pop(b"visitor %4d" % (self._newest - 15), None)
            self._expires_s[self._newest % 15] = self._now_s + _VALID_S
        shown = self._newest if is_new else max(1, self._newest - self._dice.roll(15))
        identity = b"visitor %4d" % shown
        before = expected.uses.get(identity, [0])[0]
        expected.uses[identity] = [before, 1]
        expected.floors = [expected.floors[0], self._now_s]
        is_open = subject.use(self._lock, identity, self._expires_s[shown % 15], self._now_s)
        if is_open != (before == 0):
            raise AssertionError("a single-use credential opened twice, or not at all")
        expected.uses[identity] = [1]
        expected.floors = [subject.floor(self._lock)]
        self.counts["uses"] += 1

    def _move_clock(self) -> None:
        """Tells a later time, or one that lies an hour back and is refused."""
        expected = self.expected
        before = expected.floors[0]
        # Before it was told any time, the lock takes what it is told first.
        is_back = self._dice.roll(4) == 0 and before > 0
        told_s = self._now_s - 3_600 if is_back else self._now_s + 1 + self._dice.roll(300)
        if not is_back:
            self._now_s = told_s
        expected.floors = [before, self._now_s]
        expected.floors = [max(before, subject.floor(self._lock, told_s))]
        if not is_back and expected.floors[0] != told_s:
            raise AssertionError("the clock floor did not move")
        self.counts["clock moves"] += 1


class Seeds:
    """Makes seeds that are never the same twice and the same in every run; call it."""

    def __init__(self, name: bytes) -> None:
        self._name = name
        self._count = 0

    def __call__(self) -> bytes:
        self._count += 1
        return sha256(self._name + b"%d" % self._count).digest()
