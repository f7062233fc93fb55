"""Stores of any size: records that are chained, tagged and sealed as a lock's are, with the index and the receipts.

Made without a collector, which would take an hour for a million events; every check of it holds all the same.
"""

import hmac
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import cbor
import cose
from sqlalchemy import Connection, insert

from firmware.core import event
from lobbylock import tables
from lobbylock.acknowledgement import EVENTS, acknowledge
from lobbylock.database import Database
from lobbylock.door import Door
from lobbylock.files import make_folder, write_private
from lobbylock.home import Home
from lobbylock.journalkey import JournalKey
from lobbylock.receipt import digest_picture, sign_receipt
from lobbylock.settings import Options
from lobbylock.signature import Signer
from lobbylock.store import Chain
from lobbylock.story import Story, Teller
from lobbylock.visits import row_values

DOORS = ("maple-12/front",)
_SEAL_EVERY = 32
_CHUNK = 20_000
# Some minutes between visits, so that a big history is a long one.
_EVENT_S = 40
_KID = b"\x0a\x0b\x0c\x0d"
_FOLLOWING = b"lobbylock journal key 1"
# Roles of those who come, and how many of a hundred.
_PEOPLE = (("Driver", 1, 35), ("Resident", 2, 55), ("Visitor", 4, 5), ("", 0, 5))


@dataclass
class Board:
    """A lock and how far its history has got: `head` and `key` are those behind event `seq`."""

    door: Door
    signer: Signer
    rng: random.Random
    end_s: int
    head: bytes = b""
    key: bytes = b""
    seq: int = 0
    access_seq: int = 0
    record: bytes = b""
    tag: bytes = b""
    pictures: int = 0
    # (announcing seq, number, data) of the last ones.
    kept: list[tuple[int, int, bytes]] = field(default_factory=list)


