"""A building, its collector on each of the two databases."""

import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
# Last, so that nothing of theirs takes the place of a module of this folder.
sys.path += [str(Path(__file__).parent), str(TESTS / "tools")]

from visitcase import House  # noqa: E402


@pytest.fixture
def house(database, tmp_path):
    """A building in which nothing has happened yet."""
    return House(database, tmp_path / "home")
