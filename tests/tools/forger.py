"""A thief who holds a lock, all its keys and its whole flash, and may rewrite what was recorded before he took it.

`World` is two doors, what the collector stored of them, and what one of them had not sent yet when it was taken. Each
function of FORGERIES changes one copy of that store, or the messages that reach its collector.
"""

import copy
import json
import random
import sqlite3
from hashlib import sha256
from pathlib import Path

import cbor2
from scripted_door import ACCESS, EVENTS_LOST, NOW_S, SEAL, ScriptedDoor, encode
from sqlalchemy import NullPool, create_engine

from firmware.core import ratchet
from lobbylock.acknowledgement import EVENTS, acknowledge
from lobbylock.audit import audit_store
from lobbylock.collector import Collector
from lobbylock.database import Database
from lobbylock.enrolment import Enrolments
from lobbylock.finding import Finding
from lobbylock.home import Home
from lobbylock.journalkey import JournalKey
from lobbylock.receipt import sign_receipt
from lobbylock.settings import Options
from lobbylock.store import Store

EVENT_COLUMNS = ("seq", "kind", "time_s", "record", "head", "tag")


class Silent:
    """A listener that does nothing."""

    def event(self, door, found) -> None:
        pass

    def gap(self, door, gap) -> None:
        pass

    def status(self, door, status) -> None:
        pass

    def refused(self, topic, refusal) -> None:
        pass

    def picture(self, door, announced, path) -> None:
        pass


class World:
    """`lock` was stolen with `lock.last_seq` events of which `sent` had reached the collector; `other` is still there.

    `base` is the collector's database as it was then, `acks` what the collector ever sent to the lock.
    """

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder / "home")
        self.home.new_issuer("tester")
        self.signer = self.home.collector()
        self.lock = self._enrol(ScriptedDoor())
        self.other = self._enrol(ScriptedDoor("oak-3/yard", b"\4" * 32))
        self.doors = {name: self.home.door(name) for name in self.home.door_names()}
        path = folder / "store.db"
        self.acks: list[bytes] = []
        with Store.open(path) as store:
            self._collector = self._collect(store)
            self._fill()
        self.path = path
        self.base = sqlite3.connect(":memory:")
        with sqlite3.connect(path) as database:
            database.backup(self.base)
        database.close()
        engine = create_engine("sqlite://", creator=self._copy, poolclass=NullPool)
        self._copies = Database(engine, str(path), path.with_name(path.name + ".pictures"))
        with self.open() as store:
            self.honest = view(store)
            self.known: list[Finding] = []
            # What the lock itself could not keep is named before any forgery.
            self.known = self.audit(store)
            assert [(finding.seq, finding.what) for finding in self.known] == [(16, "gap")]

    def _enrol(self, lock: ScriptedDoor) -> ScriptedDoor:
        door = self.home.new_door(lock.name, Options())
        door.enrol(lock.public_key, JournalKey(1, lock.keys[0]), may_replace=False)
        self.home.save_door(door)
        return lock

    def _collect(self, store: Store) -> Collector:
        return Collector(store, Enrolments(self.home), self.signer, Silent(), now_s=lambda: NOW_S)

    def _send(self, lock: ScriptedDoor, first_seq: int, last_seq: int) -> None:
        replies = self._collector.handle(f"lobbylock/{lock.name}/events", lock.batch(first_seq, last_seq))
        assert replies
        if lock is self.lock:
            self.acks.append(replies[0][1])

    def _fill(self) -> None:
        lock, other = self.lock, self.other
        for number in range(1, 4):
            lock.deliver(slot=number, picture=b"picture %d" % number)
            self._send(lock, lock.last_seq - 4, lock.last_seq)
        # The oldest of what it kept had to go while there was no network: 16 to 19.
        lock.deliver()
        lock.add(EVENTS_LOST, {14: 16, 12: 4, 7: lock.heads[19]})
        lock.seal()
        self._send(lock, 20, 21)
        lock.deliver(slot=9)
        self._send(lock, 22, lock.last_seq)
        self.sent = lock.last_seq
        other.deliver(slot=5, picture=b"another picture")
        self._send(other, 1, other.last_seq)
        for door, numbers in ((lock, (1, 2)), (other, (1,))):
            for number in numbers:
                for piece in door.pieces(number):
                    assert self._collector.handle(f"lobbylock/{door.name}/picture", piece)
        # Recorded, and still in the flash of the lock when it was taken.
        lock.deliver(slot=11)

    def open(self) -> Store:
        """Returns a copy of the store."""
        return Store(self._copies, self._copies.open_connection())

    def _copy(self) -> sqlite3.Connection:
        database = sqlite3.connect(":memory:", isolation_level=None)
        self.base.backup(database)
        return database

    def audit(self, store: Store) -> list[Finding]:
        sums = audit_store(store, self.doors, self.signer.public_key)
        return [finding for each in sums for finding in each.findings if finding not in self.known]

    def thief(self, behind: int) -> ScriptedDoor:
        """The lock as its thief can continue it behind event `behind`: with its seed and the one key that is left."""
        forged = copy.copy(self.lock)
        forged.records = self.lock.records[:behind]
        forged.tags = self.lock.tags[:behind]
        forged.heads = self.lock.heads[: behind + 1]
        forged.keys = [self.lock.keys[-1]]
        return forged


