import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scenario"))
sys.path.insert(0, str(Path(__file__).parent))

import lockroom
from lockroom import Lockroom
from talker import Talker

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
def set_board(monkeypatch):
    """Returns a function that gives every Lockroom made afterwards a board with other options."""

    def set_options(**changed) -> None:
        monkeypatch.setattr(lockroom, "VirtualBoard", lambda folder, **usual: VirtualBoard(folder, **usual | changed))

    return set_options


@pytest.fixture
def room(make_room):
    """A lock that is up and knows the time."""
    made = make_room()
    made.power_on()
    return made


@pytest.fixture
def talker(room):
    """Somebody with a laptop at that lock's serial line."""
    return Talker(room.board)
