"""The whole: the firmware on a virtual board, `lobbylock serve` as a process, and what is heard at a real broker."""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ha_case import LIMIT_S

from lobbylock.broker import Broker
from lobbylock.demo.stage import DOOR, Stage
from lobbylock.home import Home
from lobbylock.home_assistant_device import ATTRIBUTES, Names

# The longest pulse there is, so that a busy machine does not make a delivery an old one.
RELEASE_MS = 10_000
CLOCK_SET = 12
STARTS_MS = 120_000
VISIT_MS = 60_000
CAMERA_MS = 2_500
ATTEMPTS = 3
PASSWORD = "hush hush"
LOBBYLOCK = str(Path(sys.executable).with_name("lobbylock"))


class Serving:
    """`lobbylock serve` that shows the doors at the broker `house`."""

    def __init__(self, house: Broker) -> None:
        self.process = None
        self._house = house

    @contextlib.contextmanager
    def __call__(self, stage):
        environment = {**os.environ, "LOBBYLOCK_HOME": str(stage.home), "LOBBYLOCK_STORE": str(stage.store)}
        add = [LOBBYLOCK, "account", "add", "mia", "--role", "manager", "--password-stdin"]
        subprocess.run(add, input="a horse on the stairs\n", text=True, env=environment, check=True, timeout=LIMIT_S)
        command = [LOBBYLOCK, "serve", "--listen", "127.0.0.1:0", "--broker", stage.broker.url]
        command += ["--home-assistant", self._house.url, "--home-assistant-user", "publisher"]
        environment["LOBBYLOCK_HOME_ASSISTANT_PASSWORD"] = PASSWORD
        with open(stage.home.parent / "serve.log", "w") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log, env=environment)
        try:
            yield
        finally:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def scene(broker, ear, tmp_path):
    serving = Serving(broker)
    options = ("--release-ms", str(RELEASE_MS))
    with Stage(tmp_path, door_options=options, make_collector=serving, now_s=time.time) as stage:
        names = Names(Home(stage.home).collector().public_key)
        yield stage, serving, names, ear


@pytest.mark.timeout(600)
def test_a_delivery_at_the_virtual_door_and_the_end_of_the_service(scene):
    stage, serving, names, ear = scene

    def topic(what):
        return names.topic(DOOR, what)

    def has_time():
        with contextlib.closing(sqlite3.connect(stage.store)) as store, contextlib.suppress(sqlite3.Error):
            return store.execute("SELECT count(*) FROM event WHERE kind = ?", (CLOCK_SET,)).fetchone()[0]
        return 0

    assert stage.wait(has_time, STARTS_MS)
    stage.board.run_for(CAMERA_MS)
    assert stage.wait(lambda: ear.last(topic("connectivity")) == b"online", STARTS_MS)
    assert ear.last(topic("strike")) == b"OFF"
    ear.heard.clear()
    for _ in range(ATTEMPTS):
        # On the board's own clock: a busy machine would lose keys. One that is very busy may bring it late, though, or
        # take the camera's bytes too late, so that there is no picture of this visit.
        stage.skip(stage.board.keypad.type(stage.code("UPS 4711") + "#") + 500)
        if stage.wait(lambda: "ON" in ear.texts(topic("strike")) and ear.last(topic("image")) is not None, VISIT_MS):
            break
    assert stage.wait(lambda: ear.texts(topic("strike"))[-1:] == ["OFF"], VISIT_MS)
    assert ear.texts(topic("strike"))[:2] == ["ON", "OFF"]
    assert ear.last(topic("image")) is not None
    assert (ear.last(topic("image")) or b"").startswith(b"\xff\xd8\xff")
    deliveries = [each for each in ear.events(topic("event")) if each["event_type"] == "delivery"]
    assert deliveries
    assert (deliveries[0]["who"], deliveries[0]["via"]) == ("UPS 4711", "keypad")
    assert stage.wait(lambda: json.loads(ear.last(topic(ATTRIBUTES)) or b"{}").get("who") == "UPS 4711", VISIT_MS)
    # Nobody can command anything here.
    config = json.loads(ear.last(names.config(DOOR)) or b"{}")
    assert config == {} or all(each["p"] != "lock" for each in config["cmps"].values())
    assert not any(b"command" in payload for heard, payload, _ in ear.heard if heard.startswith(names.root))
    # Killed, it says nothing itself: the broker does.
    serving.process.kill()
    ear.wait(names.service, "offline")
    assert PASSWORD not in (stage.home.parent / "serve.log").read_text()
