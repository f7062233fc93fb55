"""The host side of LobbyLock: issue, install, collect, audit."""

from lobbylock.house import open_path

open_path()

__version__ = "0.1.0"
