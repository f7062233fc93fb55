"""The lock's real stores behind a few functions, on any flash: plug in a flash model and cut its power.

    lock = subject.fresh(flash)             the first start, on a device of its own
    seq = subject.append(lock, b"payload")  in flash when it returns
    lock = subject.open(flash)              what a start after a power cut does
    subject.pending(lock)                   [(seq, payload), ...] that nobody released yet, verified
    subject.release(lock, seq)              a collector has acknowledged everything up to seq
    subject.guess(lock)                     a wrong code at the keypad: was it looked at?
    subject.use(lock, identity, expires_s, now_s)   a single-use credential: did it open?
    subject.floor(lock, now_s)              tells the time; returns the clock floor that is in flash

`flash` is one device with MicroPython's extended block protocol: `readblocks(block, buffer, offset)`,
`writeblocks(block, buffer, offset)` that only clears bits, `ioctl(4, 0)` -> sectors, `ioctl(5, 0)` -> 4096 and
`ioctl(6, block)`, which erases one. It has SECTORS_LEAST sectors or more: a quarter becomes the ledger, the rest the
journal. To cut the power, raise an exception of your own from any of the three, let go of the lock, and `open` the
device as it is then. Whatever is raised comes through, but for OSError, which the stores take for a worn flash.

What a collector would know is kept outside of the flash: for each door (its public key) the first journal key, as the
door announces it at its first start, and the chain as far as it was released. So `open` also works on a copy of the
device. Runs on MicroPython and on CPython 3.10; on both it finds the lock by itself.
"""

import os
import sys

_HERE = __file__.rpartition("/")[0] or "."
_ROOT = _HERE + "/../.."


def _find_lock() -> None:
    folders = [_ROOT, _ROOT + "/lib"]
    if sys.implementation.name == "cpython":
        folders.insert(0, _HERE + "/cpython")
    # At the end: on CPython lib/typing.py must not take the place of the standard one.
    for folder in folders:
        if folder not in sys.path:
            sys.path.append(folder)


_find_lock()

from hashlib import sha256  # noqa: E402

import cbor  # noqa: E402
import cose  # noqa: E402
import ed25519  # noqa: E402

from firmware import store  # noqa: E402
from firmware.core import event, keycode, ratchet  # noqa: E402
from firmware.core.attention import Attention  # noqa: E402
from firmware.core.clock import Clock  # noqa: E402
from firmware.core.credential import Credential  # noqa: E402
from firmware.core.decision import judge  # noqa: E402
from firmware.core.errors import LedgerFull  # noqa: E402
from firmware.core.throttle import Throttle  # noqa: E402
from firmware.reader.presentation import CODE, Presentation  # noqa: E402
from firmware.store import ledger, mounting  # noqa: E402
from firmware.store.ledger import Ledger  # noqa: E402
from firmware.store.opening import open_journal  # noqa: E402
from firmware.task.entry import Entry  # noqa: E402
from firmware.task.timekeeping import Timekeeping  # noqa: E402

SECTORS_LEAST = 16
PAYLOAD_BYTES = 160

BUILDING = "maple-12"
DOOR = "maple-12/front"
TAG = 3
KID = b"\x0a\x0b\x0c\x0d"
CODE_KEY = bytes(range(32))
WRONG_CODE = "3407000000"
RIGHT_CODE = keycode.mint(CODE_KEY, TAG, 4, 7, keycode.window_at(4, 1_800_000_000))
RIGHT_CODE_S = 1_800_000_000


class Unsound(Exception):
    """The journal does not verify: a gap, a chain or tag that is wrong, or a record that is none."""