def view(store: Store) -> list:
    """What anybody sees of a store: events, gaps, pictures, evidence."""
    seen = []
    for chain in store.chains():
        pictures = []
        for seq, row in sorted(store.picture_rows(chain).items()):
            path = store.picture_path(row.file)
            pictures.append((seq, row.number, path.read_bytes() if path is not None and path.is_file() else None))
        records = [(row.seq, row.kind, row.time_s, row.record) for row in store.events(chain)]
        seen.append((chain.door, chain.public_key, records, store.gaps(chain), pictures, len(store.conflicts(chain))))
    return seen


# What the thief writes into the store.


def _run(store: Store, statement: str, *values) -> None:
    raw(store).execute(statement, values)


def raw(store: Store) -> sqlite3.Connection:
    """The database itself, past everything that guards it."""
    opened = store.connection.connection.driver_connection
    assert isinstance(opened, sqlite3.Connection)
    return opened


def _pick(world: World, rng: random.Random) -> int:
    """A stored event of the stolen lock."""
    return rng.choice([seq for seq in range(1, world.sent + 1) if not 16 <= seq <= 19])


def _other_fields(world: World, rng: random.Random, seq: int) -> list:
    """The fields of event `seq` with something else in them."""
    fields = cbor2.loads(world.lock.records[seq - 1])
    at = rng.choice([1, 2, 3, 4, 5])
    if at == 5:
        fields[5] = {**fields[5], 3: rng.randrange(100), 1: rng.randrange(6), 50: rng.randrange(1 << 30)}
    else:
        # Kinds and times that might pass for others, the seal's not: it could not be signed as another kind.
        fields[at] = (fields[at] or 0) + rng.randrange(1, 15)
    return fields


def edit_column(world, store, rng):
    seq = _pick(world, rng)
    column = rng.choice(EVENT_COLUMNS)
    value = rng.choice([None, 0, -1, rng.randrange(1 << 40), rng.randbytes(rng.choice([0, 16, 32])), "text", 1.5])
    # `OR IGNORE`: what the table itself does not take changes nothing.
    _run(store, f"UPDATE OR IGNORE event SET {column} = ? WHERE chain = 1 AND seq = ?", value, seq)


def edit_record(world, store, rng):
    """The record alone, with its columns and the head of its own row made to fit."""
    seq = _pick(world, rng)
    record = encode(_other_fields(world, rng, seq))
    kind, time_s = cbor2.loads(record)[1], cbor2.loads(record)[4]
    _run(
        store,
        "UPDATE event SET record = ?, kind = ?, time_s = ? WHERE chain = 1 AND seq = ?",
        record,
        kind,
        time_s,
        seq,
    )


