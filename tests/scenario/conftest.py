import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from lockfixtures import make_room, memory_root, room, set_board

__all__ = ("make_room", "memory_root", "room", "set_board")
