"""The version of the lock: of what a board runs, of packages for it, and of the `lobbylock` command."""

VERSION = "0.1.0"
