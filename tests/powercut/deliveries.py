"""Power cuts while somebody is at the door: the lock's own way from what was shown to the strike, over the real stores.

Everything between keypad or badge and strike is the lock's own code; only the strike, the lamp and the camera are not.
"""

import subject
from cutsweep import Tally
from norflash import WAYS, Cutter, NorFlash, PowerCut
from script import START_S, Seeds

from firmware.core import event, keycode
from firmware.core.attention import Attention
from firmware.reader.presentation import CODE, Presentation
from firmware.store.trail import Trail
from firmware.task.access import Access
from firmware.task.entry import Entry
from firmware.task.gate import Gate
from firmware.task.timekeeping import Timekeeping

_YEAR_S = 365 * 86_400
_MINUTE_S = 60
# A lock-out is over after an hour at most.
_LOCKED_OUT_S = 3_600
# After so many the code that opens is typed once: the kept number of lock-outs ends at 15.
_LOCKOUTS = 10


class Checker(keycode.Checker):
    """Counts the codes that it looked at."""

    looks = 0

    def check(self, digits: str, time_s):
        self.looks += 1
        return keycode.Checker.check(self, digits, time_s)


class Issuer:
    """Signs nothing and believes everything: signatures are not what is tried here."""

    name = "issuer"

    def verify(self, message: bytes, signature: bytes) -> bool:
        return True


class Door:
    """A lock that is switched on, with all that decides at its door. `opened` counts what the strike was told."""

    make_access = Access
    make_throttle = subject.Throttle
    last = b""

    def __init__(self, flash, doors: dict) -> None:
        self.lock = lock = subject.open(flash, Seeds(b"door"), doors)
        self.uptime_ms = 0
        self.opened = 0
        self.reasons: list = []
        kept = lock.kept
        self._trail = Trail(lock.journal, subject.DOOR, 1, self, lock.clock, lambda message: bytes(64))
        self.timekeeping = Timekeeping(lock.clock, kept, self._trail, lock.neighbours, self)
        self.checker = Checker(subject.CODE_KEY, subject.TAG)
        self.throttle = self.make_throttle(kept.throttle(), kept.put_throttle, 0)
        access = self.make_access(kept, None, self, self._release, self)
        self._access = access
        attention = Attention()
        self.entry = Entry(
            None, self.checker, self.throttle, kept, access, self, self, attention, self, self.timekeeping
        )
        self._gate = Gate(
            lock.neighbours, {subject.KID: Issuer()}, kept, lock.clock, self.timekeeping, self, None, self, None
        )

    # The neighbors of the entry: uptime, trail, indicator, strike.

    def now_ms(self) -> int:
        return self.uptime_ms

    def record(self, kind: int, details: dict) -> int:
        seq = self._trail.record(kind, details)
        if kind == event.ACCESS:
            self.reasons.append(details[event.REASON])
        return seq

    def show(self, pattern) -> None:
        pass

    def is_revoked(self, key: bytes) -> int:
        return 0

    def _release(self, access_seq: int) -> None:
        self.opened += 1

    # What people do.

    def type(self, digits: str) -> None:
        """Types a code."""
        self.entry._end_lockout(self.uptime_ms)
        finish(self.entry._serve(Presentation(CODE, digits)))

    def show_badge(self, identity: bytes, expires_s: int, uses) -> None:
        """Holds a badge to the reader."""
        decision = self._gate.judge(subject.badge(identity, expires_s, uses), event.BADGE)
        finish(self._access.act(decision))

    def tell(self, time_s: int) -> None:
        """A time server answers."""
        self.timekeeping.tell(time_s, 1, 0, "network")


