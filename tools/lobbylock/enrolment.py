"""The doors that a running collector listens to, read again when an installer changes them."""

import os

from lobbylock.door import Door
from lobbylock.errors import UserError
from lobbylock.home import Home


class Enrolments:
    """Doors of `home` by full name; asking costs one look at the file's date while nothing has changed."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._doors: dict[str, tuple[tuple[int, int, int], Door]] = {}

    def find(self, name: str) -> Door | None:
        """Returns the record of the door `name` (a valid full name), or None if there is none that can be read."""
        try:
            # Not through pathlib, which interns every part of every name that a stranger makes up.
            state = os.stat(f"{self._home.path}/doors/{name}.json")
        except OSError:
            # Strangers' names are not remembered: memory stays with the number of doors.
            self._doors.pop(name, None)
            return None
        version = (state.st_mtime_ns, state.st_size, state.st_ino)
        known = self._doors.get(name)
        if known is not None and known[0] == version:
            return known[1]
        try:
            door = self._home.door(name)
        except (UserError, OSError):
            return None
        self._doors[name] = (version, door)
        return door