def hide_from_views(world, store, rng):
    """What a filter by kind, time or door would look at."""
    seq = _pick(world, rng)
    which = rng.randrange(4)
    if which == 0:
        _run(store, "UPDATE event SET kind = ? WHERE chain = 1 AND seq = ?", rng.choice([3, 5, 99]), seq)
    elif which == 1:
        _run(store, "UPDATE event SET time_s = ? WHERE chain = 1 AND seq = ?", rng.choice([None, 0, NOW_S * 2]), seq)
    elif which == 2:
        _run(store, "UPDATE OR REPLACE event SET chain = ? WHERE chain = 1 AND seq = ?", rng.choice([2, 3, 0]), seq)
    else:
        _run(store, "UPDATE chain SET door = ? WHERE id = 1", rng.choice(["oak-3/yard", "oak-3/cellar", "x"]))


def delete_rows(world, store, rng):
    first = _pick(world, rng)
    last = min(world.sent, first + rng.randrange(6))
    _run(store, "DELETE FROM event WHERE chain = 1 AND seq BETWEEN ? AND ?", first, last)
    if rng.random() < 0.7:
        _run(store, "DELETE FROM picture WHERE chain = 1 AND seq BETWEEN ? AND ?", first, last)
    if rng.random() < 0.7:
        # And says that they never came, which is only believed of what the lock or the collector reported.
        _run(store, "DELETE FROM gap WHERE chain = 1 AND first_seq >= ? AND last_seq <= ?", first, last)
        _run(store, "INSERT OR REPLACE INTO gap VALUES (1, ?, ?, ?)", first, last, world.lock.heads[last])
    _change_end(world, store, rng)


def delete_behind_a_reported_gap(world, store, rng):
    """Events that came are deleted, and the stolen lock says with its next key that it had no room for them."""
    first, last = rng.choice([(1, 5), (6, 10), (11, 15), (22, 25)])
    collector = world._collect(store)
    unsent = world.lock.batch(world.sent + 1)
    collector.handle(f"lobbylock/{world.lock.name}/events", unsent)
    forged = world.thief(world.lock.last_seq)
    forged.add(EVENTS_LOST, {14: first, 12: last - first + 1, 7: world.lock.heads[last]})
    forged.seal()
    # The collector takes it: it is the lock's own, for all it knows.
    assert collector.handle(f"lobbylock/{forged.name}/events", forged.batch(world.lock.last_seq + 1))
    _run(store, "DELETE FROM event WHERE chain = 1 AND seq BETWEEN ? AND ?", first, last)
    _run(store, "DELETE FROM picture WHERE chain = 1 AND seq BETWEEN ? AND ?", first, last)
    _run(store, "INSERT INTO gap VALUES (1, ?, ?, ?)", first, last, world.lock.heads[last])


def truncate(world, store, rng):
    """Cut back, with whichever acknowledgement was ever sent, and not gone on with."""
    sent = [5, 10, 15, 21, world.sent]
    behind = rng.choice([*sent[:-1], rng.randrange(1, world.sent)])
    for table in ("event", "picture"):
        _run(store, f"DELETE FROM {table} WHERE chain = 1 AND seq > ?", behind)
    _run(store, "DELETE FROM gap WHERE chain = 1 AND first_seq > ?", behind)
    _change_end(world, store, rng)
    if behind in sent and rng.random() < 0.5:
        _run(store, "UPDATE chain SET ack = ? WHERE id = 1", world.acks[sent.index(behind)])


def truncate_and_resume(world, store, rng):
    """Cut back and gone on with: new records under the door's seal, tags by the key of an event that is yet to come."""
    behind = rng.choice([0, 5, 10, 15, 21, rng.randrange(1, world.sent)])
    forged = _write_on(world, rng, behind, rng.randrange(1, 9))
    _install(store, forged, behind + 1)
    _change_end(world, store, rng)


def reseal(world, store, rng):
    """The whole chain from an edited record on, sealed anew, with tags of one kind or another."""
    first = _pick(world, rng)
    forged = world.thief(first - 1)
    _append(forged, _other_fields(world, rng, first))
    for seq in range(first + 1, world.sent + 1):
        _append(forged, cbor2.loads(world.lock.records[seq - 1]))
    _choose_tags(world, forged, first, rng)
    _install(store, forged, first)
    _change_end(world, store, rng)


