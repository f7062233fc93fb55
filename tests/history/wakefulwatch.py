"""A watchman's process that no busy machine keeps from its work."""

import os
import subprocess
import sys

from lobbylock.house import ROOT

# At its own priority it gets a hundredth of a core where others are busy, and once a round has cost more than half a
# second it rests for twenty times as long: tests of what it finds would wait for minutes.
_PROGRAM = "from lobbylock import watchman; watchman._NICE = 0; watchman._SMALL_S = 3_600.0; watchman.main()"


def spawn() -> "subprocess.Popen[str]":
    """Takes the place of `lobbylock.watchman._spawn`."""
    path = os.pathsep.join(filter(None, (str(ROOT / "tools"), os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        start_new_session=True,
    )