class Partition:
    """`count` sectors of a device from `first` on, as a device of their own."""

    def __init__(self, flash, first: int, count: int) -> None:
        self._flash = flash
        self._first = first
        self._count = count

    def readblocks(self, block: int, buffer, offset: int = 0) -> None:
        self._flash.readblocks(self._first + block, buffer, offset)

    def writeblocks(self, block: int, buffer, offset: int = 0) -> None:
        self._flash.writeblocks(self._first + block, buffer, offset)

    def ioctl(self, operation: int, argument: int) -> int:
        if operation == 4:
            return self._count
        return self._flash.ioctl(operation, self._first + argument if operation == 6 else argument)


class Enrolment:
    """What a collector keeps of one door: the journal key of record `seq`, and heads behind released records."""

    def __init__(self, seq: int, key: bytes, head: bytes) -> None:
        self.seq = seq
        self._keys = [key]
        self.heads = {seq - 1: head}

    def key(self, seq: int) -> bytes:
        """Returns the key of record `seq`, by ratcheting the first one on."""
        while len(self._keys) <= seq - self.seq:
            self._keys.append(ratchet.following(self._keys[-1]))
        return self._keys[seq - self.seq]


# Public key of a door -> Enrolment, unless a caller has a collector of its own.
_DOORS: dict = {}
# Seed -> public key: it takes as long as all of the rest of a start.
_PUBLIC_KEYS: dict = {}


class Neighbours:
    """What the keypad's code wants beside the stores: an uptime, a trail that writes nothing, and no lamp."""

    def __init__(self) -> None:
        self.uptime_ms = 0

    def now_ms(self) -> int:
        return self.uptime_ms

    def record(self, kind: int, details: dict) -> int:
        return 0

    def show(self, pattern) -> None:
        pass

    def set(self, time_s) -> None:
        pass

    # The door's settings as far as `core.decision` asks.
    full_name = DOOR
    building = BUILDING
    areas = ("lobby",)
    bearer = "short"
    bearer_s = 1 << 32
    revoked = ()
    zone = None


class FixedTime:
    """The time at which RIGHT_CODE is right."""

    def now_s(self, uptime_ms: int) -> int:
        return RIGHT_CODE_S

    def keep_floor(self) -> None:
        pass


class Lock:
    """A lock that is switched on: its ledger (`kept`), its journal, its clock.

    Its uptime stands still but for `wait`. `was_lost`: the journal was found gone, the lock has begun another one under
    a new identity, and this start wrote the event that says so.
    """

    def __init__(self, flash, make_seed, doors: dict) -> None:
        sectors = flash.ioctl(4, 0)
        if sectors < SECTORS_LEAST or flash.ioctl(5, 0) != 4096:
            raise ValueError("the device has 16 sectors of 4,096 bytes or more")
        split = sectors // 4
        self.kept = Ledger(Partition(flash, 0, split))
        try:
            ring = Partition(flash, split, sectors - split)
            self.journal, self.seed, self.was_lost = open_journal(ring, self.kept, make_seed)
        finally:
            # A start lets go of this module. Here there are thousands of starts, and one import has to do for them.
            sys.modules[mounting.__name__] = mounting
            store.mounting = mounting  # type: ignore[attr-defined]
        self.public_key = _public_key(self.seed)
        self.neighbours = Neighbours()
        self.throttle = Throttle(self.kept.throttle(), self.kept.put_throttle, 0)
        self.clock = Clock(self.kept.integer(ledger.CLOCK_FLOOR))
        self.timekeeping = Timekeeping(self.clock, self.kept, self.neighbours, self.neighbours, self.neighbours)
        self.enrolment = self._enrol(doors)
        if self.was_lost:
            self.journal.append(lambda seq: _encode(seq, event.JOURNAL_LOST, {}), _make_lost)

    def _enrol(self, doors: dict) -> Enrolment:
        if self.public_key not in doors:
            journal = self.journal
            doors[self.public_key] = Enrolment(journal.seq + 1, bytes(journal.next_key), bytes(journal.head))
        return doors[self.public_key]


def _public_key(seed: bytes) -> bytes:
    if seed not in _PUBLIC_KEYS:
        _PUBLIC_KEYS[seed] = ed25519.public_key(seed)
    return _PUBLIC_KEYS[seed]


