"""`lobbylock revoke` and `lobbylock news`: what they keep, make and say, and what reaches a broker."""

import json
import os
import time
from hashlib import sha256

import pytest

from firmware.core import bulletin
from lobbylock import carriers, revocation
from lobbylock.address import Address
from lobbylock.broker import Broker
from lobbylock.bulletin import make_token, read_list, read_version
from lobbylock.carriers import Server, list_messages, publish
from lobbylock.errors import UserError
from lobbylock.register import Register
from lobbylock.revocation import Book, Entry
from lobbylock.settings import Options

DAY_S = 86_400


@pytest.fixture
def mint(run, tmp_path):
    """`mint("Anna", ...)` -> (file of the credential, what the command said of it)."""

    def make(subject, *options, building="maple-12"):
        path = tmp_path / f"{subject}{len(os.listdir(tmp_path))}.cwt"
        code, out, err = run(
            "credential", "mint", subject, "--building", building, "--json", "--out", str(path), *options
        )
        assert code == 0, err
        return path, json.loads(out)

    return make


def key_of(said):
    return sha256(bytes.fromhex(said["kid"]) + bytes.fromhex(said["id"])).digest()[:8]


def keys_of(home):
    return {key.kid: key.public_key for key in home.issuer().keys}


def on_list(home, building="maple-12"):
    """Returns (version, ids) of the last list, whose signature is looked at."""
    name, version, ids = read_list(Book(home, building).list(), keys_of(home))
    assert name == building
    return version, ids


def test_by_file_id_and_subject(home, run, mint):
    anna_path, anna = mint("Anna")
    _, bert = mint("Bert", "--for", "2d")
    _, twice = mint("Bert", "--for", "3d")
    code, out, _ = run("revoke", str(anna_path))
    assert code == 0 and "Anna: revoked; drops out of lists" in out and "List 1 of maple-12" in out
    assert on_list(home) == (1, [key_of(anna)])
    # Once more changes nothing.
    code, out, _ = run("revoke", anna["id"], "--json")
    assert (json.loads(out)["version"], json.loads(out)["changed"]) == (1, [])
    code, out, _ = run("revoke", "Bert", "--json")
    said = json.loads(out)
    assert said["version"] == 2 and said["count"] == 3 and len(said["changed"]) == 2
    assert {each["until_s"] for each in said["changed"]} == {bert["expires_s"] + DAY_S, twice["expires_s"] + DAY_S}
    assert on_list(home) == (2, sorted(map(key_of, (anna, bert, twice))))
    code, out, _ = run("revoke", anna["base64url"], "--undo")
    assert code == 0 and "off the list" in out
    assert on_list(home) == (3, sorted(map(key_of, (bert, twice))))


def test_until_and_ids_without_a_record(home, run):
    number = bytes(range(1, 9))
    assert "say for which --building" in run("revoke", number.hex())[2]
    assert "say for which --building" in run("revoke", number.hex(), "--building", "maple-12")[2]
    code, _, err = run("revoke", number.hex(), "--building", "maple-12", "--until", "-1d")
    assert code == 2 and "over already" in err
    code, _, err = run("revoke", number.hex(), "--building", "maple-12", "--until", "+5d")
    assert code == 2 and "no door of maple-12" in err
    assert not (home.path / "revoked").exists()
    home.new_door("maple-12/front", Options())
    home.rotate_issuer()
    code, out, _ = run("revoke", number.hex(), "--building", "maple-12", "--until", "+5d", "--json")
    assert code == 0 and json.loads(out)["count"] == 2
    # Nobody knows which of the issuer's keys had signed it.
    expected = sorted(sha256(key.kid + number).digest()[:8] for key in home.issuer().keys)
    assert on_list(home) == (1, expected)


def test_a_visitor_by_the_ids_in_the_record(home, run, mint):
    home.new_door("maple-12/front", Options())
    _, anna = mint("Anna")
    child, stranger = bytes(range(10, 18)), bytes(range(20, 28))

    def key_by(kid, parent):
        return sha256(sha256(kid + parent).digest() + child).digest()[:8]

    # The id alone is that of another credential, and that is said.
    code, out, _ = run("revoke", child.hex(), "--building", "maple-12", "--until", "+1d")
    assert code == 0 and "visitor's" in out and "--parent" in out
    assert run("revoke", child.hex(), "--building", "maple-12", "--until", "+1d", "--undo")[0] == 0
    code, out, _ = run("revoke", child.hex(), "--parent", anna["id"])
    assert code == 0 and "a visitor of Anna: revoked" in out and "--parent" not in out
    assert on_list(home) == (3, [key_by(bytes.fromhex(anna["kid"]), bytes.fromhex(anna["id"]))])
    assert Book(home, "maple-12").entries[0].until_s == anna["expires_s"] + DAY_S
    assert run("revoke", child.hex(), "--parent", anna["id"], "--undo")[0] == 0
    # A resident of whom there is no record.
    options = ("--parent", stranger.hex())
    assert run("revoke", child.hex(), *options)[0] == 2
    code, _, _ = run("revoke", child.hex(), *options, "--building", "maple-12", "--until", "+1d")
    assert code == 0
    assert on_list(home) == (5, [key_by(home.issuer().keys[0].kid, stranger)])
    for what, parent in (("Anna", anna["id"]), (child.hex(), "Anna"), (child.hex(), "00")):
        assert run("revoke", what, "--parent", parent)[0] == 2


