"""Tells people what they asked to be told: a `collector.Listener` that gathers, and a thread that queues and sends.

The listener's methods only note what happened, so a mail server that hangs never holds up the collector. What was noted
goes into the queue in the store together with a mark of how far each chain was looked at; a start goes on from the
marks, so whatever was stored is told at least once.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Protocol

import cbor
from sqlalchemy import Connection, func, select

from firmware.core import tz_string
from firmware.core.event import Event
from firmware.core.event import decode as decode_event
from lobbylock import alert_queue as queue
from lobbylock import alert_rules, alert_text, logs
from lobbylock.alert_faults import Change, Faults
from lobbylock.alert_queue import Gathered, Waiting
from lobbylock.alert_rules import Person, Rules, Way, load_rules
from lobbylock.alert_sending import Outcome, Sender, check_urls
from lobbylock.alert_text import Heap
from lobbylock.database import Database
from lobbylock.door import Door
from lobbylock.errors import StoreFailed, UserError
from lobbylock.names import is_door
from lobbylock.picture import Announcement
from lobbylock.readers import PERSONS
from lobbylock.register import Register
from lobbylock.tables import chain as chain_table
from lobbylock.tables import event as event_table
from lobbylock.verify import TWO_HISTORIES, Gap, Refusal

# Beyond that the store is read again from the marks, so nothing is lost and memory stays bounded.
_MAX_NOTED = 20_000
_BATCH = 2_000
_LOOK_S = 1.0
_SWEEP_S = 3_600
_UTC = "UTC0"
# What was found in the meantime goes into one message with older events, instead of one each batch.
_OLDER_WAIT_S = 60
_MAX_MESSAGES_AN_HOUR = 30
_MAX_ROWS = 50
_MAX_FINDINGS = 20
_HANGING_S = 60
# Two rows whose numbers differ by less than 64 part in one of so many tries.
_HALVINGS = 6
# How long `stop` waits for what is being sent.
_STOP_S = 10.0


class Finding(Protocol):
    """What the watchman finds. Gaps and two histories are no alteration, and are told by the collector."""

    @property
    def door(self) -> str: ...

    @property
    def sentence(self) -> str: ...

    @property
    def is_alteration(self) -> bool: ...


class _Address:
    """How an address of a person does: `failures` since it took a message, and `until_s` when it is left in peace."""

    def __init__(self) -> None:
        self.failures = 0
        self.until_s = 0
        self.sent_at: deque[int] = deque(maxlen=_MAX_MESSAGES_AN_HOUR)

    def free_s(self) -> int:
        """Returns from when on it may get what is not urgent."""
        is_full = len(self.sent_at) == _MAX_MESSAGES_AN_HOUR
        return max(self.until_s, self.sent_at[0] + 3_600 if is_full else 0)


class _Pass:
    """What one pass gathered, by (person, kind, about)."""

    def __init__(self, now_s: int) -> None:
        self.now_s = now_s
        self.gathered: dict[tuple[str, str, str], Gathered] = {}
        self.reached: dict[int, int] = {}

    def put(self, person: Person, kind: str, door: str, about: str, line: str, zone: str) -> None:
        rule = person.rule(kind, door)
        if rule is None:
            return
        key = (person.name, kind, about)
        found = self.gathered.get(key)
        if found is None:
            due_s, is_digest = person.due_s(rule, kind, self.now_s, zone)
            found = self.gathered[key] = Gathered(Heap(), due_s, is_digest)
        found.heap.take(line)

    def put_older(self, person: Person, kind: str, door: str, zone: str) -> None:
        rule = person.rule(kind, door)
        if rule is None:
            return
        key = (person.name, alert_text.OLDER, door)
        found = self.gathered.get(key)
        if found is None:
            due_s, _ = person.due_s(rule, kind, self.now_s, zone)
            found = self.gathered[key] = Gathered(Heap(), max(due_s, self.now_s + _OLDER_WAIT_S), True)
        found.heap.sums[kind] += 1
        found.heap.count += 1


class Alerts:
    """The alerts of the store `database` by the rules in `path`, which are read again when the file changes.

    `doors` returns the records of all doors by full name; `home_path` is the issuer's folder, whose register says which
    credentials are whose, so that residents are told of their visitors. `step` is one pass; `start` has a thread make
    them.
    """

    def __init__(
        self,
        database: Database,
        path: Path,
        doors: Callable[[], Mapping[str, Door]],
        *,
        home_path: Path | None = None,
        now_s: Callable[[], float] = time.time,
        sender: Sender | None = None,
    ) -> None:
        self._database = database
        self._path = path
        self._doors = doors
        self._now_s = now_s
        self._sender = sender or Sender()
        self._log = logs.get("alerts")
        self._home_path = home_path
        self._register_state: tuple[int, ...] | None = None
        self._rules = Rules()
        self._rules_state: tuple[int, ...] | None = None
        self._lock = threading.Lock()
        self._noted: deque[tuple[Door, Event]] = deque()
        # Gaps and refusals: (kind, door, sentence).
        self._said: deque[tuple[str, str, str]] = deque(maxlen=_MAX_NOTED)
        self._states: dict[tuple[str, str], bool] = {}
        self._findings: dict[tuple[str, str], None] = {}
        self._told: set[tuple[str, str]] = set()
        self._must_read = True
        self._has_begun = False
        self._marks: dict[int, int] = {}
        self._faults: Faults | None = None
        self._store_fault = Faults()
        self._addresses: dict[tuple[str, str], _Address] = {}
        self._outcomes: list[Outcome] = []
        # What is told without the queue, by person and URL: (sentence, when to try).
        self._direct: dict[tuple[str, str], tuple[str, int]] = {}
        self._swept_s = 0
        self._wake = threading.Event()
        self._is_stopping = False
        self._thread: threading.Thread | None = None

    # A collector.Listener, a subscription.Watcher and the watchman's callback. Called from their threads.

    def event(self, door: Door, found: Event) -> None:
        with self._lock:
            if len(self._noted) >= _MAX_NOTED:
                self._must_read = True
                self._noted.clear()
            elif not self._must_read:
                self._noted.append((door, found))
        self._wake.set()

    def gap(self, door: str, gap: Gap) -> None:
        count = gap.last_seq - gap.first_seq + 1
        what = f"event {gap.first_seq} is" if count == 1 else f"events {gap.first_seq} to {gap.last_seq} are"
        self._said.append((alert_rules.GAP, door, f"{door}: {what} missing in the record."))
        self._wake.set()

    def picture(self, door: str, announced: Announcement, path: str) -> None:
        """Nothing: the event before it said that there is one."""

    def status(self, door: str, status: Mapping[str, object]) -> None:
        with self._lock:
            self._states[door, alert_rules.OFFLINE] = status.get("online") is True
        self._wake.set()

    def refused(self, topic: str, refusal: Refusal) -> None:
        name = "/".join(topic.split("/")[1:3])
        # Anybody may send the rest; this one comes under the door's own key.
        if refusal.reason == TWO_HISTORIES and is_door(name):
            text = f"{name}: a message under the lock's own key tells another history than the record."
            self._said.append((alert_rules.TAMPER, name, text))
            self._wake.set()

    def connection(self, is_up: bool, reason: str = "", wait_s: float = 0) -> None:
        with self._lock:
            self._states["", alert_rules.BROKER] = is_up

    def watch_changed(self, findings: Iterable[Finding]) -> None:
        """Takes all that the watchman finds wrong now; each is told once."""
        with self._lock:
            altered = [found for found in findings if found.is_alteration]
            self._findings = {(found.door, alert_text.tame(found.sentence, 300)): None for found in altered}
        self._wake.set()

    # The thread.

    def start(self) -> None:
        """Begins to queue and send. Raises UserError if the rules are not right."""
        if self._path.exists():
            _load_checked(self._path)
        self._thread = threading.Thread(target=self._run, name="lobbylock-alerts", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread; what was noted is queued first, and what is being sent is waited for a little."""
        self._is_stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(_STOP_S)

    def _run(self) -> None:
        while not self._is_stopping:
            self._guarded_step()
            self._wake.wait(_LOOK_S)
            self._wake.clear()
        self._guarded_step()
        self._sender.wait(_STOP_S / 2)
        # What would be sent now could not be noted as sent, and would be sent again.
        self._sender.close()
        self._guarded_step()

    def _guarded_step(self) -> None:
        try:
            self.step()
        except Exception as error:  # noqa: BLE001 one bad row must not end all alerts; the next pass comes
            self._log.error("alerts failed", error=type(error).__name__)

    def step(self) -> None:
        """Makes one pass: queues what was noted, and starts to send what is due."""
        now_s = int(self._now_s())
        self._read_rules()
        self._collect_outcomes()
        try:
            # First: to a row that somebody has got nothing may be added.
            self._settle_all(now_s)
            self._take(now_s)
            self._deliver(now_s)
            self._sweep(now_s)
            self._store_fault.good("", alert_rules.STORE, now_s)
        except StoreFailed as failure:
            if self._store_fault.get(("", alert_rules.STORE)) is None:
                self._log.warning("alerts wait for the store", error=str(failure))
            self._store_fault.bad("", alert_rules.STORE, now_s)
        self._tell_of_store(now_s)

    def _sweep(self, now_s: int) -> None:
        if now_s - self._swept_s >= _SWEEP_S:
            self._swept_s = now_s
            with self._database.begin() as connection:
                queue.forget_old(connection, now_s)

    def _read_rules(self) -> None:
        try:
            found = self._path.stat()
            state = (found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode)
        except OSError:
            state = ()
        if state == self._rules_state:
            self._learn_ids()
            return
        self._rules_state = state
        try:
            self._rules = _load_checked(self._path) if state else Rules()
        except (UserError, OSError) as error:
            # Those that were right go on.
            self._log.error("alerts.toml is not right", error=str(error))
        self._register_state = None
        self._learn_ids()

    def _learn_ids(self) -> None:
        """Has the readers know the ids of their own credentials, by which their visitors are known."""
        if self._home_path is None:
            return
        try:
            found = (self._home_path / "minted.jsonl").stat()
            state = (found.st_mtime_ns, found.st_size, found.st_ino)
        except OSError:
            state = ()
        if state == self._register_state:
            return
        self._register_state = state
        minted = Register(self._home_path).all()
        for person in self._rules.persons:
            if person.reader.role in PERSONS:
                for each in minted:
                    is_theirs = each.subject == person.reader.name and each.role in ("", person.reader.role)
                    if is_theirs and person.has_building(each.building):
                        person.reader.learn_id(bytes.fromhex(each.kid), bytes.fromhex(each.id))

    # Gathering.

    def _take(self, now_s: int) -> None:
        if self._faults is None:
            with self._database.connect() as connection:
                self._faults = Faults(queue.faults(connection))
        try:
            if self._must_read:
                self._read_store(now_s)
            while self._take_batch(now_s, self._faults):
                pass
        except StoreFailed:
            # What was noted is still there, and is looked at again beside the state that is in the store.
            self._faults = None
            raise

    def _take_batch(self, now_s: int, faults: Faults) -> bool:
        """Queues some of what was noted. Returns whether there is more."""
        with self._lock:
            noted = list(islice(self._noted, _BATCH))
            findings = [found for found in self._findings if found not in self._told]
        said = list(self._said)
        found = _Pass(now_s)
        for door, each in noted:
            self._take_event(found, faults, self._doors().get(door.name, door), each)
        for kind, name, line in said:
            self._put(found, kind, name, name, line)
        for name, line in findings[:_MAX_FINDINGS]:
            self._put(found, alert_rules.CHAIN, name, name, line)
        self._take_states(found, faults)
        if noted or found.gathered or faults.changed:
            with self._database.begin() as connection:
                self._reach(connection, found, noted)
                self._keep(connection, found, faults)
        # Only now: what could not be queued is there for the next pass.
        with self._lock:
            for _ in range(min(len(noted), len(self._noted))):
                self._noted.popleft()
            self._told = {told for told in self._told if told in self._findings}.union(findings)
        for _ in said:
            self._said.popleft()
        return len(noted) == _BATCH

    def _read_store(self, now_s: int) -> None:
        """Looks at what was stored behind the marks: events of before the start, and more than could be noted."""
        with self._lock:
            # What comes from here on is noted, maybe besides being read.
            self._must_read = False
        newest = select(chain_table.c.id, chain_table.c.door, func.max(event_table.c.seq).label("seq"))
        newest = newest.join(event_table, event_table.c.chain == chain_table.c.id)
        with self._database.connect() as connection:
            if not self._has_begun:
                self._marks = queue.marks(connection)
            chains = connection.execute(newest.group_by(chain_table.c.id, chain_table.c.door)).all()
        if not self._marks and not self._has_begun:
            # Alerts were never on here; the past is nothing to be told of.
            self._marks = {row.id: row.seq for row in chains if isinstance(row.seq, int)}
            with self._database.begin() as connection:
                queue.set_marks(connection, self._marks)
        self._has_begun = True
        seen: set[tuple[str, int]] = set()
        for row in chains:
            door = self._doors().get(row.door)
            while door is not None and self._read_chain(row.id, door, now_s, seen):
                pass
        with self._lock:
            self._noted = deque(each for each in self._noted if (each[0].name, each[1].seq) not in seen)

    def _read_chain(self, chain: int, door: Door, now_s: int, seen: set[tuple[str, int]]) -> bool:
        """Queues some events of a chain behind its mark. Returns whether there are more."""
        faults = self._faults
        if faults is None:
            return False
        column = event_table.c
        wanted = select(column.seq, column.record).where(column.chain == chain, column.seq > self._marks.get(chain, 0))
        with self._database.connect() as connection:
            rows = connection.execute(wanted.order_by(column.seq).limit(_BATCH)).all()
        rows = [row for row in rows if isinstance(row.seq, int)]
        if not rows:
            return False
        found = _Pass(now_s)
        for row in rows:
            each = _decode(row.record)
            if each is not None:
                self._take_event(found, faults, door, each)
        with self._database.begin() as connection:
            queue.set_marks(connection, {chain: rows[-1].seq})
            self._keep(connection, found, faults)
        self._marks[chain] = rows[-1].seq
        if len(seen) < _MAX_NOTED:
            seen.update((door.name, row.seq) for row in rows)
        return len(rows) == _BATCH

    def _take_event(self, found: _Pass, faults: Faults, door: Door, each: Event) -> None:
        at_s = found.now_s if each.time_s is None else min(each.time_s, found.now_s)
        is_old = found.now_s - at_s > self._rules.older_than_s
        works = alert_text.good_part(each)
        if works is not None:
            faults.good(door.name, works, at_s)
        kind = alert_text.fault_part(each)
        if kind is not None and not is_old:
            faults.bad(door.name, kind, at_s)
            return
        kind = kind or alert_text.kind_of(each)
        for person in self._rules.persons:
            if person.reader.role in PERSONS:
                person.reader.learn(door, [each])
            if kind is None or person.rule(kind, door.name) is None:
                continue
            shown = alert_text.select(person.reader, door, each, lambda seq: self._find(door, seq))
            if shown is None:
                continue
            if is_old:
                found.put_older(person, kind, door.name, self._zone(door.name, person))
                continue
            about = alert_text.about_of(kind, door, shown)
            line = alert_text.sentence(door, shown)
            found.put(person, kind, door.name, about, line, self._zone(door.name, person))

    def _find(self, door: Door, seq: int) -> Event | None:
        """Returns an event of the board that is at `door` now."""
        wanted = select(event_table.c.record).join(chain_table, chain_table.c.id == event_table.c.chain)
        with self._database.connect() as connection:
            row = connection.execute(
                wanted.where(
                    chain_table.c.door == door.name,
                    chain_table.c.public_key == (door.public_key or b""),
                    event_table.c.seq == seq,
                )
            ).first()
        return None if row is None else _decode(row.record)

    def _take_states(self, found: _Pass, faults: Faults) -> None:
        with self._lock:
            states = list(self._states.items())
        for (name, what), is_good in states:
            fault = faults.get((name, what))
            if is_good:
                faults.good(name, what, found.now_s)
            elif fault is None or fault.good_s is not None:
                faults.bad(name, what, found.now_s)
        for change in faults.due(found.now_s, self._rules.settle_s, self._patience_s):
            self._put_change(found, change)

    def _patience_s(self, what: str) -> int:
        return 0 if what in alert_rules.FAULTS else self._rules.offline_after_s

    def _put_change(self, found: _Pass, change: Change) -> None:
        for person in self._told_of_parts():
            zone = self._zone(change.door, person)
            line = alert_text.fault_sentence(change.door, change.what, change.since_s, zone, is_over=change.is_over)
            # The all-clear is not held back by the alert before it.
            about = f"{change.door} works" if change.is_over else change.door
            found.put(person, change.what, change.door, about, line, zone)

    def _put(self, found: _Pass, kind: str, door: str, about: str, line: str) -> None:
        for person in self._told_of_parts():
            found.put(person, kind, door, about, line, self._zone(door, person))

    def _told_of_parts(self) -> list[Person]:
        """Returns those who may know what is about the lock and nobody's access."""
        return [person for person in self._rules.persons if person.reader.role not in PERSONS]

    def _zone(self, name: str, person: Person) -> str:
        """Returns the TZ string of a door's building; for what is about no door, that of one the person looks after."""
        doors = self._doors()
        door = doors.get(name)
        if door is None:
            door = next((doors[each] for each in sorted(doors) if any(r.has_door(each) for r in person.rules)), None)
        zone = door.options.zone if door is not None else _UTC
        try:
            tz_string.parse(zone)
        except ValueError:
            return _UTC
        return zone

    def _reach(self, connection: Connection, found: _Pass, noted: list[tuple[Door, Event]]) -> None:
        """Moves the marks behind what was noted."""
        last: dict[tuple[str, bytes], int] = {}
        for door, each in noted:
            key = (door.name, door.public_key or b"")
            last[key] = max(last.get(key, 0), each.seq)
        reached = {}
        for (name, public_key), seq in last.items():
            same = (chain_table.c.door == name, chain_table.c.public_key == public_key)
            chain = connection.execute(select(chain_table.c.id).where(*same)).scalar()
            if chain is not None and seq > self._marks.get(chain, 0):
                reached[chain] = seq
        queue.set_marks(connection, reached)
        self._marks.update(reached)

    def _keep(self, connection: Connection, found: _Pass, faults: Faults) -> None:
        busy = self._sender.busy
        for key, gathered in found.gathered.items():
            if key[1] == alert_rules.CHAIN:
                gathered.heap.drop(lambda line, key=key: queue.was_told(connection, key, line))
                if not gathered.heap.count:
                    continue
            queue.add(connection, key, gathered, found.now_s, self._rules.again_s, busy)
        for key in faults.changed:
            queue.set_fault(connection, key, faults.get(key))
        faults.changed.clear()

    # Sending.

    def _settle_all(self, now_s: int) -> None:
        if self._outcomes:
            with self._database.begin() as connection:
                for outcome in self._outcomes:
                    self._settle(connection, outcome, now_s)
            self._outcomes.clear()

    def _deliver(self, now_s: int) -> None:
        with self._database.connect() as connection:
            rows = queue.due(connection, now_s)
        if not self._rules.persons:
            return
        for name in dict.fromkeys(row.person for row in rows):
            theirs = [row for row in rows if row.person == name]
            person = self._rules.person(name)
            if person is None:
                with self._database.begin() as connection:
                    queue.drop(connection, theirs, "The person is not in alerts.toml any more.", now_s)
            else:
                self._send(person, theirs, now_s)

    def _send(self, person: Person, rows: list[Waiting], now_s: int) -> None:
        """Starts to send a person's rows over the addresses that did not take them, where it is the time for it."""
        ways = person.ways()
        ready = []
        with self._database.begin() as connection:
            for row in rows:
                until_s = self._quiet_until_s(person, row, now_s)
                if until_s > now_s:
                    queue.put_off(connection, row, until_s)
                    continue
                left = [way for way in ways if way.name not in row.heap.taken]
                next_s = min((self._try_s(person, row, way, now_s) for way in left), default=now_s)
                if not left:
                    # The others are not in alerts.toml any more.
                    queue.mark_sent(connection, [row], max(row.heap.taken.values()))
                elif next_s >= queue.NEVER_S:
                    queue.give_up(connection, row, "Given up at all addresses that are left.")
                elif next_s > now_s:
                    # Not among those that are due, for they would keep others out.
                    queue.put_off(connection, row, next_s)
                else:
                    ready.append(row)
            lost = queue.given_up(connection, person.name)
        # One that works need not wait for a place behind those that do not.
        for way in sorted(ways, key=lambda way: self._address(person.name, way.url).failures):
            chosen = self._choose(person, way, ready, now_s) if self._sender.is_free(person.name, way.url) else []
            if chosen:
                self._address(person.name, way.url).sent_at.append(now_s)
                self._sender.start(person.name, way, _message(chosen, lost), chosen, told_lost=lost > 0)

    def _address(self, name: str, url: str) -> "_Address":
        return self._addresses.setdefault((name, url), _Address())

    def _try_s(self, person: Person, row: Waiting, way: Way, now_s: int) -> int:
        """Returns when a row may be tried over an address."""
        if self._sender.is_hanging(person.name, way.url):
            return now_s + _HANGING_S
        tried_s = row.heap.refused.get(way.name, (0, 0))[1]
        if row.kind in person.urgent:
            return tried_s
        return max(tried_s, self._address(person.name, way.url).free_s())

    def _choose(self, person: Person, way: Way, rows: list[Waiting], now_s: int) -> list[Waiting]:
        """Returns the rows for the next message to an address.

        A message may be refused for what is in it. So digests go alone, what is new goes before what was refused and
        not with it, and what was refused comes in other company each time.
        """
        groups: dict[tuple[int, bool, int], list[Waiting]] = {}
        for row in rows:
            if way.name not in row.heap.taken and self._try_s(person, row, way, now_s) <= now_s:
                tries = row.heap.refused.get(way.name, (0, 0))[0]
                half = (row.id >> (tries % _HALVINGS)) & 1 if tries > 1 else 0
                is_late = bool(tries) and row.kind not in person.urgent
                groups.setdefault((min(tries, 1), row.is_digest or is_late, half), []).append(row)
        if not groups:
            return []

        def tries_of(group: list[Waiting]) -> int:
            return min(row.heap.refused.get(way.name, (0, 0))[0] for row in group)

        chosen = min(groups.items(), key=lambda item: (tries_of(item[1]), item[0]))[1]
        # The end of a long message may be cut off.
        return sorted(chosen, key=lambda row: row.kind not in person.urgent)[:_MAX_ROWS]

    def _quiet_until_s(self, person: Person, row: Waiting, now_s: int) -> int:
        door = alert_text.place_of(row.about)
        rule = person.rule(row.kind, door)
        return now_s if rule is None else person.quiet_until_s(rule, row.kind, now_s, self._zone(door, person))

    def _settle(self, connection: Connection, outcome: Outcome, now_s: int) -> None:
        """Writes down what became of an attempt."""
        name, way = outcome.person, outcome.way
        address = self._address(name, way.url)
        person = self._rules.person(name)
        ways = [each.name for each in person.ways()] if person is not None else [way.name]
        if not outcome.why:
            queue.mark_taken(connection, outcome.rows, way.name, ways, now_s)
            if outcome.told_lost:
                queue.tell_given_up(connection, name, now_s)
            address.failures, address.until_s = 0, 0
            self._log.info("alert sent", person=name, over=way.label, alerts=len(outcome.rows))
            return
        address.failures += 1
        address.until_s = now_s + queue.wait_s(address.failures, queue.SHORT_WAIT_S)
        urgent = person.urgent if person is not None else ()
        rows, give_up_s = outcome.rows, self._rules.give_up_s
        lost = queue.mark_failed(connection, rows, way.name, ways, outcome.why, now_s, give_up_s, urgent)
        self._log.warning("alert failed", person=name, why=outcome.why, alerts=len(outcome.rows), given_up=lost)

    def _tell_of_store(self, now_s: int) -> None:
        """Tells that the store fails. Without a queue: each address is tried once a minute until it is known."""
        key = alert_rules.STORE
        for change in self._store_fault.due(now_s, self._rules.settle_s, lambda _: self._rules.offline_after_s):
            for person in self._told_of_parts():
                rule = person.rule(key, "")
                if rule is not None:
                    zone = self._zone("", person)
                    line = alert_text.fault_sentence("", key, change.since_s, zone, is_over=change.is_over)
                    due_s = person.quiet_until_s(rule, key, now_s, zone)
                    self._direct.update({(person.name, way.url): (line, due_s) for way in person.ways()})
        for (name, url), (line, due_s) in list(self._direct.items()):
            person = self._rules.person(name)
            way = next((way for way in person.ways() if way.url == url), None) if person is not None else None
            if way is None:
                del self._direct[name, url]
            elif now_s >= due_s and self._sender.is_free(name, url):
                self._direct[name, url] = (line, now_s + 60)
                self._sender.start(name, way, (alert_text.title_of(key, ""), line), (), told_lost=False)

    def _collect_outcomes(self) -> None:
        for outcome in self._sender.outcomes():
            if outcome.rows:
                self._outcomes.append(outcome)
            elif not outcome.why:
                self._direct.pop((outcome.person, outcome.way.url), None)


def _message(rows: list[Waiting], lost: int) -> tuple[str, str]:
    parts = [
        (row.kind, row.about, row.heap.text(alert_text.place_of(row.about), is_digest=row.is_digest)) for row in rows
    ]
    return alert_text.message(parts, lost)


def _load_checked(path: Path) -> Rules:
    """Returns the rules in `path`. Raises UserError also for a URL that nothing can be sent to."""
    rules = load_rules(path)
    for person in rules.persons:
        check_urls(person.name, person.urls)
    return rules


def _decode(record: object) -> Event | None:
    """Returns the event of a row, None if somebody has edited it: the watchman tells of that."""
    try:
        return decode_event(record) if isinstance(record, bytes) else None
    except cbor.CborError:
        return None