def finish(coroutine):
    """Runs what never really waits to its end."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits for something")


def guesses_of(state: tuple) -> int:
    """Returns how many wrong codes (failures, lock-outs, is locked out) stands for."""
    return 5 * state[1] + state[0]


def _acknowledge(lock) -> None:
    """A collector takes everything, so that no round has an effect on the next one."""
    subject.release(lock, lock.journal.seq)


def cut_guesses(share: int, shares: int, size: int, make_door=Door) -> Tally:
    """`size` cuts while wrong codes are typed: is there one that was looked at and is not counted after the cut?"""
    tally = Tally()
    flash = NorFlash(subject.SECTORS_LEAST)
    doors: dict = {}
    figures = {"looked at": 0, "counted": 0, "lock-outs": 0}
    number = 0
    while tally.cuts < size:
        door = make_door(flash, doors)
        _acknowledge(door.lock)
        before = subject.guesses(door.lock)
        if before[1] >= _LOCKOUTS:
            door.uptime_ms += 1000 * _LOCKED_OUT_S
            door.tell(subject.RIGHT_CODE_S)
            door.type(subject.RIGHT_CODE)
            before = subject.guesses(door.lock)
            door = make_door(flash, doors)
        door.tell(subject.RIGHT_CODE_S)
        if before[2]:
            figures["lock-outs"] += 1
            # Not before time is up, whatever the power did.
            door.type(subject.WRONG_CODE)
            if door.checker.looks:
                tally.fail("round %d: a code was looked at during a lock-out" % number)
            door.uptime_ms += 1000 * _LOCKED_OUT_S
        Cutter(flash, number % 7, number // 7 % len(WAYS), number)
        tally.cuts += _is_cut(tally, flash, door.type, (subject.WRONG_CODE,))
        counted = guesses_of(subject.open(flash, Seeds(b"door"), doors).kept.throttle()) - guesses_of(before)
        figures["looked at"] += door.checker.looks
        figures["counted"] += counted
        if door.checker.looks > counted:
            tally.fail("round %d: a code was looked at and does not count" % number)
        number += 1
    tally.figures = figures
    tally.operations = flash.operations
    return tally


def _is_cut(tally, flash, function, arguments) -> bool:
    """Calls `function`; returns whether the power was cut in it."""
    try:
        function(*arguments)
    except PowerCut:
        return True
    finally:
        flash.before = None
    return False


def cut_uses(share: int, shares: int, size: int, make_door=Door) -> Tally:
    """`size` cuts while something that opens once is shown three times: does it open twice?"""
    tally = Tally()
    flash = NorFlash(subject.SECTORS_LEAST)
    doors: dict = {}
    figures = {"shown": 0, "opened": 0, "spent in vain": 0}
    number = 0
    while tally.cuts < size:
        now_s = START_S + _MINUTE_S * number + 86_400 * (number // 200)
        opened = 0
        for attempt in range(3):
            door = make_door(flash, doors)
            _acknowledge(door.lock)
            door.tell(now_s)
            if attempt < 2:
                Cutter(flash, (number + 3 * attempt) % 8, (number // 8 + attempt) % len(WAYS), number)
            if number % 2:
                window = keycode.window_at(keycode.SINGLE_USE, now_s)
                code = keycode.mint(subject.CODE_KEY, subject.TAG, keycode.SINGLE_USE, number // 2 % 100, window)
                tally.cuts += _is_cut(tally, flash, door.type, (code,))
            else:
                shown = (b"visitor %6d" % number, now_s + 10 * _MINUTE_S, 1)
                tally.cuts += _is_cut(tally, flash, door.show_badge, shown)
            figures["shown"] += 1
            opened += door.opened
        figures["opened"] += opened
        figures["spent in vain"] += not opened
        if opened > 1:
            tally.fail("round %d: opened %d times" % (number, opened))
        number += 1
    tally.figures = figures
    tally.operations = flash.operations
    return tally


# What a forged or broken time server says after the cut, as seconds from the right time; None for nothing.
TOLD_S = (-_YEAR_S, -86_400, -3_600, -_MINUTE_S - 10, 10 * _YEAR_S, None)


def cut_clock(share: int, shares: int, size: int, make_door=Door) -> Tally:
    """`size` cuts around a credential and a code that expire, then a wrong time: does either open once more?

    What has expired is either known to the lock for a minute, or it was refused as expired before the cut.
    """
    tally = Tally()
    figures = {"valid, opened": 0, "expired, shown": 0, "expired, opened": 0, "time unknown": 0}
    figures["valid, opened after"] = 0
    number = 0
    while tally.cuts < size:
        # A lock of its own each time, so that no wrong time is left over from the round before.
        flash = NorFlash(subject.SECTORS_LEAST)
        _play_clock(flash, number, tally, figures, make_door)
        tally.operations += flash.operations
        number += 1
    tally.figures = figures
    return tally


def _play_clock(flash, number: int, tally, figures: dict, make_door) -> None:
    """One round: valid, expired, cut somewhere, and then the wrong time."""
    start_s = START_S + 2 * 3_600 * number
    identity = b"visitor %6d" % number
    expires_s = start_s + 600
    window = keycode.window_at(0, start_s)
    code = keycode.mint(subject.CODE_KEY, subject.TAG, 0, number % 100, window)
    code_end_s = keycode.window_bounds(0, window)[1]

    doors: dict = {}
    door = make_door(flash, doors)
    door.tell(start_s)
    door.show_badge(identity, expires_s, None)
    door.type(code)
    figures["valid, opened"] += door.opened
    if door.opened != 2:
        tally.fail("round %d: what was valid did not open" % number)
    # Time passes, the floor goes to flash every minute, and somebody comes when it is over.
    over_s = max(expires_s, code_end_s)
    is_refused = number % 2
    late_s = over_s - start_s + (1 if is_refused else _MINUTE_S + 1)
    for passed_s in range(0, late_s, _MINUTE_S):
        door.uptime_ms = 1000 * passed_s
        door.timekeeping.keep_floor()
    door.uptime_ms = 1000 * late_s
    if is_refused:
        # The verdict has been told, so that the lock has to know it from now on.
        door.type(code)
        door.show_badge(identity, expires_s, None)
        figures["expired, shown"] += 2
    Cutter(flash, number % 5, number // 5 % len(WAYS), number)
    tally.cuts += _is_cut(tally, flash, door.type, (subject.WRONG_CODE,))
    _try_again(flash, number, start_s + late_s, (identity, expires_s, None), code, tally, figures, make_door, doors)


def _try_again(flash, number: int, now_s: int, shown, code, tally, figures: dict, make_door, doors: dict) -> None:
    """The power is back, the time is wrong, and is cut once more while it is told; then both are shown again."""
    told_s = TOLD_S[number % len(TOLD_S)]
    for attempt in range(2):
        door = make_door(flash, doors)
        if told_s is not None:
            if not attempt:
                Cutter(flash, number % 4, number // 4 % len(WAYS), number)
            is_cut = _is_cut(tally, flash, door.tell, (now_s + told_s,))
            tally.cuts += is_cut
            if is_cut:
                continue
        before = door.opened
        door.show_badge(*shown)
        door.type(code)
        figures["expired, shown"] += 2
        if door.opened > before:
            figures["expired, opened"] += 1
            tally.fail("round %d: what had expired opened, told the time %+d s off" % (number, told_s or 0))
        figures["time unknown"] += door.lock.clock.now_s(door.uptime_ms) is None
        # Locked out it would show nothing.
        door.throttle.clear()
    door = make_door(flash, doors)
    door.tell(now_s)
    door.show_badge(b"visitor again", now_s + _MINUTE_S, None)
    figures["valid, opened after"] += door.opened
    if not door.opened:
        tally.fail("round %d: told the time %+d s off, it does not take the right one" % (number, told_s or 0))
