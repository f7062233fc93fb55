"""The watchman's process: it names what was altered, and ends with its parent."""

import os
import subprocess
import sys
import threading
import time

import pytest
from sqlalchemy import delete, update
from visitcase import FRONT
from wakefulwatch import spawn

from lobbylock import tables, watchman
from lobbylock.watchman import INDEX, Watch

# Short of when pytest ends a test.
DEADLINE_S = 100


def wait_for(is_so):
    until_s = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < until_s
        time.sleep(0.02)


@pytest.fixture
def watched(house, monkeypatch):
    monkeypatch.setattr(watchman, "_spawn", spawn)
    house.enrol()
    for number in range(4):
        house.come(f"Dora {number}")
    house.collect()
    with Watch(house.database, house.home.path) as watch:
        wait_for(lambda: watch.checked_s)
        assert watch.findings == [] and watch.failure is None and watch.is_running
        yield house, watch


def named(watch):
    return {(found.door, found.seq, found.what) for found in watch.alterations}


def test_what_is_altered_is_named(watched):
    house, watch = watched
    told = threading.Event()
    watch.on_change(told.set)
    with house.database.begin() as connection:
        connection.execute(update(tables.event).where(tables.event.c.seq == 9).values(time_s=5))
    assert told.wait(DEADLINE_S)
    assert named(watch) == {(FRONT, 9, "edited")}
    (found,) = watch.findings
    assert (found.chain is not None, found.is_alteration) == (True, True)
    assert found.sentence.startswith(f"Row 9 of {FRONT}: edited")


def test_pictures_and_the_list_of_visits_are_looked_at(watched):
    house, watch = watched
    picture = next(house.database.pictures.glob("*/*/*-3-1.jpg"))
    picture.write_bytes(b"\xff\xd8\xff another")
    wait_for(lambda: named(watch) == {(FRONT, 3, "picture is another")})
    with house.database.begin() as connection:
        connection.execute(update(tables.visit).where(tables.visit.c.seq == 8).values(person="Somebody"))
        connection.execute(delete(tables.visit).where(tables.visit.c.seq == 15))
    wait_for(lambda: {(FRONT, 8, INDEX), (FRONT, 15, INDEX)} < named(watch))


def test_process_ends_with_its_parent(house):
    house.enrol()
    program = (
        "import sys, time; from pathlib import Path; from lobbylock.database import Database;"
        "from lobbylock.watchman import Watch; database = Database.open(sys.argv[1], Path(sys.argv[2]));"
        "watch = Watch(database, Path(sys.argv[3])); watch.start();"
        "exec('while watch._process is None: time.sleep(0.02)');"
        "print(watch._process.pid, flush=True); time.sleep(600)"
    )
    arguments = [house.database.url, str(house.database.pictures), str(house.home.path)]
    parent = subprocess.Popen([sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        # It takes its priority once it looks after its parent. No round is waited for: this one has that priority.
        wait_for(lambda: os.getpriority(os.PRIO_PROCESS, child) == 19)
    finally:
        parent.kill()
        parent.wait()
    parent.stdout.close()
    wait_for(lambda: not is_alive(child))


def is_alive(process):
    try:
        os.kill(process, 0)
        with open(f"/proc/{process}/stat") as state:
            return state.read().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
