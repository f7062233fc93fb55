"""`python -m lobbylock` is the `lobbylock` command."""

import sys

from lobbylock.command import main

if __name__ == "__main__":
    sys.exit(main())
