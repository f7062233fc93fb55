import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from lockroom import Lockroom


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
