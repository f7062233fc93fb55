"""Wrong input for every parser, on both interpreters: `make fuzz`."""

from lobbylock.house import open_path

open_path()
