"""Every address of the page asked with another building's identifiers: the answer is that for what does not exist.

The addresses are those of the application, so a page that is added is asked as well. In both answers the identifiers
that were sent stand for the same words, and the rest must not differ by a byte.
"""

import re
from urllib.parse import unquote_plus

import pytest
from pagecase import PASSWORD, Visitor
from recordcase import House, find, open_page
from sqlalchemy import select
from starlette.routing import Route
from visitcase import jpeg

from database_case import on_sqlite
from firmware.core import event
from lobbylock import tables
from lobbylock.page.accounts import MANAGER
from lobbylock.revocation import Book

pytestmark = on_sqlite

OWN, OTHER, NOWHERE = "maple-12/front", "oak-3/front", "elm-9/front"
DRIVER, OTTO, BEN, HOLDER = "DHL 81", "Otto", "Ben", "Olga"
# For everybody; and what never ends, to which test_live.py listens.
PUBLIC = {"/login", "/static/{name}", "/healthz", "/metrics"}
LIVE = "/live"
# What residents have. Whatever else there is, now or later, does not exist for them.
OF_RESIDENTS = {"/", "/deliveries/list", "/pictures", "/notices", "/broken", "/account"}
OF_RESIDENTS |= {"/delivery/{building}/{door}/{chain}/{seq}", "/picture/{building}/{door}/{chain}/{seq}"}
# Posts that are about whoever sends them.
OWN_POSTS = {"/login", "/logout", "/account"}
# What browsers, caches and htmx say with a request, and may change what is answered.
HEADERS = {"plain": {}, "special": {"hx-request": "true", "if-none-match": "*", "range": "bytes=0-10"}}
# Fields of queries that are also sent alone.
SINGLY = ("door", "person", "place", "before")


class Names:
    """What stands for the parts of addresses and the fields of forms and queries, and how it is taken out again."""

    def __init__(self, door, chain, seq, *, person=DRIVER, number="x" * 16, key="0" * 16) -> None:
        building, _, name = door.partition("/")
        self.parts = {"building": building, "door": name, "chain": chain, "seq": seq, "id": number}
        self.query = {"door": door, "building": building, "place": door, "person": person, "key": key, "id": number}
        self.query |= {"chain": chain, "seq": seq, "seqs": seq, "from": seq, "before": f"1789992060.{chain}.{seq}"}
        self.query |= {"name": person}
        words = (
            door,
            f"{chain}.{seq}",
            f"{chain}/{seq}",
            f"chain={chain}",
            f"seq={seq}",
            f"seqs={seq}",
            f"from={seq}",
            building,
            person,
            number,
            key,
        )
        self._words = sorted(words, key=len, reverse=True)

    @property
    def form(self):
        """Fields of every form there is, of a month that has something in it."""
        usual = {"month": "2026-09", "kind": "csv", "role": "driver", "areas": "lobby", "for": "4h", "uses": "1"}
        return {**self.query, **usual, "from": "", "until": "", "hours": "", "holder": ""}

    def neutral(self, text) -> str:
        """Returns `text` with a sign for each identifier, however it was quoted, and without what is always new."""
        text = re.sub(r'name="ticket" value="[^"]*"', "", text)
        # The way back after logging in is an address in an address.
        text = unquote_plus(unquote_plus(text))
        for word in self._words:
            text = text.replace(word, "‹it›")
        return text


def routes_of(app, method):
    return [each for each in app.routes if isinstance(each, Route) and method in (each.methods or {"GET"})]


def fill(pattern, parts) -> str:
    """Returns an address. A part that is not known is a KeyError: then say in Names what stands for it."""
    return re.sub(r"\{(\w+)(:\w+)?\}", lambda part: str(parts[part.group(1)]), pattern)


class TwoBuildings(House):
    """`delivery` and `forced` are rows of the other building's, `ben` is a neighbour's, `chains` go by door."""

    ben = delivery = forced = 0
    chains: dict[str, int]


