import sys
from pathlib import Path

from lobbylock import house

_TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(Path(__file__).parent), str(_TESTS / "unit")]
house.open_path()
# Last: of what lies there only `micropython` is wanted.
sys.path.append(str(_TESTS / "powercut" / "cpython"))
