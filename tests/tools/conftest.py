"""An issuer's folder with one enrolled door, and the two ways to run the command."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from scripted_door import NOW_S, ScriptedDoor

from lobbylock import command
from lobbylock.broker import KINDS, find_mosquitto
from lobbylock.collector import Collector
from lobbylock.enrolment import Enrolments
from lobbylock.home import Home
from lobbylock.journalkey import JournalKey
from lobbylock.settings import Options

ROOT = Path(__file__).resolve().parents[2]


class Listener:
    """Keeps what the collector tells."""

    def __init__(self) -> None:
        self.events = []
        self.gaps = []
        self.pictures = []
        self.statuses = []
        self.refusals = []
        self.connections = []

    def event(self, door, found) -> None:
        self.events.append((door.name, found.seq))

    def gap(self, door, gap) -> None:
        self.gaps.append((door, gap.first_seq, gap.last_seq))

    def picture(self, door, announced, path) -> None:
        self.pictures.append((door, announced.number, path))

    def status(self, door, status) -> None:
        self.statuses.append((door, status))

    def refused(self, topic, refusal) -> None:
        self.refusals.append(refusal.reason)

    def connection(self, is_up, reason="", wait_s=0.0) -> None:
        self.connections.append((is_up, reason))


@pytest.fixture
def home(tmp_path) -> Home:
    folder = Home(tmp_path / "home")
    folder.new_issuer("tester")
    return folder


@pytest.fixture
def enrol(home):
    """`enrol(ScriptedDoor)` makes its door and enrols its board."""

    def add(lock: ScriptedDoor, *, may_replace: bool = False) -> ScriptedDoor:
        if lock.name not in home.door_names():
            home.new_door(lock.name, Options())
        door = home.door(lock.name)
        door.enrol(lock.public_key, JournalKey(1, lock.keys[0]), may_replace=may_replace)
        home.save_door(door)
        return lock

    return add


@pytest.fixture
def lock(enrol) -> ScriptedDoor:
    return enrol(ScriptedDoor())


@pytest.fixture
def database_path(home) -> Path:
    return home.path / "collector.db"


@pytest.fixture
def store(database, store_address, pictures_path, monkeypatch):
    """The collector's store, which commands of this process find as well."""
    monkeypatch.setenv("LOBBYLOCK_STORE", store_address)
    monkeypatch.setenv("LOBBYLOCK_PICTURES", str(pictures_path))
    with database.store() as opened:
        yield opened


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def collector(home, store, listener) -> Collector:
    return Collector(store, Enrolments(home), home.collector(), listener, now_s=lambda: NOW_S + 5)


@pytest.fixture
def run(home, capsys, monkeypatch):
    """`run("door", "list")` -> (exit code, standard output, standard error), in this process."""
    monkeypatch.setenv("LOBBYLOCK_HOME", str(home.path))

    def call(*arguments: str) -> tuple[int, str, str]:
        code = command.main(list(arguments))
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


@pytest.fixture
def noon(monkeypatch):
    """Has the clock of the commands in this process stand still: no second and no window of codes ends between two of
    them. Real ones end at every hour, and at midnight several do."""
    monkeypatch.setattr("time.time", lambda: float(NOW_S))


@pytest.fixture
def environment(home) -> dict[str, str]:
    """For a command of its own process: the issuer's folder, and where the package is if it is not installed."""
    return {**os.environ, "LOBBYLOCK_HOME": str(home.path), "PYTHONPATH": str(ROOT / "tools")}


@pytest.fixture
def spawn(environment):
    """`spawn("collect", ...)` -> the command as a process of its own, its output in pipes; ended with the test."""
    processes = []

    def start(*arguments: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-m", "lobbylock", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture(params=KINDS)
def broker_kind(request) -> str:
    if request.param == "mosquitto":
        require_mosquitto()
    return request.param


def require_mosquitto() -> None:
    """Fails under CI, skips elsewhere, if mosquitto is not installed."""
    if find_mosquitto():
        return
    if os.environ.get("CI"):
        pytest.fail("mosquitto is not installed, and CI must test against it")
    pytest.skip("mosquitto is NOT installed: the collector was not tested against it")


@pytest.fixture
def mosquitto() -> str:
    require_mosquitto()
    return "mosquitto"
