"""Chromium before the whole service: the browser is that of the street's tests, the records those of the history's."""

import sys
from pathlib import Path

FOLDER = Path(__file__).parent
TESTS = FOLDER.parent
# Last, so that nothing of theirs takes the place of a module of this folder.
sys.path += [str(FOLDER), *(str(TESTS / name) for name in ("demo", "page", "history", "tools"))]
