"""Codes and credentials made and revoked on the page, shown once and kept nowhere."""

from contextlib import contextmanager

import pytest
from recordcase import find
from sqlalchemy import insert, select

from firmware.core import credential, event
from lobbylock import tables
from lobbylock.bulletin import read_list
from lobbylock.coderegister import CodeRegister
from lobbylock.credential_file import read_credential
from lobbylock.errors import StoreFailed, UserError
from lobbylock.page import actions
from lobbylock.register import Register
from lobbylock.revocation import Book
from lobbylock.settings import Options

NOW_S = 1_790_000_000
PEM = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt
6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==
-----END PUBLIC KEY-----"""


@pytest.fixture
def published(context):
    """What was given to the broker."""
    taken = []
    context.publish = taken.extend
    return taken


def ticket(manager, path):
    return find(r'name="ticket" value="([^"]+)"', manager.get(path).text)


def make_code(manager, **values):
    values = {"door": "maple-12/front", "person": "Bert", "role": "driver", "from": "", "for": "4h", **values}
    return manager.submit(
        "/grants/code", ticket=values.pop("ticket", None) or ticket(manager, "/grants/code"), **values
    )


def make_credential(manager, **values):
    usual = {"building": "maple-12", "person": "Cleo", "role": "driver", "areas": "lobby", "from": "", "for": "1d"}
    usual |= {"until": "", "uses": "1", "hours": "", "holder": ""}
    path = "/grants/credential"
    return manager.submit(path, ticket=ticket(manager, path), **{**usual, **values})


def digits_in(answer):
    return find(r'id="secret">([0-9 ]+)<', answer.text).replace(" ", "")


def facts(context):
    with context.database.connect() as connection:
        return [(each.account, each.what, each.about) for each in actions.latest(connection)]


def key_on(page):
    return find(r'name="key" value="([0-9a-f]{16})"', page.text)


def test_a_code_is_shown_once_and_kept_nowhere(manager, context, tmp_path):
    used = ticket(manager, "/grants/code")
    answer = make_code(manager, ticket=used)
    assert answer.status_code == 200
    digits = digits_in(answer)
    assert answer.headers["cache-control"] == "no-store" and "<svg" in answer.text and " style=" not in answer.text
    (code,) = CodeRegister(context.home.path).all()
    assert (code.door, code.person, code.role) == ("maple-12/front", "Bert", "driver")
    assert code.from_s <= NOW_S < NOW_S + 4 * 3_600 <= code.until_s
    # Reloaded, the form makes nothing.
    again = make_code(manager, ticket=used)
    assert again.status_code == 400 and digits not in again.text and len(CodeRegister(context.home.path).all()) == 1
    assert digits not in manager.get("/grants").text and "Bert" in manager.get("/grants").text
    assert facts(context)[0][:2] == ("mia", "made")
    for file in [each for each in tmp_path.rglob("*") if each.is_file()]:
        assert digits.encode() not in file.read_bytes(), file


def test_a_full_list_makes_room(manager, context, clock):
    """A hundred names, and then another one: nobody for a month, and then whoever was there longest ago."""
    door = context.home.door("maple-12/front")
    for number in range(100):
        door.list_driver(f"Driver {number}", NOW_S).valid_until_s = NOW_S + 3_600 - (number == 7)
    context.home.save_door(door)
    refused = make_code(manager)
    assert refused.status_code == 400 and "take somebody off it" in refused.text
    page = manager.get("/door/maple-12/front").text
    assert "100 of 100 places" in page and page.count(">Remove from the door's list</button>") == 100
    # By hand: the place is free once the last code has ended.
    path = "/door/maple-12/front/remove"
    assert manager.submit(path, page="/door/maple-12/front", person="Driver 8").status_code == 303
    assert manager.submit(path, page="/door/maple-12/front", person="Driver 8").status_code == 404
    assert facts(context)[0] == ("mia", "taken off the list", "Driver 8 at maple-12/front")
    assert make_code(manager).status_code == 400
    clock.now_s += 3_600
    assert digits_in(make_code(manager))
    assert context.home.door("maple-12/front").driver("Bert").slot == 8
    # By itself.
    late_s = NOW_S + 3_599 + 30 * 86_400
    clock.now_s = late_s - 1
    manager.login("mia")
    assert make_code(manager, person="Cleo").status_code == 400
    clock.now_s = late_s
    assert digits_in(make_code(manager, person="Cleo"))
    door = context.home.door("maple-12/front")
    assert door.driver("Cleo").slot == 7 and door.driver("Driver 7") is None
    # What came before, or comes late, is still the former one's.
    assert [door.driver_at(7, time_s) for time_s in (NOW_S, late_s - 1, late_s)] == ["Driver 7", "Driver 7", "Cleo"]


def test_the_form_says_what_is_wrong(manager, context):
    for values, sentence in (
        ({"door": "oak-99/front"}, "Choose a door"),
        ({"person": " "}, "1 to 64"),
        ({"for": "soon"}, "duration"),
        ({"from": "tomorrow"}, "not a time"),
        ({"role": "king"}, "role"),
    ):
        answer = make_code(manager, **values)
        assert answer.status_code == 400 and sentence in answer.text, values
    assert CodeRegister(context.home.path).all() == [] and facts(context) == []


def test_times_are_those_of_the_building(manager, context):
    make_code(manager, **{"from": "2026-09-22T09:30", "for": "1h"})
    (code,) = CodeRegister(context.home.path).all()
    # Eastern daylight time, 4 hours behind.
    assert code.from_s <= 1_790_083_800 < code.until_s


def test_hostile_names_are_text(manager):
    name = '"><script>alert(1)</script>'
    answer = make_code(manager, person=name)
    assert answer.status_code == 200 and "<script>alert" not in answer.text and "&lt;script&gt;" in answer.text
    page = manager.get("/grants").text
    assert "<script>alert" not in page and "&lt;script&gt;" in page


def test_revoked_and_restored(manager, context, published):
    make_code(manager)
    key = key_on(manager.get("/grants"))
    answer = manager.submit("/grants/revoke", page="/grants", building="maple-12", key=key)
    assert (answer.status_code, answer.headers["location"]) == (303, "/grants/list/maple-12")
    book = Book(context.home, "maple-12")
    (code,) = CodeRegister(context.home.path).all()
    assert [entry.key for entry in book.entries] == [code.key] == [key]
    assert book.entries[0].until_s > code.until_s
    topics = {topic: payload for topic, payload, is_kept in published if is_kept}
    assert len(topics) == len(published)
    data = topics["lobbylock/maple-12/front/list/head"] + topics["lobbylock/maple-12/front/list/0"][4:]
    issuer = {each.kid: each.public_key for each in context.home.issuer().keys}
    assert read_list(data, issuer) == ("maple-12", 1, [bytes.fromhex(key)])
    page = manager.get("/grants/list/maple-12").text
    assert "Doors were told" in page and "it has none" in page and "Bert" in page
    assert "revoked" in manager.get("/grants").text
    manager.submit("/grants/revoke", page="/grants", building="maple-12", key=key, undo="yes")
    assert Book(context.home, "maple-12").entries == []
    assert [what for _, what, _ in facts(context)] == ["published", "restored", "published", "revoked", "made"]


def test_a_code_made_anew_is_not_the_revoked_one(manager, context, published):
    first = digits_in(make_code(manager))
    key = key_on(manager.get("/grants"))
    manager.submit("/grants/revoke", page="/grants", building="maple-12", key=key)
    second = digits_in(make_code(manager))
    assert first != second
    keys = {code.key for code in CodeRegister(context.home.path).all()}
    assert len(keys) == 2 and key in keys
    assert [entry.key for entry in Book(context.home, "maple-12").entries] == [key]
    door = context.home.door("maple-12/front")
    # Both slots are known as Bert's as long as their codes last.
    assert [door.driver_at(slot, NOW_S) for slot in (0, 1)] == ["Bert", "Bert"]


def test_a_broker_that_is_away(manager, context):
    def publish(messages):
        raise UserError("away")

    make_code(manager)
    context.publish = publish
    answer = manager.submit("/grants/revoke", page="/grants", building="maple-12", key=key_on(manager.get("/grants")))
    page = manager.get(answer.headers["location"]).text
    assert "no door was told" in page and len(Book(context.home, "maple-12").entries) == 1
    taken = []
    context.publish = taken.extend
    address = "/grants/list/maple-12"
    assert manager.submit(f"{address}/publish", page=address).status_code == 303
    assert taken and "Doors were told" in manager.get(address).text and Book(context.home, "maple-12").version == 1


@pytest.fixture
def full(monkeypatch):
    """A disk that is full as soon as an action is noted; the call undoes it."""

    def fail(*_):
        raise StoreFailed("The disk is full.")

    def fill():
        monkeypatch.setattr(actions, "note", fail)
        return monkeypatch.undo

    return fill


def test_doors_are_told_although_the_store_fails(manager, context, published, full):
    make_code(manager)
    key = key_on(manager.get("/grants"))
    token = manager.token("/grants")
    empty = full()
    answer = manager.post("/grants/revoke", data={"csrf": token, "building": "maple-12", "key": key})
    assert answer.status_code == 303
    assert [entry.key for entry in Book(context.home, "maple-12").entries] == [key]
    assert {topic for topic, _, _ in published} >= {"lobbylock/maple-12/front/list/head"}
    page = manager.get(answer.headers["location"]).text
    assert "The broker took the list" in page and "not noted" in page
    empty()
    # Told again, it is noted.
    manager.submit("/grants/list/maple-12/publish", page="/grants/list/maple-12")
    assert "not noted" not in manager.get(answer.headers["location"]).text


def test_what_was_made_is_shown_although_the_store_fails(manager, context, full):
    full()
    answer = make_code(manager)
    assert answer.status_code == 200 and len(digits_in(answer)) >= 6
    assert len(CodeRegister(context.home.path).all()) == 1
    answer = make_credential(manager)
    assert answer.status_code == 200 and 'id="secret"' in answer.text
    assert len(Register(context.home.path).all()) == 1
    assert facts(context) == []


def test_who_has_taken_the_list(manager, context, published):
    make_code(manager)
    manager.submit("/grants/revoke", page="/grants", building="maple-12", key=key_on(manager.get("/grants")))
    door = context.home.door("maple-12/front")
    door.enrol(bytes(32), may_replace=False)
    context.home.save_door(door)
    found = event.Event(7, event.LIST_TAKEN, 1, 5, NOW_S + 9, {event.LIST_VERSION: 1, event.COUNT: 1})
    row = {"chain": 1, "seq": 7, "kind": found.kind, "time_s": found.time_s, "record": found.encode()}
    row |= {"head": bytes(32), "tag": bytes(16), "received_s": NOW_S + 9}
    with context.database.begin() as connection:
        connection.execute(insert(tables.chain).values(id=1, door=door.name, public_key=bytes(32)))
        connection.execute(insert(tables.event), [row])
    page = manager.get("/grants/list/maple-12").text
    assert "it has none" not in page and "/trail/maple-12/front/1/7" in page


def test_credentials(manager, context, published):
    answer = make_credential(manager, hours="Mon-Fri 08:00-18:00", holder=PEM, uses="3", role="resident")
    assert answer.status_code == 200, answer.text
    text = find(r'<textarea id="secret"[^>]*>([^<]+)<', answer.text)
    kid, payload, _, _ = credential.unwrap(read_credential(text))
    found = credential.parse(kid, payload)
    assert (found.subject, found.uses, found.role, found.hours) == ("Cleo", 3, credential.RESIDENT, [(31, 480, 1080)])
    assert found.holder is not None and "NDEF" not in answer.text
    assert "NDEF" in make_credential(manager, person="Dora").text
    minted = Register(context.home.path).all()
    assert [(each.subject, each.role, each.holder) for each in minted] == [
        ("Cleo", "resident", True),
        ("Dora", "driver", False),
    ]
    page = manager.get("/grants").text
    assert "phone" in page and "badge" in page
    manager.submit("/grants/revoke", page="/grants", building="maple-12", key=minted[1].key)
    assert [entry.subject for entry in Book(context.home, "maple-12").entries] == ["Dora"]


def test_credentials_that_doors_would_not_open_to(manager, context):
    form = manager.get("/grants/credential").text
    assert 'name="uses" type="text" value="1"' in form
    # As the form is, it opens: doors take a badge once.
    assert 'class="error"' not in make_credential(manager).text
    answer = make_credential(manager, uses="")
    assert (
        answer.status_code == 400
        and "No door of maple-12 would open to that: maple-12/front (takes 1 use)" in answer.text
    )
    assert len(Register(context.home.path).all()) == 1
    # What was asked for stays in the form.
    assert 'name="uses" type="text" value=""' in answer.text
    context.home.new_door("maple-12/court", Options(mqtt_url="mqtt://broker", bearer="short", bearer_s=86_400))
    answer = make_credential(manager, uses="")
    assert answer.status_code == 200
    said = find(r'class="error" role="alert">([^<]+)<', answer.text)
    assert said == "These doors do not open to it: maple-12/front (takes 1 use)."
    # What doors of other areas take is neither here nor there.
    garage = Options(mqtt_url="mqtt://broker", bearer="short", bearer_s=86_400, areas=["garage"])
    context.home.new_door("maple-12/garage", garage)
    said = find(r'class="error" role="alert">([^<]+)<', make_credential(manager, uses="").text)
    assert said == "These doors do not open to it: maple-12/front (takes 1 use)."
    assert 'class="error"' not in make_credential(manager, uses="", areas="garage").text
    answer = make_credential(manager, areas="attic")
    assert answer.status_code == 400
    assert "maple-12/court (of lobby), maple-12/front (of lobby), maple-12/garage (of garage)" in answer.text
    answer = make_credential(manager, uses="", **{"for": "7d"})
    assert answer.status_code == 400 and "maple-12/court (takes 1 use, or 24 hours at most)" in answer.text
    # With a key of its own nothing can be copied.
    assert 'class="error"' not in make_credential(manager, uses="", holder=PEM).text


def test_credentials_that_no_lock_would_read(manager, context):
    for values, sentence in (
        ({"holder": "/etc/passwd"}, "no P-256 public key"),
        ({"holder": PEM.replace("PUBLIC", "PRIVATE")}, "private key"),
        ({"uses": "0"}, "1 to 255"),
        ({"uses": "many"}, "1 to 255"),
        ({"hours": "always"}, "weekly hours"),
        ({"person": "x" * 33}, "1 to 32 bytes"),
        ({"areas": "Lobby!"}, "areas"),
        ({"until": "2020-01-01T00:00"}, "over already"),
    ):
        answer = make_credential(manager, **values)
        assert answer.status_code == 400 and sentence in answer.text, values
    assert Register(context.home.path).all() == []


def test_nobody_else_gets_in(resident, visitor, manager, context):
    make_code(manager)
    key = CodeRegister(context.home.path).all()[0].key
    for path in ("/grants", "/grants/code", "/grants/credential", "/grants/list/maple-12", "/doors", "/alarms"):
        assert resident.get(path).status_code == 404
        assert visitor.get(path).headers["location"].startswith("/login")
    # With a right token, too.
    for path in ("/grants/code", "/grants/credential", "/grants/revoke", "/grants/list/maple-12/publish"):
        assert resident.submit(path, page="/account", building="maple-12", key=key).status_code == 404
    assert Book(context.home, "maple-12").entries == []
    # Without the token nothing is done.
    assert manager.post("/grants/revoke", data={"building": "maple-12", "key": key}).status_code == 403


def test_a_manager_of_one_building(app, context, manager):
    make_code(manager, door="oak-3/front")
    code = CodeRegister(context.home.path).all()[0]
    app.state.accounts.create("max", "manager", "two horses, one stair", NOW_S, buildings=["maple-12"])
    max_ = type(manager)(app)
    max_.login("max", "two horses, one stair")
    page = max_.get("/grants").text
    assert "Bert" not in page and "oak-3" not in page
    assert make_code(max_, door="oak-3/front").status_code == 400
    assert make_credential(max_, building="oak-3").status_code == 404
    assert max_.get("/grants/list/oak-3").status_code == 404 == max_.get("/door/oak-3/front").status_code
    assert max_.submit("/grants/revoke", page="/account", building="oak-3", key=code.key).status_code == 404
    # Nor by the name of a building that is theirs.
    assert max_.submit("/grants/revoke", page="/account", building="maple-12", key=code.key).status_code == 404
    assert Book(context.home, "oak-3").entries == [] == Book(context.home, "maple-12").entries


def test_a_store_that_fails_makes_nothing(manager, context):
    good = ticket(manager, "/grants/code")
    token = manager.token("/grants/code")
    working = context.database.begin

    @contextmanager
    def begin():
        raise StoreFailed("gone")
        yield

    context.database.begin = begin
    values = {"csrf": token, "ticket": good, "door": "maple-12/front", "person": "Bert", "role": "driver", "for": "1h"}
    assert manager.post("/grants/code", data=values).status_code == 503
    assert CodeRegister(context.home.path).all() == []
    context.database.begin = working
    assert manager.post("/grants/code", data=values).status_code == 200
    with context.database.connect() as connection:
        assert len(connection.execute(select(tables.action)).all()) == 1