@pytest.fixture
def house(database, tmp_path):
    made = TwoBuildings(database, tmp_path / "home")
    for seed, name in enumerate((OWN, OTHER), 1):
        made.enrol(name, bytes([seed]) * 32)
    made.come("UPS 4711")
    made.ben = made.come(BEN, role=2, picture=False)
    made.delivery = made.come(DRIVER, name=OTHER)
    made.come(OTTO, name=OTHER, role=2, picture=False)
    made.forced = made.locks[OTHER].add(event.DOOR_FORCED, {})
    made.locks[OTHER].seal()
    made.collect()
    with database.store() as store:
        made.chains = {name: store.chains(name)[0].id for name in (OWN, OTHER)}
    return made


@pytest.fixture
def context(house, clock):
    return open_page(house, clock)


@pytest.fixture
def published(context):
    """What was given to the broker."""
    taken = []
    context.publish = taken.extend
    return taken


@pytest.fixture
def people(app, resident, visitor):
    """Who has no business at the other building: a manager of this one, a resident, a stranger."""
    app.state.accounts.create("max", MANAGER, PASSWORD, 1, buildings=["maple-12"])
    neighbour = Visitor(app)
    assert neighbour.login("max").status_code == 303
    return {"neighbour": neighbour, "resident": resident, "stranger": visitor}


@pytest.fixture
def theirs(house, manager):
    """Identifiers of the other building's: its door, rows, an export, a code and who holds it."""
    ticket = find(r'name="ticket" value="([^"]+)"', manager.get("/grants/code").text)
    code = {"door": OTHER, "person": HOLDER, "role": "driver", "from": "", "for": "4h", "ticket": ticket}
    assert manager.submit("/grants/code", **code).status_code == 200
    key = find(r'name="key" value="([0-9a-f]{16})"', manager.get("/grants").text)
    export = manager.submit("/exports", place=OTHER, month="2026-09", kind="csv").headers["location"].split("/")[-1]
    rows = (house.delivery, house.forced)
    return [Names(OTHER, house.chains[OTHER], seq, number=export, key=key) for seq in rows]


@pytest.fixture
def nobodys(theirs):
    return [Names(NOWHERE, 777, 888_888 + n, person="Xaver", number="y" * 22, key="f" * 16) for n in range(len(theirs))]


def requests(app, names, *, with_queries):
    """Yields (route, address, query) of what can be asked for by those names."""
    for route in routes_of(app, "GET"):
        if route.path in PUBLIC or route.path == LIVE:
            continue
        address = fill(route.path, names.parts)
        yield route.path, address, {}
        if "{building}" in route.path:
            # Rows of another building under the name of the door that is one's own.
            yield route.path, fill(route.path, {**names.parts, "building": "maple-12", "door": "front"}), {}
        if with_queries:
            yield route.path, address, names.query
            if "{" not in route.path:
                yield from ((route.path, address, {field: names.query[field]}) for field in SINGLY)


def secrets_of(house):
    lock = house.locks[OTHER]
    texts = [DRIVER, OTTO, HOLDER, lock.public_key.hex(), lock.records[house.delivery - 1].hex()]
    return [text.encode() for text in texts] + [lock.records[house.delivery - 1], jpeg(1)[:-1]]


def answers_of(app, browser, names, headers, *, with_queries, secrets=()):
    """Yields (route, request, what the answer was without what stands in the request)."""
    for pattern, address, query in requests(app, names, with_queries=with_queries):
        answer = browser.get(address, params=query, headers=headers)
        sent = " ".join([address, *map(str, query.values())]).encode()
        assert not [each for each in secrets if each in answer.content and each not in sent], (address, query)
        place = names.neutral(answer.headers.get("location", ""))
        yield pattern, (address, query), (answer.status_code, place, names.neutral(answer.text))