def _random_seed() -> bytes:
    return os.urandom(32)


def fresh(flash, make_seed=_random_seed, doors: dict = _DOORS) -> Lock:
    """Starts a lock for the first time, on a device that is erased for it where it is not. Can be cut as well."""
    piece = bytearray(256)
    for sector in range(flash.ioctl(4, 0)):
        for at in range(0, 4096, len(piece)):
            flash.readblocks(sector, piece, at)
            if piece != b"\xff" * len(piece):
                flash.ioctl(6, sector)
                break
    return Lock(flash, make_seed, doors)


def open(flash, make_seed=_random_seed, doors: dict = _DOORS) -> Lock:
    """Starts a lock on what is there; repairs what a power cut left.

    `make_seed()` returns 32 random bytes for a lock that has none yet. `doors` ({public key: Enrolment}) is what the
    collector knows, the same one for all unless given.
    """
    return Lock(flash, make_seed, doors)


def append(lock: Lock, payload: bytes) -> int:
    """Writes an event with `payload` (at most 160 bytes) and returns its seq; when it returns, the event is durable.

    Every record has a seq of its own, so that they go up; the lock's own records (events lost) have some as well.
    """
    if len(payload) > PAYLOAD_BYTES:
        raise ValueError("payload too long")
    return lock.journal.append(lambda seq: _encode(seq, event.ACCESS, {event.SHA256: payload}), _make_lost)


def _make_lost(seq: int, first_seq: int, count: int, head: bytes) -> bytes:
    details = {event.FIRST_SEQ: first_seq, event.COUNT: count, event.SHA256: head}
    return _encode(seq, event.EVENTS_LOST, details)


def _encode(seq: int, kind: int, details: dict) -> bytes:
    return event.Event(seq, kind, 1, 1000 * seq, None, details).encode()


def pending(lock: Lock) -> list:
    """Returns [(seq, payload), ...], oldest first, of every record that was not released.

    Raises Unsound unless they follow one another up to the newest, each chained to the one before it and with a tag
    under its own key. The payload of a record that the lock made itself is None.
    """
    return [(seq, _payload(record)) for seq, record, _ in _verified(lock)]


def _payload(record: bytes):
    found = event.decode(record)
    return found.details[event.SHA256] if found.kind == event.ACCESS else None


def _verified(lock: Lock):
    """Yields (seq, record, head behind it) of what is pending. Raises Unsound."""
    journal = lock.journal
    enrolment = lock.enrolment
    head = enrolment.heads.get(journal.acked_seq)
    seq = journal.acked_seq
    is_first = True
    for found, before, record, tag in journal._events_from(journal.acked_seq + 1):
        if found != seq + 1 and not (is_first and found > seq):
            raise Unsound("after %d comes %d" % (seq, found))
        if found != seq + 1:
            # The ring has overwritten some; what is left is authenticated by its tags all the same.
            head = enrolment.heads.get(found - 1)
        is_first = False
        seq = found
        if head is not None and before != head:
            raise Unsound("record %d follows another chain" % seq)
        head = event.next_head(before, record)
        # What is older than the enrolment has a tag that nobody can check.
        if seq >= enrolment.seq and tag != ratchet.tag(enrolment.key(seq), head):
            raise Unsound("record %d has a wrong tag" % seq)
        if event.decode(record).seq != seq:
            raise Unsound("record %d says another number" % seq)
        yield seq, record, head
    # With nothing left at all the ring has overwritten every one; the next record will say so.
    if not is_first and (seq != journal.seq or head != journal.head):
        raise Unsound("the newest record is %d and not %d" % (seq, journal.seq))


def release(lock: Lock, seq: int) -> None:
    """Takes a collector's acknowledgement of every record up to `seq`, as the uplink does; it is durable on return."""
    for found, _, head in _verified(lock):
        if found == seq:
            lock.enrolment.heads[seq] = head
            break
    lock.journal.release(seq)
    lock.kept.put_integer(ledger.ACKED_SEQ, lock.journal.acked_seq)