def test_a_list_goes_over_nothing_that_is_read(home, run, mint, tmp_path):
    path, _ = mint("Anna")
    before = path.read_bytes()
    (tmp_path / "link").symlink_to(path)
    for out in (path, tmp_path / "link"):
        code, _, err = run("revoke", str(path), "--out", str(out))
        assert code == 2 and "would be overwritten" in err and path.read_bytes() == before
    assert Book(home, "maple-12").version == 0


def test_a_file_that_has_the_name_of_a_person_is_not_read(home, run, mint, tmp_path, monkeypatch):
    mint("Anna")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Anna").write_bytes(b"the list of before")
    assert run("revoke", "Anna", "--out", "Anna")[0] == 0
    assert Book(home, "maple-12").version == 1 and (tmp_path / "Anna").read_bytes() == Book(home, "maple-12").current(0)


def test_revoking_until_a_time_that_is_over(home, run, mint):
    mint("Anna")
    code, _, err = run("revoke", "Anna", "--until", "-1h")
    assert code == 2 and "over already" in err
    assert Book(home, "maple-12").version == 0


@pytest.mark.parametrize("name", ["../evil", "Maple-12", "", "a/b", "x" * 33])
def test_names_that_are_no_buildings(home, run, name):
    for command in (("revoke", "01" * 8, "--until", "+1d", "--building", name), ("news", "list", name)):
        code, _, err = run(*command)
        assert code == 2 and "not a building's name" in err
    assert not (home.path / "revoked").exists() and not list(home.path.glob("evil*"))


@pytest.mark.parametrize("command", [("revoke", "Anna"), ("news", "list", "maple-12"), ("serve",)])
@pytest.mark.parametrize("kept", [None, 1])
def test_a_cut_between_book_and_list_is_made_good(home, run, mint, monkeypatch, command, kept):
    home.new_door("maple-12/front", Options())
    _, anna = mint("Anna")
    with home.locked():
        if kept:
            Book(home, "maple-12").make()
        book = Book(home, "maple-12")
        book.add([Entry(key_of(anna).hex(), anna["expires_s"], "Anna", 0)])
        with monkeypatch.context() as patch, pytest.raises(OSError):
            patch.setattr(revocation, "write_private", _full)
            book.make()
    assert not Book(home, "maple-12").is_made()
    version = Book(home, "maple-12").version
    if command == ("serve",):
        messages = Server(home, print).news()
        assert messages == list_messages(["maple-12/front"], Book(home, "maple-12").list())
    else:
        assert run(*command)[0] == 0
    # The number of what may have been given to somebody is not given again.
    assert on_list(home)[0] > version and key_of(anna) in on_list(home)[1]
    assert run("news", "list", "maple-12")[0] == 0
    assert Book(home, "maple-12").is_made()


def _full(path, data):
    raise OSError(28, "No space left on device", str(path))


def test_a_server_goes_by_the_version_of_the_list_it_read(home, run, mint, monkeypatch):
    home.new_door("maple-12/front", Options())
    mint("Anna")
    assert run("revoke", "Anna")[0] == 0
    said = []
    server = Server(home, said.append)
    real = Book.list

    def late(book):
        # Somebody makes another list while the server is between the book and its list.
        monkeypatch.setattr(Book, "list", real)
        data = real(book)
        assert run("revoke", "Anna", "--undo")[0] == 0
        return data

    monkeypatch.setattr(Book, "list", late)
    assert read_version(_joined(server.news())) == 1
    assert read_version(_joined(server.news())) == 2 and server.news() == []
    assert "List 2 of maple-12, 0 ids" in said[-1]


def _joined(messages):
    """Returns the list that messages bring to one door."""
    return messages[-1][1] + b"".join(payload[4:] for _, payload in messages[:-1])


