import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scenario"))
sys.path.insert(0, str(Path(__file__).parent))

from lockfixtures import make_room, memory_root, room, set_board
from talker import Talker

__all__ = ("make_room", "memory_root", "room", "set_board", "talker")


@pytest.fixture
def talker(room):
    """Somebody with a laptop at that lock's serial line."""
    return Talker(room.board)