def reseal_without(world, store, rng):
    """An event is taken out or put in, and all that follow get other numbers, seals and tags."""
    first = _pick(world, rng)
    forged = world.thief(first - 1)
    if rng.random() < 0.5:
        forged.add(ACCESS, {1: 0, 2: 1, 3: rng.randrange(100)})
        rest = range(first, world.sent + 1)
    else:
        rest = range(first + 1, world.sent + 1)
    for seq in rest:
        _append(forged, [forged.last_seq + 1, *cbor2.loads(world.lock.records[seq - 1])[1:]])
    forged.seal()
    _choose_tags(world, forged, first, rng)
    _install(store, forged, first)
    _change_end(world, store, rng)


def swap_rows(world, store, rng):
    one, two = _pick(world, rng), _pick(world, rng)
    for before, after in ((one, -1), (two, one), (-1, two)):
        _run(store, "UPDATE OR REPLACE event SET seq = ? WHERE chain = 1 AND seq = ?", after, before)


def swap_events(world, store, rng):
    """Two records trade places, each with the other's number, sealed anew."""
    one, two = sorted((_pick(world, rng), _pick(world, rng)))
    forged = world.thief(one - 1)
    for seq in range(one, world.sent + 1):
        source = two if seq == one else one if seq == two else seq
        _append(forged, [seq, *cbor2.loads(world.lock.records[source - 1])[1:]])
    _choose_tags(world, forged, one, rng)
    _install(store, forged, one)


def insert_in_the_gap(world, store, rng):
    """Made-up events where the lock had lost some."""
    forged = world.thief(15)
    for _ in range(3):
        forged.add(ACCESS, {1: 0, 2: 1, 3: rng.randrange(100)})
    forged.seal()
    _choose_tags(world, forged, 16, rng)
    _run(store, "DELETE FROM gap WHERE chain = 1")
    _insert(store, forged, 16)


def append(world, store, rng):
    """What the lock had recorded and not sent, told otherwise."""
    forged = _write_on(world, rng, world.sent, rng.randrange(1, 5))
    _choose_tags(world, forged, world.sent + 1, rng)
    _insert(store, forged, world.sent + 1)
    _change_end(world, store, rng)


def swap_chains(world, store, rng):
    which = rng.randrange(5)
    if which == 0:
        for before, after in ((1, 9), (2, 1), (9, 2)):
            _run(store, "UPDATE event SET chain = ? WHERE chain = ?", after, before)
    elif which == 1:
        _run(store, "UPDATE chain SET door = CASE id WHEN 1 THEN 'oak-3/yard' ELSE 'maple-12/front' END")
    elif which == 2:
        for before, after in ((1, 9), (2, 1), (9, 2)):
            _run(store, "UPDATE chain SET id = ? WHERE id = ?", after, before)
    elif which == 3:
        number = rng.choice([1, 2])
        for table in ("event", "picture", "gap", "conflict"):
            _run(store, f"DELETE FROM {table} WHERE chain = ?", number)
        _run(store, "DELETE FROM chain WHERE id = ?", number)
    else:
        _run(store, "UPDATE chain SET receipt = (SELECT receipt FROM chain WHERE id = 2), ack = ack WHERE id = 1")


def change_gaps(world, store, rng):
    which = rng.randrange(5)
    if which == 0:
        _run(store, "DELETE FROM gap WHERE chain = 1")
    elif which == 1:
        _run(store, "UPDATE gap SET last_seq = last_seq + ? WHERE chain = 1", rng.choice([-2, -1, 1, 2, 1 << 50]))
    elif which == 2:
        _run(store, "UPDATE gap SET first_seq = first_seq + ? WHERE chain = 1", rng.choice([-2, -1, 1, 2]))
    elif which == 3:
        _run(store, "UPDATE gap SET head = ? WHERE chain = 1", rng.choice([b"", bytes(32), world.lock.heads[18]]))
    else:
        first = rng.randrange(1, 60)
        _run(store, "INSERT OR IGNORE INTO gap VALUES (1, ?, ?, ?)", first, first + rng.randrange(5), bytes(32))


def change_signed(world, store, rng):
    """What the collector signed: its acknowledgement and its receipt."""
    column = rng.choice(["ack", "receipt"])
    values = [None, b"", b"\x80", "text", rng.choice(world.acks[:-1]), world.signer.sign(b"x")]
    if rng.random() < 0.5:
        value = rng.choice(values)
    else:
        value = raw(store).execute(f"SELECT {column} FROM chain WHERE id = ?", (rng.choice([1, 2]),)).fetchone()[0]
        value = bytearray(value)
        value[rng.randrange(len(value))] ^= 1 << rng.randrange(8)
        value = bytes(value)
    _run(store, f"UPDATE chain SET {column} = ? WHERE id = 1", value)


