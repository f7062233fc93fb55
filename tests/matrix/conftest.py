import sys
from pathlib import Path

from lobbylock.house import open_path

TESTS = Path(__file__).resolve().parents[1]
open_path()
# Last, so that nothing of theirs takes the place of a module of this folder.
sys.path += [str(Path(__file__).parent), str(TESTS / "scenario"), str(TESTS / "console"), str(TESTS / "unit")]
