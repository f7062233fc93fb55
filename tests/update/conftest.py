import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "scenario")]

from lockcase import UpdateLock, make_package  # noqa: E402


@pytest.fixture
def lock(tmp_path):
    """A claimed lock on a real littlefs, running version 0.1.0 in slot a."""
    made = UpdateLock(tmp_path / "board")
    yield made
    made.close()


@pytest.fixture(scope="session")
def package():
    """Version 0.2.0 of our own tree."""
    return make_package()
