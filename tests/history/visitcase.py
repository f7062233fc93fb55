"""A building whose doors people come to: real records through the collector, and the history that is told of them."""

from hashlib import sha256

from scripted_door import ScriptedDoor

from firmware.core import event
from lobbylock.collector import Collector
from lobbylock.enrolment import Enrolments
from lobbylock.history import Filter, History
from lobbylock.home import Home
from lobbylock.journalkey import JournalKey
from lobbylock.readers import Reader
from lobbylock.settings import Options

NOON_S = 1_789_992_000
KID = b"\x0a\x0b\x0c\x0d"
FRONT = "maple-12/front"
MANAGER = Reader("manager")


def jpeg(number: int) -> bytes:
    return b"\xff\xd8\xff\xe0 picture %d \xff\xd9" % number


class Quiet:
    """A listener that keeps what was refused."""

    def __init__(self) -> None:
        self.refusals = []

    def event(self, door, found) -> None:
        pass

    def gap(self, door, gap) -> None:
        pass

    def picture(self, door, announced, path) -> None:
        pass

    def status(self, door, status) -> None:
        pass

    def refused(self, topic, refusal) -> None:
        self.refusals.append(str(refusal))


class House:
    """`home` has the doors, `history` is what is told; `locks` are the boards by door."""

    def __init__(self, database, path) -> None:
        self.database = database
        self.home = Home(path)
        self.home.new_issuer("tester")
        self.locks = {}
        self.listener = Quiet()
        self.sent = {}
        self.history = History(database, self.doors, self.home.collector().public_key, path)

    def doors(self):
        return {name: self.home.door(name) for name in self.home.door_names()}

    def enrol(self, name=FRONT, seed=b"\1" * 32) -> ScriptedDoor:
        lock = ScriptedDoor(name, seed)
        door = self.home.new_door(name, Options())
        door.enrol(lock.public_key, JournalKey(1, lock.keys[0]), may_replace=False)
        self.home.save_door(door)
        self.locks[name] = lock
        self.sent[name] = 0
        return lock

    def come(self, subject="Dora", role=1, name=FRONT, picture=True, opens=True, **more) -> int:
        """Somebody comes in, takes a receipt, opens the door and closes it; the lock seals. Returns the access."""
        lock = self.locks[name]
        lock.now_s += 60
        number = len(lock.pictures) + 1
        if picture:
            lock.pictures[number] = jpeg(number)
        details = {event.REASON: 0, event.VIA: event.PHONE, event.SUBJECT: subject, event.ROLE: role, event.KID: KID}
        details[event.CREDENTIAL_ID] = subject.encode().ljust(8, b"\0")[:8]
        details |= {getattr(event, key): value for key, value in more.items()}
        seq = lock.add(event.ACCESS, {**details, event.PICTURE_NUMBER: number} if picture else details)
        lock.add(event.UNLOCKED, {event.CAUSE: 1, event.ACCESS_SEQ: seq})
        if picture:
            self.announce(lock, number)
        lock.add(event.RECEIPT, {event.ACCESS_SEQ: seq, event.SHA256: bytes(32)})
        if opens:
            lock.add(event.DOOR_OPENED, {event.ACCESS_SEQ: seq})
            lock.add(event.DOOR_CLOSED, {event.DURATION_S: 4, event.ACCESS_SEQ: seq})
        lock.seal()
        return seq

    def announce(self, lock, number) -> int:
        data = lock.pictures[number]
        digest = sha256(data).digest()
        return lock.add(event.PICTURE, {event.PICTURE_NUMBER: number, event.LENGTH: len(data), event.SHA256: digest})

    def collector(self, store) -> Collector:
        return Collector(store, Enrolments(self.home), self.home.collector(), self.listener, now_s=lambda: NOON_S)

    def collect(self, *, pictures=True) -> None:
        """Everything that is new goes to a collector that has just started."""
        with self.database.store() as store:
            collector = self.collector(store)
            for name, lock in self.locks.items():
                while self.sent[name] < lock.last_seq:
                    first = self.sent[name] + 1
                    numbers = range(first, min(first + 47, lock.last_seq) + 1)
                    last = max(seq for seq in numbers if event.kind_of(lock.records[seq - 1]) == event.SEAL)
                    assert collector.handle(f"lobbylock/{name}/events", lock.batch(first, last)), self.listener.refusals
                    self.sent[name] = last
                for number in lock.pictures if pictures else ():
                    for piece in lock.pieces(number):
                        assert collector.handle(f"lobbylock/{name}/picture", piece), self.listener.refusals

    def page(self, reader=MANAGER, doors=None, before=None, limit=25, **more):
        wanted = Filter(tuple(doors or self.locks), **more)
        return self.history.page(reader, wanted, before, limit)

    def told(self, reader=MANAGER, **more):
        return {shown.seq: shown for shown in self.page(reader, limit=200, **more).stories}
