"""`lobbylock revoke --code`: codes are on record, and what of them goes on the building's list."""

import json
import time
from hashlib import sha256

import pytest

from lobbylock.bulletin import read_list
from lobbylock.coderegister import Code, CodeRegister
from lobbylock.revocation import Book

DAY_S = 86_400
# Late in an evening a code of an hour is of the same week as one of a day, and is the same code.
pytestmark = pytest.mark.usefixtures("noon")


@pytest.fixture
def code(run, lock):
    """`code("Bert", ...)` -> what `lobbylock code` says."""

    def make(person, *options, door=lock.name):
        status, out, err = run("code", door, person, "--json", *options)
        assert status == 0, err
        return json.loads(out)

    return make


def id_of(said):
    text = f"lobbylock code 1 {said['door']} {said['class']} {said['slot']} {said['window']}"
    return sha256(text.encode()).hexdigest()[:16]


def on_list(home, building="maple-12"):
    keys = {key.kid: key.public_key for key in home.issuer().keys}
    return [number.hex() for number in read_list(Book(home, building).list(), keys)[2]]


def test_codes_are_on_record_without_their_digits(home, code):
    said = [code("Bert"), code("Bert", "--for", "1d"), code("Anna", "--role", "resident"), code("Cleo", "--once")]
    path = home.path / "codes.jsonl"
    text = path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    assert not any(each["code"] in text or each["code"][4:] in text for each in said)
    kept = CodeRegister(home.path).all()
    assert [each.key for each in kept] == [id_of(each) for each in said]
    assert [(each.person, each.role, each.single_use) for each in kept] == [
        ("Bert", "driver", False),
        ("Bert", "driver", False),
        ("Anna", "resident", False),
        ("Cleo", "driver", True),
    ]
    assert [(each.from_s, each.until_s) for each in kept] == [(each["from_s"], each["until_s"]) for each in said]


def test_all_of_a_persons_codes_at_one_door(home, run, enrol, code, lock):
    home.new_door("maple-12/back", home.door(lock.name).options)
    said = [code("Bert"), code("Bert", "--for", "1d"), code("Bert", "--from", "+2d")]
    code("Anna")
    code("Bert", door="maple-12/back")
    status, out, err = run("revoke", "--code", lock.name, "Bert")
    assert status == 0, err
    assert out.count("Bert (code at maple-12/front): revoked") == 3 and "List 1 of maple-12" in out
    assert on_list(home) == sorted(id_of(each) for each in said)
    until = {entry.key: entry.until_s for entry in Book(home, "maple-12").entries}
    assert all(until[id_of(each)] == each["until_s"] + DAY_S for each in said)
    assert run("revoke", "--code", lock.name, "Bert")[1].startswith("It is on the list already.")
    assert run("revoke", "--code", lock.name, "Bert", "--undo")[0] == 0 and on_list(home) == []


def test_a_new_code_after_a_revoked_one_is_another(home, run, code, lock):
    first = code("Bert", "--role", "resident")
    assert run("revoke", "--code", lock.name, "Bert")[0] == 0
    second = code("Bert", "--role", "resident")
    assert first["code"] != second["code"] and first["slot"] != second["slot"]
    assert code("Bert", "--role", "resident")["code"] == second["code"]
    assert on_list(home) == [id_of(first)]
    status, _, err = run("code", lock.name, "Cleo", "--role", "resident", "--slot", str(first["slot"]))
    assert status == 2 and "Bert" in err
    # Taken off the list again, and still the new one.
    run("revoke", "--code", lock.name, "Bert", "--undo")
    assert code("Bert", "--role", "resident")["code"] == second["code"]


def test_single_use_codes(home, run, code, lock):
    first = code("Bert", "--once")
    run("revoke", "--code", lock.name, "Bert")
    second = code("Bert", "--once")
    assert first["code"] != second["code"] and not second["made_before"]
    assert code("Bert", "--once") == {**second, "made_before": True}


def test_what_cannot_be_revoked(home, run, code, lock):
    said = code("Bert")
    for arguments, sentence in (
        ((lock.name, "Anna"), "Anna has no code at maple-12/front that has not ended"),
        (("maple-12/nowhere", "Bert"), "There is no door"),
        ((lock.name, "Bert", "--until", "+1d"), "leave that out"),
        ((lock.name, "Bert", "--building", "oak-3"), "leave that out"),
        ((lock.name, "Bert", "--parent", "00" * 8), "leave that out"),
    ):
        status, _, err = run("revoke", "--code", *arguments)
        assert status == 2 and sentence in err, arguments
    # Of codes from before there was a record, only the end is known.
    (home.path / "codes.jsonl").unlink()
    status, _, err = run("revoke", "--code", lock.name, "Bert")
    assert status == 2 and "before there was a record" in err
    assert said["until_s"] > time.time() and not Book(home, "maple-12").version


def test_ended_codes_are_not_revoked(home, run, code, lock):
    code("Bert", "--from", "-2d")
    status, _, err = run("revoke", "--code", lock.name, "Bert")
    assert status == 2 and "has not ended" in err


def test_who_is_removed_can_be_revoked(home, run, code, lock):
    said = code("Bert")
    status, out, _ = run("driver", "remove", lock.name, "Bert")
    assert status == 0 and 'lobbylock revoke --code maple-12/front "Bert"' in out
    assert run("revoke", "--code", lock.name, "Bert")[0] == 0
    assert on_list(home) == [id_of(said)]


def test_credentials_and_their_codes_are_on_record_together(home, run, lock):
    status, out, err = run("credential", "mint", "Cleo", "--building", "maple-12", "--json", "--code", lock.name)
    assert status == 0, err
    assert json.loads(out)["code"] not in (home.path / "codes.jsonl").read_text()
    (made,) = CodeRegister(home.path).all()
    assert (made.door, made.person) == (lock.name, "Cleo")


def test_lines_that_are_no_codes(home, code):
    said = code("Bert")
    good = CodeRegister(home.path).all()[0].values()
    bad = [{**good, name: value} for name, value in (("slot", 100), ("class", 99), ("window", -1), ("from_s", "now"))]
    bad += [{**good, "person": 7}, {**good, "door": "nowhere"}, {**good, "single_use": 1}, {"door": said["door"]}, {}]
    with open(home.path / "codes.jsonl", "a") as file:
        file.write("[1]\nnull\n{torn\n" + "".join(json.dumps(each) + "\n" for each in bad) + "x" * 5_000)
    assert [each.key for each in CodeRegister(home.path).all()] == [id_of(said)]
    again = code("Anna")
    assert [each.key for each in CodeRegister(home.path).all()] == [id_of(said), id_of(again)]
    assert Code.load(good).values() == good