def differing(app, browser, real, none, headers, *, with_queries=False, secrets=()):
    """Returns the requests at which what exists is answered otherwise than what does not."""
    ones = answers_of(app, browser, real, headers, with_queries=with_queries, secrets=secrets)
    twos = answers_of(app, browser, none, headers, with_queries=with_queries)
    pairs = zip(ones, twos, strict=True)
    return [(pattern, request) for (pattern, request, one), (_, _, two) in pairs if one != two]


@pytest.mark.parametrize("kind", HEADERS)
def test_another_buildings_things_are_answered_as_nothing(app, house, people, manager, theirs, nobodys, kind):
    headers, secrets = HEADERS[kind], secrets_of(house)
    for number, (real, none) in enumerate(zip(theirs, nobodys, strict=True)):
        for name, browser in people.items():
            # A stranger's query goes no further than the way to the login.
            asks_all = name != "stranger" and number == 0 and kind == "plain"
            found = differing(app, browser, real, none, headers, with_queries=asks_all, secrets=secrets)
            assert found == [], name
    # All of it exists, and this test would see it.
    seen = {pattern for pattern, _ in differing(app, manager, theirs[0], nobodys[0], headers)}
    assert len([pattern for pattern in seen if "{" in pattern]) >= 7, seen


def test_a_neighbours_comings_are_answered_as_nothing(app, house, people):
    chain = house.chains[OWN]
    real, none = Names(OWN, chain, house.ben, person=BEN), Names(OWN, chain, 888_888, person="Xaver")
    assert differing(app, people["resident"], real, none, {}, with_queries=True) == []
    assert people["neighbour"].get(f"/delivery/{OWN}/{chain}/{house.ben}").status_code == 200


def test_what_is_for_managers_does_not_exist_for_residents(app, house, resident, theirs):
    nothing = resident.get(f"/delivery/{NOWHERE}/1/1")
    own = Names(OWN, house.chains[OWN], 1, number=theirs[0].parts["id"])
    asked = 0
    for route in routes_of(app, "GET"):
        if route.path in PUBLIC | OF_RESIDENTS | {LIVE}:
            continue
        for names in (own, *theirs):
            answer = resident.get(fill(route.path, names.parts))
            assert (answer.status_code, answer.text) == (404, nothing.text), route.path
            asked += 1
    assert asked >= 30
    # Those that are for them are there.
    assert all(resident.get(path).status_code == 200 for path in OF_RESIDENTS if "{" not in path)


def state_of(context, published):
    """Returns what posts could change."""
    kinds = (tables.action, tables.alarm_seen, tables.account, tables.account_building)
    with context.database.connect() as connection:
        rows = [connection.execute(select(table)).all() for table in kinds]
    books = [[entry.key for entry in Book(context.home, name).entries] for name in ("maple-12", "oak-3")]
    return rows, books, list(published)


def test_nothing_of_another_building_can_be_changed(app, context, published, people, theirs, nobodys):
    before = state_of(context, published)
    posts = [route.path for route in routes_of(app, "POST") if route.path not in OWN_POSTS]
    assert len(posts) >= 6
    for path in posts:
        for name, browser in people.items():
            # What it is called with accounts and with alarms.
            for what in ("remove", "door_forced"):
                answers = [post(browser, path, names, what) for names in (theirs[1], nobodys[1])]
                assert answers[0] == answers[1], (name, path, what)
                expected = {"stranger": (303,), "resident": (404,), "neighbour": (400, 404)}[name]
                assert answers[0][0] in expected, (name, path, what)
    assert state_of(context, published) == before


def post(browser, path, names, what):
    """Returns status and neutral text of what is answered to a form with all fields there are."""
    page = browser.get(path).text if "{" not in path else ""
    ticket = re.findall(r'name="ticket" value="([^"]+)"', page)
    form = {**names.form, "what": what, "csrf": browser.token("/account"), "ticket": "".join(ticket)}
    answer = browser.post(fill(path, names.parts), data=form)
    return answer.status_code, names.neutral(answer.text)