def change_pictures(world, store, rng):
    seq = rng.choice([3, 8, 13])
    statements = [
        ("UPDATE picture SET file = NULL WHERE chain = 1 AND seq = ?", seq),
        ("UPDATE picture SET file = NULL, arrival = NULL, digest = NULL WHERE chain = 1 AND seq = ?", seq),
        ("UPDATE picture SET file = ? WHERE chain = 1", "maple-12/front/1-3-1.jpg"),
        ("UPDATE picture SET file = ?, arrival = 3 WHERE chain = 1 AND seq = 13", "maple-12/front/1-8-2.jpg"),
        ("UPDATE picture SET arrival = 7 WHERE chain = 1 AND seq = ?", seq),
        ("UPDATE picture SET digest = ? WHERE chain = 1", rng.randbytes(32)),
        ("UPDATE picture SET sha256 = ? WHERE chain = 1 AND seq = 13", rng.randbytes(32)),
        ("UPDATE picture SET number = ? WHERE chain = 1 AND seq = 13", rng.randrange(10, 99)),
        ("UPDATE picture SET length = ? WHERE chain = 1 AND seq = 13", rng.randrange(10, 99)),
        ("DELETE FROM picture WHERE chain = 1 AND seq = ?", seq),
        ("UPDATE picture SET seq = ? WHERE chain = 1 AND seq = 8", rng.randrange(9, 13)),
        ("INSERT INTO picture VALUES (1, 14, 3, 9, ?, NULL, NULL, NULL)", rng.randbytes(32)),
    ]
    statement, value = rng.choice(statements)
    _run(store, statement, *([value] if "?" in statement else []))


def change_evidence(world, store, rng):
    """A second history came and was kept; then somebody touches what was kept."""
    forged = _write_on(world, rng, rng.choice([5, 10]), 2)
    world_collector = world._collect(store)
    world_collector.handle(f"lobbylock/{forged.name}/events", forged.batch(forged.last_seq - 2))
    changes = ("seq = seq + 1", "message = x'80'", "received_s = 0", "chain = 2", "sha256 = zeroblob(32)")
    _run(store, rng.choice(["DELETE FROM conflict", *(f"UPDATE conflict SET {change}" for change in changes)]))


def send(world, store, rng):
    """Messages to the collector, as the lock's own: whatever the thief can make of any part of the history."""
    behind = rng.choice([0, 5, 10, 15, 19, world.sent, world.lock.last_seq, rng.randrange(world.lock.last_seq)])
    forged = _write_on(world, rng, behind, rng.randrange(1, 9))
    first = behind + 1
    if rng.random() < 0.3:
        # Its true numbers, where the key that is left belongs: with what came before left out.
        forged = world.thief(world.lock.last_seq)
        forged.add(ACCESS, {1: 0, 2: 1, 3: rng.randrange(100)})
        forged.seal()
        first = world.lock.last_seq + 1
    else:
        _choose_tags(world, forged, first, rng)
    world._collect(store).handle(f"lobbylock/{forged.name}/events", forged.batch(first))


def sign_as_the_collector(world, store, rng):
    """The collector's own key in the same hands: then the tags alone hold, as far as the lock had recorded."""
    rng.choice([edit_record, reseal, reseal_without, truncate_and_resume, swap_events, insert_in_the_gap])(
        world, store, rng
    )
    rows = raw(store).execute("SELECT seq, head FROM event WHERE chain = 1 ORDER BY seq DESC LIMIT 1").fetchone()
    if rows is not None and isinstance(rows[0], int):
        ack = acknowledge(world.signer, EVENTS, world.lock.name, *rows)
        _run(store, "UPDATE chain SET ack = ? WHERE id = 1", ack)
    with store.transaction():
        store.settle(store.chains("maple-12/front")[0], lambda account: sign_receipt(world.signer, account))