def prepare(lock: Lock) -> None:
    """Erases the next sector of the journal if that is soon due, as the lock does while nobody is at the door."""
    if lock.journal.wants_preparing:
        lock.journal.prepare()


def wait(lock: Lock, duration_ms: int) -> None:
    """Lets time pass for the lock; lock-outs end by it. A lock that is opened again starts anew."""
    lock.neighbours.uptime_ms += duration_ms


def guess(lock: Lock, is_right: bool = False) -> bool:
    """Types a code, wrong or right; returns whether it was looked at: False while the keypad is locked out.

    Five wrong ones lock it, for 60 s of `wait` first, then twice as long each time, to an hour; a right one forgets
    them. What counts is in flash before the code is looked at.
    """
    neighbours = lock.neighbours
    entry = Entry(
        None,
        keycode.Checker(CODE_KEY, TAG),
        lock.throttle,
        lock.kept,
        None,
        neighbours,
        neighbours,
        Attention(),
        neighbours,
        FixedTime(),
    )
    entry._end_lockout(neighbours.now_ms())
    decision = entry._decide(Presentation(CODE, RIGHT_CODE if is_right else WRONG_CODE))
    entry._settle(decision.is_granted)
    return decision.reason != event.LOCKED_OUT


def guesses(lock: Lock) -> tuple:
    """Returns (wrong ones since the last lock-out, lock-outs, whether one is running), as they are in flash."""
    return lock.kept.throttle()


def use(lock: Lock, identity: bytes, expires_s: int, now_s: int, uses: int = 1) -> bool:
    """Shows a credential that opens `uses` times until `expires_s`, at Unix time `now_s`; returns whether it opens.

    `identity` (8 to 16 bytes) names it. The use is in flash before the verdict.
    """
    shown = credential(identity, expires_s, uses)
    decision = judge(shown, lock.neighbours, now_s, event.BADGE, lock.kept.uses_of)
    if not decision.is_granted:
        return False
    try:
        decision.spend(lock.kept)
    except LedgerFull:
        return False
    return True


def uses(lock: Lock, identity: bytes) -> int:
    """Returns how often the credential has opened, as it is in flash."""
    return lock.kept.uses_of(sha256(KID + identity).digest()[:8])


def credential(identity: bytes, expires_s: int, count) -> Credential:
    """Returns a driver's badge for this door, already verified; `count` is how often it opens, None for often."""
    return Credential(KID, _claims(identity, expires_s, count))


def badge(identity: bytes, expires_s: int, count) -> bytes:
    """Returns the same credential as it lies on a badge, with a signature of zeros."""
    return cbor.encode([cose.EDDSA, {4: KID}, cbor.encode(_claims(identity, expires_s, count)), bytes(64)])


def _claims(identity: bytes, expires_s: int, count) -> dict:
    claims = {1: "issuer", 2: "driver 7", 3: BUILDING, 4: expires_s, 5: 0, 7: identity, -70001: 1, -70002: ["lobby"]}
    if count is not None:
        claims[-70003] = count
    return claims


def floor(lock: Lock, now_s=None) -> int:
    """Tells the lock that it is `now_s` (Unix time), if given; returns the clock floor that is in flash.

    The lock's time never lies before the floor, so that nothing that has expired becomes valid again.
    """
    if now_s is not None:
        lock.timekeeping.tell(now_s, 1, 0, "network")
    return lock.kept.integer(ledger.CLOCK_FLOOR)


def past_keys(lock: Lock) -> list:
    """Returns the 32-byte keys of all records written since the enrolment: none of them may be in the flash."""
    enrolment = lock.enrolment
    return [enrolment.key(seq) for seq in range(enrolment.seq, lock.journal.seq + 1)]
