import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
# Last, so that nothing of theirs takes the place of a module of this folder.
sys.path += [str(Path(__file__).parent), str(TESTS / "tools")]