def forge_export(lines: list[bytes], rng: random.Random) -> bytes:
    """Returns an export with something else in it, its end made to fit but for the signature."""
    lines = list(lines)
    body, end = lines[:-1], json.loads(lines[-1])
    which = rng.randrange(7)
    one, two = rng.randrange(1, len(body)), rng.randrange(1, len(body))
    if which == 0:
        del body[one]
    elif which == 1:
        body[one], body[two] = body[two], body[one]
    elif which == 2:
        body.insert(one, body[two])
    elif which == 3:
        del body[min(one, two) : max(one, two) + 1]
    elif which == 4:
        return b"".join(lines)[: rng.randrange(1, sum(map(len, lines)) - 1)]
    elif which == 5:
        return b"".join(lines) + rng.choice([b"\n", b"{}\n", lines[-1], b"x"])
    else:
        line = bytearray(body[one])
        at = rng.randrange(len(line) - 1)
        line[at] = ord("1") if line[at] == ord("0") else ord("0")
        body[one] = bytes(line)
    if rng.random() < 0.8:
        end.update(lines=len(body), sha256=sha256(b"".join(body)).hexdigest())
    return b"".join([*body, json.dumps(end, separators=(",", ":")).encode() + b"\n"])


FORGERIES = (
    edit_column, edit_record, hide_from_views, delete_rows, delete_behind_a_reported_gap, truncate, truncate_and_resume,
    reseal, reseal_without, swap_rows, swap_events, insert_in_the_gap, append, swap_chains, change_gaps, change_signed,
    change_pictures, change_evidence, send, sign_as_the_collector,
)  # fmt: skip


def _append(forged: ScriptedDoor, fields: list) -> None:
    """Appends a record; a seal gets its signature from the lock's own key."""
    if fields[1] == SEAL and 9 in fields[5]:
        seq, _, boot, uptime_ms, time_s, _ = fields
        payload = encode(["lobbylock seal 1", forged.name, seq, boot, uptime_ms, time_s, forged.heads[-1]])
        fields = [*fields[:5], {9: forged.sign(payload)}]
    forged.append_record(encode(fields))


def _write_on(world: World, rng: random.Random, behind: int, count: int) -> ScriptedDoor:
    forged = world.thief(behind)
    for _ in range(count):
        forged.add(ACCESS, {1: 0, 2: 1, 3: rng.randrange(100)})
    forged.seal()
    return forged


def _choose_tags(world: World, forged: ScriptedDoor, first: int, rng: random.Random) -> None:
    """What was made with the one key that is left stays, or gives way to something else that the thief has."""
    which = rng.randrange(5)
    tags = forged.tags[first - 1 :]
    if which == 0:
        tags = [rng.randbytes(16) for _ in tags]
    elif which == 1:
        # The true tags of what had that number.
        tags = [*world.lock.tags[first - 1 :], *tags][: len(tags)]
    elif which == 2:
        tags = [bytes(16) for _ in tags]
    elif which == 3:
        # One key for all of them.
        tags = [ratchet.tag(world.lock.keys[-1], head) for head in forged.heads[first:]]
    forged.tags = forged.tags[: first - 1] + tags


def _insert(store: Store, forged: ScriptedDoor, first: int) -> None:
    for seq in range(first, forged.last_seq + 1):
        record = forged.records[seq - 1]
        kind, time_s = cbor2.loads(record)[1], cbor2.loads(record)[4]
        values = (1, seq, kind, time_s, record, forged.heads[seq], forged.tags[seq - 1], NOW_S)
        _run(store, "INSERT OR REPLACE INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?)", *values)


def _install(store: Store, forged: ScriptedDoor, first: int) -> None:
    """Puts `forged` in place of everything from `first` on; its picture rows stay where they still fit."""
    _run(store, "DELETE FROM event WHERE chain = 1 AND seq >= ?", first)
    _run(store, "DELETE FROM gap WHERE chain = 1 AND last_seq >= ?", first)
    _insert(store, forged, first)


def _change_end(world: World, store: Store, rng: random.Random) -> None:
    """An acknowledgement that the collector once sent, in place of its last one."""
    if rng.random() < 0.5:
        _run(store, "UPDATE chain SET ack = ? WHERE id = 1", rng.choice(world.acks))
