"""What the driver of the demonstration carries is good at whatever time it is shown."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from lobbylock.demo.pocket import Pocket
from lobbylock.demo.stage import DOOR
from lobbylock.home import Home
from lobbylock.settings import Options

# Where windows of all lengths end: 2026-12-17 00:00 UTC.
END_S = 1_797_465_600


@pytest.mark.parametrize("before_s", [3_601, 3_600, 3_599, 60, 1, 0])
def test_there_is_a_code_at_the_end_of_the_longest_windows_too(tmp_path, before_s):
    home = Home(tmp_path)
    home.new_issuer("tester")
    home.save_door(home.new_door(DOOR, Options()))
    now_s = END_S - before_s
    window = Pocket(cast(Any, SimpleNamespace(home=tmp_path, now_s=float(now_s)))).code().window
    assert window.from_s <= now_s < window.until_s
    assert window.until_s >= now_s + 3_600 or window.until_s == END_S