def test_what_is_no_credential(run, mint):
    code, _, err = run("revoke", "nobody")
    assert code == 2 and "is no credential" in err
    mint("Anna")
    code, _, err = run("revoke", "Anna", "--building", "oak-1")
    assert code == 2 and "no credential for oak-1" in err
    mint("Anna", building="oak-1")
    code, _, err = run("revoke", "Anna")
    assert code == 2 and "say which, --building" in err
    assert run("revoke", "Anna", "--building", "oak-1")[0] == 0


def test_expired_ones_are_not_revoked_and_drop_out(home, run, mint):
    now_s = int(time.time())
    _, said = mint("Anna", "--from", "-3d", "--for", "4d")
    assert run("revoke", "Anna")[0] == 0
    book = Book(home, "maple-12")
    with home.locked():
        book.add([Entry("00" * 8, now_s + 100, "Bert", now_s)])
        book.make(now_s)
    assert on_list(home) == (2, [bytes(8), key_of(said)])
    with home.locked():
        data = Book(home, "maple-12").make(now_s + 101)
    assert read_version(data) == 3 and on_list(home) == (3, [key_of(said)])
    assert len(Book(home, "maple-12").entries) == 1
    # After its end, and a day for clocks that are off, nobody has to be kept out any more.
    with home.locked():
        assert read_list(Book(home, "maple-12").make(said["expires_s"] + DAY_S))[2] == []


def test_a_list_is_full_at_a_thousand(home):
    now_s = int(time.time())
    book = Book(home, "maple-12")
    with home.locked():
        book.add(Entry(number.to_bytes(8, "big").hex(), now_s + DAY_S, "", now_s) for number in range(1_000))
        data = book.make(now_s)
        assert len(data) <= bulletin.MAX_LIST_BYTES
        book.add([Entry("ff" * 8, now_s + DAY_S, "", now_s)])
        with pytest.raises(UserError, match="1000 ids at most"):
            book.make(now_s)
    # What could not be made was not given a version.
    assert Book(home, "maple-12").version == 1 and Book(home, "maple-12").list() == data


def test_damaged_books_and_registers(home, run, mint):
    mint("Anna")
    assert run("revoke", "Anna")[0] == 0
    path = home.path / "revoked" / "maple-12.json"
    path.write_text('{"version": 1, "entries": [{"key": "zz"}]}')
    code, _, err = run("news", "list", "maple-12")
    assert code == 2 and "damaged" in err
    with open(home.path / "minted.jsonl", "ab") as file:
        file.write(b'{"subject": "cut\n\xff\xff\n' + b"x" * 5_000)
    assert len(Register(home.path).find(subject="Anna")) == 1
    # What a cut has left does not spoil the next one.
    mint("Bert")
    assert len(Register(home.path).find(subject="Bert")) == 1
    assert path.stat().st_mode & 0o077 == 0 and (home.path / "minted.jsonl").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "changed",
    [
        {"expires_s": "x"},
        {"expires_s": True},
        {"key": "zz"},
        {"key": "00"},
        {"kid": 5},
        {"building": None},
        {"more": 1},
    ],
)
def test_a_damaged_register_is_named(home, run, mint, changed):
    _, said = mint("Anna")
    path = home.path / "minted.jsonl"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}) + "\n")
    for command in (("revoke", "Anna"), ("revoke", said["id"]), ("revoke", "01" * 8, "--parent", said["id"])):
        code, _, err = run(*command)
        assert code == 2 and "Line 1 of" in err and err.count("\n") == 1
    mint("Bert")
    assert run("revoke", "Bert")[0] == 0


@pytest.mark.parametrize(
    "entry, version",
    [
        ({"since_s": "x"}, 1),
        ({"until_s": 1.5}, 1),
        ({"subject": 5}, 1),
        ({"key": 5}, 1),
        ({}, -5),
        ({}, "1"),
        ({}, 1 << 32),
    ],
)
def test_a_damaged_book_is_named(home, run, entry, version):
    good = {"key": "01" * 8, "until_s": 1 << 31, "subject": "Anna", "since_s": 0}
    path = home.path / "revoked" / "maple-12.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"version": version, "entries": [{**good, **entry}]}))
    code, _, err = run("news", "list", "maple-12")
    assert code == 2 and "damaged" in err and err.count("\n") == 1


