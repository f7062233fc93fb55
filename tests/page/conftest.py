"""A page for tests: an issuer's folder, an application over a store, and people who log in to it."""

import re
import warnings

import argon2
import pytest

from lobbylock.database import Database
from lobbylock.home import Home
from lobbylock.page.accounts import MANAGER, RESIDENT, Passwords
from lobbylock.page.app import build_app
from lobbylock.page.context import Context
from lobbylock.page.live import Hub
from lobbylock.settings import Options

with warnings.catch_warnings():
    # It would rather have another client, which is not installed.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

NOW_S = 1_790_000_000
PASSWORD = "a horse on the stairs"
# The least work that is still Argon2id.
CHEAP = Passwords(argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


class Clock:
    """Unix time that stands still until it is moved."""

    def __init__(self):
        self.now_s = float(NOW_S)

    def __call__(self):
        return self.now_s


class Visitor(TestClient):
    """A browser without scripts: it keeps cookies and fills in the forms that it is given."""

    def __init__(self, app, **options):
        super().__init__(app, follow_redirects=False, raise_server_exceptions=False, **options)

    def token(self, path):
        """Returns what the first form of a page carries."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.get(path).text)
        return found.group(1) if found else ""

    def submit(self, path, *, page=None, **values):
        """Posts a form with the token of `page`, or of the form's own address."""
        return self.post(path, data={"csrf": self.token(page or path), **values})

    def login(self, name, password=PASSWORD, **more):
        return self.submit("/login", name=name, password=password, **more)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path / "home")
    made.new_issuer("Maple Street")
    for name in ("maple-12/front", "oak-3/front"):
        made.new_door(name, Options(mqtt_url="mqtt://broker", zone="EST5EDT,M3.2.0,M11.1.0"))
    return made


@pytest.fixture
def context(home, tmp_path, clock):
    with Database.open(tmp_path / "collector.db") as database:
        doors = {name: home.door(name) for name in home.door_names()}
        yield Context(home, database, lambda: doors, None, Hub(), now_s=clock, hosts=("testserver",))


@pytest.fixture
def app(context):
    made = build_app(context, passwords=CHEAP)
    accounts = made.state.accounts
    accounts.create("mia", MANAGER, PASSWORD, NOW_S)
    accounts.create("anna", RESIDENT, PASSWORD, NOW_S, buildings=["maple-12"], person="Anna")
    accounts.create("olaf", RESIDENT, PASSWORD, NOW_S, buildings=["oak-3"], person="Olaf")
    return made


@pytest.fixture
def visitor(app):
    return Visitor(app)


@pytest.fixture
def manager(app):
    made = Visitor(app)
    assert made.login("mia").status_code == 303
    return made


@pytest.fixture
def resident(app):
    made = Visitor(app)
    assert made.login("anna").status_code == 303
    return made
