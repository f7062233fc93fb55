"""An update from its first piece to its trial, on MicroPython with a real littlefs: board/transfer.py."""

import pytest
from boardwork import ROOT, names, run


@pytest.mark.parametrize("name", names("transfer"))
def test_update_transfer(name):
    assert run(ROOT / "tests" / "runner.py", "transfer", name).endswith(f"passed {name}\n")
