"""A watchman's process that no busy machine keeps from its work."""

import subprocess

from lobbylock import watchman

# At its own priority it gets a hundredth of a core where others are busy, and once a round has cost more than half a
# second it rests for twenty times as long: tests of what it finds would wait for minutes.
_PROGRAM = "from lobbylock import watchman; watchman._NICE = 0; watchman._SMALL_S = 3_600.0; watchman.main()"
_spawn = watchman._spawn


def spawn() -> "subprocess.Popen[str]":
    """Takes the place of `lobbylock.watchman._spawn`."""
    return _spawn("-c", _PROGRAM)
