"""Whatever is altered in the store, the right row is named: on the page, by the check of the row, by the watchman."""

import contextlib
import json

import cbor2
import pytest
from sqlalchemy import delete, insert, select, update
from visitcase import FRONT, MANAGER, NOON_S

from lobbylock import tables, watchman
from lobbylock.audit import audit_store
from lobbylock.database import Database
from lobbylock.keyring import Keyring
from lobbylock.retention import parse_rules, prune
from lobbylock.rowproof import check_row
from lobbylock.store import Store

EVENT, VISIT = tables.event, tables.visit
# Of the third visit: what the lock recorded of it follows in this order.
ACCESS, UNLOCKED, PICTURE, RECEIPT, OPENED, CLOSED, SEAL = range(15, 22)


def change(connection, seq, **values):
    connection.execute(update(EVENT).where(EVENT.c.seq == seq).values(values))


def row_of(connection, seq):
    return connection.execute(select(EVENT).where(EVENT.c.seq == seq)).one()


def alter_record(connection, house):
    fields = cbor2.loads(row_of(connection, ACCESS).record)
    fields[5][18] = "Eve"
    change(connection, ACCESS, record=cbor2.dumps(fields, canonical=True))


def alter_another_record(connection, house):
    fields = cbor2.loads(row_of(connection, OPENED).record)
    change(connection, OPENED, record=cbor2.dumps([*fields[:3], fields[3] + 1, *fields[4:]], canonical=True))


def spoil_record(connection, house):
    change(connection, ACCESS, record=b"no record")


def alter_head(connection, house):
    change(connection, OPENED, head=bytes(32))


def alter_tag(connection, house):
    change(connection, UNLOCKED, tag=bytes(16))


def alter_time(connection, house):
    change(connection, ACCESS, time_s=row_of(connection, ACCESS).time_s + 60)


def alter_kind(connection, house):
    change(connection, RECEIPT, kind=3)


def delete_row(connection, house):
    connection.execute(delete(EVENT).where(EVENT.c.seq == RECEIPT))


def swap_rows(connection, house):
    one, two = row_of(connection, OPENED), row_of(connection, CLOSED)
    names = ("kind", "time_s", "record", "head", "tag")
    change(connection, OPENED, **{name: getattr(two, name) for name in names})
    change(connection, CLOSED, **{name: getattr(one, name) for name in names})


def alter_picture(connection, house):
    next(house.database.pictures.glob(f"*/*/*-{PICTURE}-3.jpg")).write_bytes(b"\xff\xd8\xff another")


def lose_picture(connection, house):
    next(house.database.pictures.glob(f"*/*/*-{PICTURE}-3.jpg")).unlink()


def alter_picture_row(connection, house):
    connection.execute(update(tables.picture).where(tables.picture.c.seq == PICTURE).values(sha256=bytes(32)))


def delete_picture_row(connection, house):
    connection.execute(delete(tables.picture).where(tables.picture.c.seq == PICTURE))


def alter_index(**values):
    def alter(connection, house):
        connection.execute(update(VISIT).where(VISIT.c.seq == ACCESS).values(values))

    return alter


ALTERATIONS = {
    "record": (alter_record, ACCESS),
    "record of an event of it": (alter_another_record, OPENED),
    "no record": (spoil_record, ACCESS),
    "head": (alter_head, OPENED),
    "tag": (alter_tag, UNLOCKED),
    "time": (alter_time, ACCESS),
    "kind": (alter_kind, RECEIPT),
    "deleted row": (delete_row, RECEIPT),
    "swapped rows": (swap_rows, OPENED),
    "picture": (alter_picture, PICTURE),
    "lost picture": (lose_picture, PICTURE),
    "picture's row": (alter_picture_row, PICTURE),
    "picture's deleted row": (delete_picture_row, PICTURE),
    "outcome in the index": (alter_index(outcome="not_opened"), ACCESS),
    "person in the index": (alter_index(person="Anna"), ACCESS),
    "role in the index": (alter_index(role="resident"), ACCESS),
    "time in the index": (alter_index(shown_s=5, time_s=5), ACCESS),
    "window in the index": (alter_index(last_seq=ACCESS), ACCESS),
    "nonsense in the index": (alter_index(first_seq=1 << 60, last_seq=-1), ACCESS),
}


def test_right_row_is_named(house):
    house.enrol()
    for number in range(5):
        house.come(f"Dora {number}")
    house.collect()
    assert {shown.proof.state for shown in house.told().values()} == {"holds"} and look(house) == []
    for name, (alter, expected) in ALTERATIONS.items():
        with altered(house, alter):
            check_named(house, name, expected)
    assert look(house) == []


@contextlib.contextmanager
def altered(house, alter):
    """The store with something altered, which is put right afterwards."""
    picture = next(house.database.pictures.glob(f"*/*/*-{PICTURE}-3.jpg"))
    data = picture.read_bytes()
    with house.database.connect() as connection:
        kept = {table: connection.execute(select(table)).mappings().all() for table in (EVENT, VISIT, tables.picture)}
    with house.database.begin() as connection:
        alter(connection, house)
    yield
    picture.write_bytes(data)
    with house.database.begin() as connection:
        for table, rows in kept.items():
            connection.execute(delete(table))
            connection.execute(insert(table), [dict(row) for row in rows])