def test_news_list_and_token(home, run, mint, tmp_path):
    code, _, err = run("news", "list", "maple-12")
    assert code == 2 and "No list was made" in err
    mint("Anna")
    out = tmp_path / "list"
    assert run("revoke", "Anna", "--out", str(out))[0] == 0
    assert out.read_bytes() == Book(home, "maple-12").list()
    said = json.loads(run("news", "list", "maple-12", "--json")[1])
    assert (said["version"], said["bytes"], said["entries"][0]["subject"]) == (1, len(out.read_bytes()), "Anna")
    assert "Anna" in run("news", "list", "maple-12")[1]
    nonce, time_s = bytes(range(16)), 1_789_992_000
    arguments = ("news", "token", "maple-12/front", "--nonce", nonce.hex(), "--time", "2026-09-21T12:00:00Z")
    code, printed, _ = run(*arguments)
    assert bytes.fromhex(printed.strip()) == make_token(home.issuer().signer, "maple-12/front", nonce, time_s)
    for wrong in ("2023-12-31T00:00:00Z", "2060-01-02T00:00:00Z", "2200-01-01"):
        code, out, err = run(*arguments[:-1], wrong)
        assert (code, out) == (2, "") and "2024 to 2060" in err
    for wrong in ("", "00", "zz" * 16):
        assert run("news", "token", "maple-12/front", "--nonce", wrong)[0] == 2


def test_a_server_answers_its_own_doors(home, run, mint):
    home.new_door("maple-12/front", Options())
    clock = [1_789_992_000.7]
    said = []
    server = Server(home, said.append, lambda: clock[0])
    nonce = bytes(range(16))
    answer = server.answer("lobbylock/maple-12/front/nonce", nonce.hex().encode())
    assert answer
    topic, token = answer
    assert topic == "lobbylock/maple-12/front/time"
    assert token == make_token(home.issuer().signer, "maple-12/front", nonce, 1_789_992_000)
    # Not again at once, not for doors of others, nor for what is no nonce.
    assert server.answer("lobbylock/maple-12/front/nonce", nonce.hex().encode()) is None
    clock[0] += 10
    for name, payload in (
        ("lobbylock/oak-3/front/nonce", nonce.hex().encode()),
        ("lobbylock/maple-12/front/status", nonce.hex().encode()),
        ("lobbylock/maple-12/front/nonce", b""),
        ("lobbylock/maple-12/front/nonce", b"z" * 32),
        ("lobbylock/maple-12/front/nonce", b"\xff" * 32),
    ):
        assert server.answer(name, payload) is None
    assert server.answer("lobbylock/maple-12/front/nonce", nonce.hex().encode()) is not None
    clock[0] = 1_000
    assert server.answer("lobbylock/maple-12/front/nonce", nonce.hex().encode()) is None and "2024" in said[-1]
    assert server.news() == []
    mint("Anna")
    assert run("revoke", "Anna")[0] == 0
    messages = server.news()
    assert messages == list_messages(["maple-12/front"], Book(home, "maple-12").list()) and server.news() == []
    assert messages[-1][0] == "lobbylock/maple-12/front/list/head" and len(messages) == 10


def test_lists_lie_at_the_broker(home, run, mint, broker_kind, monkeypatch):
    # A busy machine's broker is no dead one.
    monkeypatch.setattr(carriers, "_TIMEOUT_S", 100)
    home.new_door("maple-12/front", Options())
    home.new_door("maple-12/back", Options())
    home.new_door("oak-3/front", Options())
    mint("Anna")
    code, out, err = run("revoke", "Anna", "--broker", "mqtt://127.0.0.1:1")
    assert code == 2 and "Anna: revoked" in out and "Doors do not know yet" in out
    assert "does not take it" in err and "`lobbylock news list maple-12 --broker URL` does that" in err
    said = json.loads(run("revoke", "Anna", "--broker", "mqtt://127.0.0.1:1", "--json")[1])
    assert (said["version"], said["changed"], said["published"]) == (1, [], []) and "List 1" in said["trouble"]
    with Broker(broker_kind) as broker:
        # The list of before, by the command that was named.
        assert run("news", "list", "maple-12", "--broker", broker.url)[0] == 0
        assert _retained(broker)
    with Broker(broker_kind) as broker:
        # Or by the same once more.
        code, out, err = run("revoke", "Anna", "--broker", broker.url)
        assert code == 0 and "on the list already" in out and "Published for maple-12/back, maple-12/front." in out, err
        held = _retained(broker)
        expected = dict(list_messages(["maple-12/back", "maple-12/front"], Book(home, "maple-12").list()))
        assert held == {topic: payload for topic, payload in expected.items() if payload}
        address = Address.parse(broker.url)
    with pytest.raises(UserError, match="does not take it"):
        publish(address, list_messages(["maple-12/front"], Book(home, "maple-12").list()))


def _retained(broker):
    """Returns the retained messages below lobbylock/."""
    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    held = {}
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.on_message = lambda _, __, message: held.update({message.topic: message.payload})
    client.connect("127.0.0.1", broker.port)
    client.subscribe("lobbylock/#", qos=1)
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline and len(held) < 4:
        client.loop(0.1)
    client.disconnect()
    return held
