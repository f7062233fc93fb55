"""A street door, the collector that takes what it records, and alerts that look at it when the clock says so."""

from itertools import pairwise
from pathlib import Path
from typing import Any

from scripted_door import NOW_S, ScriptedDoor

from firmware.core import event
from lobbylock.alert_sending import Sender
from lobbylock.alerts import Alerts
from lobbylock.collector import Collector
from lobbylock.enrolment import Enrolments
from lobbylock.home import Home
from lobbylock.journalkey import JournalKey
from lobbylock.settings import Options

# Four hours west of Greenwich: NOW_S, noon there, is 8 o'clock in the morning.
ZONE = "EST5EDT,M3.2.0,M11.1.0"
DRIVER, RESIDENT, STAFF, VISITOR = 1, 2, 3, 4
KEYPAD, PHONE = 1, 3
# In a URL: apprise waits four seconds to be connected and as long for an answer, and a busy machine may need longer.
PATIENT = "cto=60&rto=60"
_BATCH = 25


class Post:
    """Stands in for the services: keeps what was sent, refuses while `is_down`."""

    def __init__(self):
        self.sent = []
        self.is_down = False
        self.tries = 0

    def __call__(self, url, title, body):
        self.tries += 1
        if self.is_down:
            return False
        self.sent.append((url.rpartition("/")[2], title, body))
        return True

    def take(self):
        """Returns what was sent since the last time."""
        sent, self.sent = self.sent, []
        return sent


class Street:
    """`tell(*persons)` writes alerts.toml; `record()` adds an event; `pass_on()` brings what is new to the alerts."""

    def __init__(self, folder: Path, database, send=None):
        self.home = Home(folder / "home")
        self.home.new_issuer("tester")
        self.database = database
        self.now_s = NOW_S
        self.post = send or Post()
        self.locks = {}
        self.doors = {}
        # Of each lock the seals from the last one that was sent on.
        self.sealed = {}
        self.lock = self.add_door("maple-12/front")
        self.alerts = self.start()

    def add_door(self, name):
        lock = ScriptedDoor(name, seed=bytes([len(self.locks) + 1]) * 32)
        self.home.new_door(name, Options(zone=ZONE))
        door = self.home.door(name)
        door.enrol(lock.public_key, JournalKey(1, lock.keys[0]), may_replace=False)
        self.home.save_door(door)
        self.doors[name] = door
        self.locks[name] = lock
        return lock

    def start(self):
        """Begins alerts anew, as a restart of the service does."""
        self.alerts = Alerts(
            self.database,
            self.home.path / "alerts.toml",
            lambda: self.doors,
            home_path=self.home.path,
            now_s=lambda: self.now_s,
            sender=Sender(self.post),
        )
        return self.alerts

    def tell(self, *persons, head=""):
        path = self.home.path / "alerts.toml"
        path.unlink(missing_ok=True)
        path.touch(0o600)
        path.write_text(head + "\n".join(persons))

    def access(self, subject="Jonas of DHL", *, role=DRIVER, reason=event.GRANTED, via=KEYPAD, lock=None, time_s=-1):
        details = {event.REASON: reason, event.VIA: via, event.SUBJECT: subject, event.ROLE: role}
        details = {key: value for key, value in details.items() if value is not None}
        return self.record(event.ACCESS, details, time_s=time_s, lock=lock)

    def record(self, kind, details=None, *, time_s=-1, lock=None):
        """Adds an event of now, or of `time_s`, at the street door or at another lock. Returns its seq."""
        lock = lock or self.lock
        lock.now_s = self.now_s
        seq = lock.add(kind, details, time_s=time_s)
        if lock.last_seq - self.sealed.setdefault(lock.name, [0])[-1] >= _BATCH:
            self.sealed[lock.name].append(lock.seal())
        return seq

    def collect(self, *, is_told=True):
        """Has the collector store what the locks recorded; without `is_told`, as one that is killed before it tells."""
        with self.database.store() as store:
            listener: Any = self.alerts if is_told else _Nobody()
            collector = Collector(store, Enrolments(self.home), self.home.collector(), listener, lambda: self.now_s)
            for name, lock in self.locks.items():
                sealed = self.sealed.setdefault(name, [0])
                if lock.last_seq > sealed[-1]:
                    sealed.append(lock.seal())
                for before, last in pairwise(sealed):
                    assert collector.handle(f"lobbylock/{name}/events", lock.batch(before + 1, last))
                del sealed[:-1]

    def step(self, later_s=0):
        """Moves the clock, and has passes made until nothing more is sent and all of it is written down."""
        self.now_s += later_s
        self.alerts.step()
        while not self.alerts._sender.is_idle:
            self.alerts._sender.wait(60)
            self.alerts.step()

    def pass_on(self, later_s=0):
        self.collect()
        self.step(later_s)


class _Nobody:
    def __getattr__(self, name):
        return lambda *values: None


def person(name="Ines", reader="manager", **more):
    """Returns a [[person]] section whose URL ends in the name."""
    values = {"urls": [f"json://127.0.0.1:1/{name.lower()}"], **more}
    lines = [f"{key} = {_toml(value)}" for key, value in values.items()]
    return "\n".join(["[[person]]", f'name = "{name}"', f'reader = "{reader}"', *lines, ""])


def _toml(value):
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return f'"{value}"'