def check_named(house, name, expected):
    told = house.told()
    # Those before and behind it are still there, and hold.
    assert sorted(told) == [1, 8, 15, 22, 29], name
    proofs = {seq: shown.proof for seq, shown in told.items()}
    assert {seq for seq, proof in proofs.items() if proof.is_broken} == {ACCESS}, (name, proofs)
    assert proofs[ACCESS].seq == expected and proofs[ACCESS].sentence, (name, proofs[ACCESS])
    chain = told[ACCESS].chain
    checked = house.history.check(FRONT, chain, expected)
    assert checked.proof.is_broken and checked.proof.seq == expected, (name, checked)
    assert any(check.holds is False for check in checked.checks), name
    assert house.history.check(FRONT, chain, SEAL + 2).proof.state == "holds", name
    noticed = look(house)
    assert expected in {found.seq for found in noticed}, (name, noticed)
    assert {found.seq for found in noticed} <= {expected, ACCESS}, (name, noticed)


def look(house):
    """What a round of the watchman finds, in this process."""
    made = watchman._Watchman(house.database.url, house.database.pictures, house.home)
    with Database.open(house.database.url, house.database.pictures, to_read=True) as database:
        return made._look(database)


def test_seal_that_is_gone(house):
    house.enrol()
    for number in range(4):
        house.come(f"Dora {number}")
    house.collect()
    with house.database.begin() as connection:
        connection.execute(delete(EVENT).where(EVENT.c.seq == SEAL))
    proofs = {seq: shown.proof for seq, shown in house.told().items()}
    # The next seal covers what was before; nobody can say what the first row behind it followed.
    assert [proofs[seq].state for seq in (1, 8, 15, 22)] == ["holds", "holds", "holds", "broken"]
    assert proofs[22].seq == SEAL
    chain = house.told()[1].chain
    assert house.history.check(FRONT, chain, SEAL).proof.seq == SEAL
    assert SEAL in {found.seq for found in look(house)}


def test_end_that_is_cut_off(house):
    house.enrol()
    for number in range(3):
        house.come(f"Dora {number}")
    house.collect()
    with house.database.begin() as connection:
        connection.execute(delete(EVENT).where(EVENT.c.seq >= CLOSED))
    proof = house.told()[ACCESS].proof
    assert (proof.state, proof.seq) == ("broken", CLOSED)
    assert CLOSED in {found.seq for found in look(house)}


def test_visit_that_is_taken_out_of_the_index(house):
    house.enrol()
    for number in range(3):
        house.come(f"Dora {number}")
    house.collect()
    with house.database.begin() as connection:
        connection.execute(delete(VISIT).where(VISIT.c.seq == 8))
    assert {found.seq for found in look(house)} == {8}
    chain = house.told()[1].chain
    checked = house.history.check(FRONT, chain, 8)
    assert checked.proof.is_broken and checked.proof.seq == 8
    assert house.history.story(MANAGER, FRONT, chain, 8) is None


def test_pictures_that_go_by_rule_meanwhile(house):
    """Who reads an earlier moment of the store tells nobody that a picture was taken away."""
    house.enrol()
    access = house.come()
    house.collect()
    key = house.home.collector().public_key
    with house.database.connect() as connection:
        store = Store(house.database, connection)
        (chain,) = store.chains()
        rules = parse_rules(["1h"])
        assert len(prune(house.database, house.doors(), house.home.collector(), rules, NOON_S + 100_000)) == 1
        (found,) = audit_store(store, house.doors(), key)
        assert found.findings == [] and found.deleted_pictures == 1
        keys = Keyring().line(house.doors()[FRONT], chain.public_key)
        checked = check_row(store, chain, house.doors()[FRONT], access + 2, key, keys)
        assert checked is not None and checked.proof.state == "holds"
        assert "deleted by rule" in checked.checks[-1].sentence
    assert look(house) == []


def test_picture_that_is_noted_as_if_it_had_not_come(house):
    house.enrol()
    access = house.come()
    house.collect()
    with house.database.begin() as connection:
        connection.execute(update(tables.picture).values(file=None, arrival=None, digest=None))
    shown = house.told()[access]
    assert shown.picture.state == "missing" and shown.proof.is_broken
    assert look(house) != []


class Ended(Exception):
    """Ends the watchman's rounds."""


def test_nothing_ends_the_watchman(house, monkeypatch, capsys):
    house.enrol()
    house.come()
    house.collect()
    with house.database.begin() as connection:
        connection.execute(update(EVENT).where(EVENT.c.seq == 3).values(tag=b""))

    def fail(*_):
        raise TypeError

    monkeypatch.setattr(watchman, "compare_index", fail)
    assert {(found.door, found.seq) for found in look(house)} == {(FRONT, 3), (FRONT, 0)}
    monkeypatch.setattr(watchman, "audit_store", fail)
    rounds = iter(((), ()))

    def rest(*_):
        if next(rounds, None) is None:
            raise Ended

    made = watchman._Watchman(house.database.url, house.database.pictures, house.home)
    monkeypatch.setattr(made, "_rest", rest)
    with pytest.raises(Ended):
        made.run()
    made._open().close()
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(told) == 3
    assert all(each["checked_s"] and each["findings"][0]["is_alteration"] for each in told)
