"""The collector in a service: what fails meanwhile is said, nothing is lost by it, and listeners are kept apart."""

import contextlib
import time

import pytest
from visitcase import FRONT, House

from lobbylock.address import Address
from lobbylock.collection import Collection
from lobbylock.enrolment import Enrolments
from lobbylock.errors import StoreFailed, UserError
from lobbylock.listeners import Listeners
from lobbylock.picture import Announcement
from lobbylock.verify import Gap

FULL = "The disk of the store is full."


class Failing:
    """A database that fails while `failure` is set: at every use, or at writing alone."""

    def __init__(self, database):
        self._database = database
        self.failure = None
        self.pictures = database.pictures

    @contextlib.contextmanager
    def store(self):
        with self._database.store() as store:
            real = store.transaction

            @contextlib.contextmanager
            def transaction():
                self._check()
                with real():
                    yield

            store.transaction = transaction
            yield store

    @contextlib.contextmanager
    def begin(self):
        self._check()
        with self._database.begin() as connection:
            yield connection

    def _check(self):
        if self.failure is not None:
            raise self.failure


class Ear:
    """A listener that keeps what it hears."""

    def __init__(self):
        self.heard = []

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *values: self.heard.append(name)


@pytest.fixture
def house(database, tmp_path):
    made = House(database, tmp_path / "home")
    made.enrol()
    return made


@pytest.fixture
def failing(database):
    return Failing(database)


@pytest.fixture
def ear():
    return Ear()


@pytest.fixture
def collection(house, failing, ear):
    ear.changes = 0

    def count():
        ear.changes += 1

    address = Address("127.0.0.1", 1)
    return Collection(
        address, failing, Enrolments(house.home), house.home.collector(), Listeners([ear]), on_change=count
    )


def send(collection, house, first=1):
    return collection.handle(f"lobbylock/{FRONT}/events", house.locks[FRONT].batch(first))


def test_what_comes_while_the_store_fails_is_not_acknowledged_and_comes_again(collection, house, failing, ear):
    house.come(picture=False)
    assert send(collection, house)
    second = house.locks[FRONT].last_seq + 1
    house.come(picture=False)
    failing.failure = StoreFailed(FULL)
    assert send(collection, house, second) == []
    banner = collection.banner()
    assert banner is not None and banner.startswith(FULL)
    assert "locks keep what they recorded" in banner
    assert ear.changes == 1
    failing.failure = None
    deadline_s = time.monotonic() + 60
    while not (replies := send(collection, house, second)) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert replies
    assert collection.banner() is None
    assert ear.changes == 2
    assert len(house.told()) == 2


def test_a_store_that_fails_is_not_tried_at_every_message(collection, house, failing):
    house.come(picture=False)
    failing.failure = StoreFailed(FULL)
    tried = []
    failing._check = lambda: tried.append(1) or (_ for _ in ()).throw(StoreFailed(FULL))
    for _ in range(200):
        send(collection, house)
    assert 1 <= len(tried) < 50


def test_pictures_that_cannot_be_kept_are_a_sentence(collection, house, failing, monkeypatch):
    house.come()
    send(collection, house)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lobbylock.store.write_private", full)
    assert collection.handle(f"lobbylock/{FRONT}/picture", house.locks[FRONT].pieces(1)[0]) == []
    assert "Pictures cannot be kept: No space left on device." in (collection.banner() or "")
    # Events are taken in meanwhile, and say nothing about room for pictures.
    assert send(collection, house)
    monkeypatch.setattr("lobbylock.collection.write_private", full)
    with pytest.raises(OSError):
        collection._write_something()
    assert "Pictures cannot be kept" in (collection.banner() or "")
    monkeypatch.undo()
    collection.connection(True)
    collection.start()
    try:
        deadline_s = time.monotonic() + 60
        while "Pictures" in (collection.banner() or "") and time.monotonic() < deadline_s:
            time.sleep(0.05)
        assert "Pictures" not in (collection.banner() or "")
    finally:
        collection.stop()
    assert [path for path in failing.pictures.rglob("*") if path.is_file()] == []


def test_a_message_that_finds_a_fault_does_not_stop_the_others(collection, house, monkeypatch, ear):
    house.come(picture=False)

    def stumble(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("lobbylock.collector.parse_batch", stumble)
    assert send(collection, house) == []
    assert collection.banner() is None
    monkeypatch.undo()
    assert send(collection, house)


def test_the_broker_that_is_gone_is_a_sentence(collection, ear):
    collection.connection(False, "refused", 1)
    assert "There is no connection to the broker at 127.0.0.1:1." in (collection.banner() or "")
    collection.connection(False, "refused", 2)
    assert ear.changes == 1
    collection.connection(True)
    assert collection.banner() is None
    assert (ear.changes, ear.heard) == (2, ["connection"] * 3)


def test_nothing_is_published_without_a_broker(collection, monkeypatch):
    # The answer of its thread is the one that is asked for, not that there was none in time.
    monkeypatch.setattr("lobbylock.collection._PUBLISH_S", 60.0)
    with pytest.raises(UserError, match="does not run"):
        collection.publish([("lobbylock/x", b"y", True)])
    collection.start()
    try:
        with pytest.raises(UserError, match="not there"):
            collection.publish([("lobbylock/x", b"y", True)])
    finally:
        collection.stop()


def test_a_store_that_works_again_is_noticed_without_a_message(collection, house, failing):
    house.come(picture=False)
    failing.failure = StoreFailed(FULL)
    assert send(collection, house) == []
    collection.start()
    try:
        collection.connection(True)
        failing.failure = None
        deadline_s = time.monotonic() + 60
        while FULL in (collection.banner() or "") and time.monotonic() < deadline_s:
            time.sleep(0.05)
        assert FULL not in (collection.banner() or "")
    finally:
        collection.stop()


def test_a_listener_that_fails_harms_nobody(house, caplog):
    class Deaf:
        def gap(self, door, gap):
            raise ValueError("a fault of this one")

    class Half:
        """Hears of nothing."""

    first, last = Ear(), Ear()
    told = Listeners([first, Deaf(), Half(), last])
    told.gap(FRONT, Gap(1, 2, b""))
    told.picture(FRONT, Announcement(1, 1, 1, b""), "")
    told.connection(True)
    assert first.heard == last.heard == ["gap", "picture", "connection"]
    assert "Deaf failed" in caplog.text
