"""A page for tests: an issuer's folder, an application over a store, and people who log in to it."""

import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
sys.path += [str(FOLDER), str(FOLDER.parent / "tools"), str(FOLDER.parent / "history")]

from pagecase import CHEAP, NOW_S, PASSWORD, Clock, Visitor  # noqa: E402

from lobbylock.database import Database  # noqa: E402
from lobbylock.history import History  # noqa: E402
from lobbylock.home import Home  # noqa: E402
from lobbylock.page.accounts import MANAGER, RESIDENT  # noqa: E402
from lobbylock.page.app import build_app  # noqa: E402
from lobbylock.page.context import Context  # noqa: E402
from lobbylock.page.live import Hub  # noqa: E402
from lobbylock.settings import Options  # noqa: E402


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

        def doors():
            return {name: home.door(name) for name in home.door_names()}

        history = History(database, doors, home.collector().public_key, home.path)
        yield Context(home, database, doors, history, Hub(), now_s=clock, hosts=("testserver",))


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
