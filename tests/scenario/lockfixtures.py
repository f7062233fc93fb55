"""Fixtures of all tests that have a whole lock, in a Lockroom: a folder's conftest.py imports those it offers."""

import lockroom
import pytest
from lockroom import Lockroom

from lobbylock.house import ROOT
from virtualboard import VirtualBoard


@pytest.fixture
def make_room(tmp_path):
    """Returns a function that builds a Lockroom with changed settings; all are closed at the end."""
    rooms = []

    def make(**changed) -> Lockroom:
        room = Lockroom(tmp_path / f"board{len(rooms)}", **changed)
        rooms.append(room)
        return room

    yield make
    for room in rooms:
        room.close()


@pytest.fixture
def room(make_room):
    """A lock that is up and knows the time."""
    made = make_room()
    made.power_on()
    return made


# The lock, and beside it a task that tells how much is in use.
LOOKING = """
import gc

gc.threshold(8192)
import asyncio

from firmware.build import run

async def look():
    while True:
        await asyncio.sleep_ms(5_000)
        gc.collect()
        print("in use", gc.mem_alloc())

task = asyncio.create_task(look())
run()
"""


@pytest.fixture
def set_board(monkeypatch):
    """Returns a function that gives every Lockroom made afterwards a board with other options."""

    def set_options(**changed) -> None:
        monkeypatch.setattr(lockroom, "VirtualBoard", lambda folder, **usual: VirtualBoard(folder, **usual | changed))

    return set_options


@pytest.fixture(scope="session")
def memory_root(tmp_path_factory):
    """Returns the folder of a board whose lock tells what is in use, every 5 s."""
    root = tmp_path_factory.mktemp("memory-root")
    for name in ("boot.py", "firmware", "lib"):
        (root / name).symlink_to(ROOT / name)
    (root / "main.py").write_text(LOOKING)
    return root
