"""A building that is shown to Home Assistant over a real broker, and somebody who hears it as Home Assistant does."""

import sys
from pathlib import Path

import pytest

_TESTS = Path(__file__).resolve().parents[1]
sys.path += [str(Path(__file__).parent), str(_TESTS / "tools"), str(_TESTS / "history")]

from ha_case import LIMIT_S, Ear, Shown  # noqa: E402

from lobbylock import home_assistant, home_assistant_link  # noqa: E402
from lobbylock.broker import Broker  # noqa: E402


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """Nothing is given up because the machine is slow: a second connection says things twice, or a will at any time."""
    monkeypatch.setattr(home_assistant, "_LAST_WORDS_S", LIMIT_S)
    monkeypatch.setattr(home_assistant, "_STOP_S", 2 * LIMIT_S)
    monkeypatch.setattr(home_assistant_link, "_ANSWER_S", LIMIT_S)
    monkeypatch.setattr(home_assistant_link, "_KEEPALIVE_S", LIMIT_S)


@pytest.fixture(scope="module")
def broker():
    with Broker("mosquitto") as running:
        yield running


@pytest.fixture
def ear(broker):
    """Subscribed before anything is published; whatever an earlier test left is taken away."""
    with Ear(broker.port) as listening:
        listening.clean()
        yield listening


@pytest.fixture
def shown(database, tmp_path, broker):
    """A house on each of the two databases, nothing of it published yet."""
    with Shown(database, tmp_path / "home", broker) as house:
        yield house


@pytest.fixture
def lane(tmp_path, broker):
    """A house on SQLite, for what does not depend on the database."""
    from lobbylock.database import Database

    with Database.open(tmp_path / "lane.db") as database, Shown(database, tmp_path / "home", broker) as house:
        yield house