def fill(
    database: Database,
    home: Home,
    count: int,
    doors: tuple[str, ...] = DOORS,
    *,
    pictures: int = 60,
    people: int = 40,
    end_s: int = 1_790_000_000,
    seed: int = 7,
) -> dict[str, Door]:
    """Enrols `doors` in `home` and gives each its part of `count` events, the last of them just before `end_s`.

    The last `pictures` pictures of each door are there, the others have not come. Drivers, residents and visitors are
    called "Driver 1" to "Driver `people`" and so on, the parents of "Visitor n" being "Resident n". Returns the doors'
    records.
    """
    rng = random.Random(seed)  # noqa: S311 the same crowd every time
    chains = []
    for name in doors:
        board = _enrol(home, name, rng, end_s)
        with database.begin() as connection:
            values = {"door": name, "public_key": board.signer.public_key}
            number = connection.execute(insert(tables.chain).returning(tables.chain.c.id), values).scalar_one()
        chain = Chain(number, name, board.signer.public_key, None, None)
        chains.append((chain, board))
        _fill_chain(database, chain, board, count // len(doors), pictures, people)
    signer = home.collector()
    with database.store() as store, store.transaction():
        for chain, board in chains:
            ack = acknowledge(signer, EVENTS, chain.door, board.seq, board.head)
            store.connection.execute(tables.chain.update().where(tables.chain.c.id == chain.id).values(ack=ack))
        for chain, _ in chains:
            store.settle(chain, lambda account: sign_receipt(signer, account))
    _settle_statistics(database)
    return {name: home.door(name) for name in doors}


def _settle_statistics(database: Database) -> None:
    """What the databases do by themselves after some time: they look how much there is of what."""
    with database.begin() as connection:
        connection.exec_driver_sql("ANALYZE")


def _enrol(home: Home, name: str, rng: random.Random, end_s: int) -> Board:
    signer = Signer(rng.randbytes(32))
    key = rng.randbytes(32)
    door = home.new_door(name, Options()) if name not in home.door_names() else home.door(name)
    door.enrol(signer.public_key, JournalKey(1, key), may_replace=True)
    home.save_door(door)
    return Board(door, signer, rng, end_s, event.genesis(signer.public_key), key)


def _fill_chain(database: Database, chain: Chain, board: Board, count: int, pictures: int, people: int) -> None:
    teller = Teller(board.door)
    rows: dict[str, list[dict[str, Any]]] = {"event": [], "picture": [], "visit": []}
    for found in _history(board, count, people):
        rows["event"].append(_record(board, chain, found))
        teller.take(found)
        if found.kind == event.PICTURE:
            details = found.details
            rows["picture"].append(
                {
                    "chain": chain.id,
                    "seq": found.seq,
                    "number": details[event.PICTURE_NUMBER],
                    "length": details[event.LENGTH],
                    "sha256": details[event.SHA256],
                    "file": None,
                    "arrival": None,
                    "digest": None,
                }
            )
            board.kept = board.kept[-pictures + 1 :] if pictures else []
            if pictures:
                board.kept.append((found.seq, board.pictures, _picture(board.pictures)))
        if len(rows["event"]) == _CHUNK:
            rows["visit"] = [_visit(chain, story) for story in teller.forget()]
            _write(database, rows)
    rows["visit"] = [_visit(chain, story) for story in teller.told.values()]
    _write(database, rows)
    _keep_pictures(database, chain, board)


def _history(board: Board, count: int, people: int) -> Iterator[event.Event]:
    """Yields the events of a lock that has been in use for `count` events; the last one is a seal."""
    since_seal = 0
    yield _event(board, board.end_s - _EVENT_S * count, event.BOOT, {})
    while board.seq < count - 12:
        time_s = board.end_s - _EVENT_S * (count - board.seq)
        for after_s, kind, details in _visit_events(board, people):
            yield _event(board, time_s + after_s, kind, details)
            since_seal += 1
            if since_seal >= _SEAL_EVERY - 1:
                yield _event(board, time_s + after_s, event.SEAL, {})
                since_seal = 0
    while board.seq < count - 1:
        yield _event(board, board.end_s, event.EXIT_REQUESTED, {})
    yield _event(board, board.end_s, event.SEAL, {})


def _visit_events(board: Board, people: int) -> Iterator[tuple[int, int, dict[int, Any]]]:
    rng = board.rng
    name, role, _ = rng.choices(_PEOPLE, [weight for _, _, weight in _PEOPLE])[0]
    if not role:
        yield 0, event.ACCESS, {event.REASON: event.WRONG_CODE, event.VIA: event.KEYPAD}
        return
    number = rng.randrange(1, people + 1)
    details: dict[int, Any] = {event.REASON: event.GRANTED, event.VIA: event.PHONE}
    details |= {event.SUBJECT: f"{name} {number}", event.CREDENTIAL_ID: _credential(name, number)}
    details |= {event.ROLE: role, event.KID: _KID}
    if role == 4:
        details[event.PARENT_ID] = _credential("Resident", number)
    if role != 2:
        board.pictures += 1
        data = _picture(board.pictures)
        announced = {event.PICTURE_NUMBER: board.pictures, event.LENGTH: len(data), event.SHA256: sha256(data).digest()}
        yield 0, event.PICTURE, announced
        details[event.PICTURE_NUMBER] = board.pictures
    yield 1, event.ACCESS, details
    access = board.access_seq
    yield 1, event.UNLOCKED, {event.CAUSE: event.BY_ACCESS, event.ACCESS_SEQ: access}
    if rng.random() < 0.8:
        yield 1, event.RECEIPT, {event.ACCESS_SEQ: access, event.SHA256: rng.randbytes(32)}
    if rng.random() < 0.05:
        yield 6, event.NOT_OPENED, {event.ACCESS_SEQ: access}
    else:
        yield 3, event.DOOR_OPENED, {event.ACCESS_SEQ: access}
        yield 8, event.DOOR_CLOSED, {event.DURATION_S: 5, event.ACCESS_SEQ: access}
    yield 9, event.LOCKED, {}


def _event(board: Board, time_s: int, kind: int, details: dict[int, Any]) -> event.Event:
    board.seq += 1
    if kind == event.ACCESS:
        board.access_seq = board.seq
    found = event.Event(board.seq, kind, 1, 250 * board.seq, time_s, details)
    if kind == event.SEAL:
        payload = event.seal_payload(board.door.name, found, board.head)
        found.details = {event.SIGNATURE: board.signer.sign(cose.to_be_signed(payload))}
    # Before the next one is made, for a seal signs what is before it.
    record = cbor.encode([found.seq, kind, 1, found.uptime_ms, time_s, found.details])
    board.record = record
    board.head = sha256(board.head + record).digest()
    board.tag = hmac.digest(board.key, board.head, "sha256")[:16]
    board.key = hmac.digest(board.key, _FOLLOWING, "sha256")
    return found


def _record(board: Board, chain: Chain, found: event.Event) -> dict[str, Any]:
    return {
        "chain": chain.id,
        "seq": found.seq,
        "kind": found.kind,
        "time_s": found.time_s,
        "record": board.record,
        "head": board.head,
        "tag": board.tag,
        "received_s": found.time_s,
    }


def _visit(chain: Chain, story: Story) -> dict[str, Any]:
    return {"chain": chain.id, "seq": story.access.seq, **row_values(story, story.access.time_s)}


def _credential(name: str, number: int) -> bytes:
    return sha256(f"{name} {number}".encode()).digest()[:8]


def _picture(number: int) -> bytes:
    """Returns what passes for a JPEG by its first bytes, as long as a small picture."""
    return b"\xff\xd8\xff\xe0" + sha256(number.to_bytes(8, "big")).digest() * 500 + b"\xff\xd9"


def _keep_pictures(database: Database, chain: Chain, board: Board) -> None:
    digest = None
    rows = []
    for arrival, (seq, number, data) in enumerate(board.kept, 1):
        file = f"{chain.door}/{chain.id}-{seq}-{number}.jpg"
        make_folder((database.pictures / file).parent)
        write_private(database.pictures / file, data)
        digest = digest_picture(digest, seq, sha256(data).digest())
        rows.append({"file": file, "arrival": arrival, "digest": digest, "seq": seq})
    table = tables.picture
    with database.begin() as connection:
        for row in rows:
            seq = row.pop("seq")
            connection.execute(table.update().where(table.c.chain == chain.id, table.c.seq == seq).values(row))


def _write(database: Database, rows: dict[str, list[dict[str, Any]]]) -> None:
    with database.begin() as connection:
        for name, added in rows.items():
            if added:
                _insert(connection, name, added, is_sqlite=database.is_sqlite)
            added.clear()


def _insert(connection: Connection, name: str, added: list[dict[str, Any]], *, is_sqlite: bool) -> None:
    columns = list(added[0])
    values: Iterable[tuple[Any, ...]] = (tuple(row.values()) for row in added)
    if is_sqlite:
        places = ", ".join("?" * len(columns))
        connection.exec_driver_sql(f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({places})", list(values))  # noqa: S608
        return
    cursor: Any = connection.connection.cursor()
    with cursor.copy(f"COPY {name} ({', '.join(columns)}) FROM STDIN") as copy:
        for row in values:
            copy.write_row(row)
