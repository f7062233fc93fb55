"""The journal keys of all chains, kept between questions: a row in the middle of a long record costs few steps."""

import threading

from lobbylock.door import Door
from lobbylock.journalkey import KeyLine


class Keyring:
    """Key lines by board. May be asked in any thread."""

    def __init__(self) -> None:
        self._lines: dict[bytes, KeyLine] = {}
        self._lock = threading.Lock()

    def line(self, door: Door, public_key: object) -> KeyLine | None:
        """Returns the keys of the board with `public_key` at `door`, None if none are enrolled."""
        enrolled = door.journal_keys.get(public_key) if isinstance(public_key, bytes) else None
        if enrolled is None or not isinstance(public_key, bytes):
            return None
        with self._lock:
            line = self._lines.get(public_key)
            if line is None or line.enrolled != enrolled:
                line = self._lines[public_key] = KeyLine(enrolled)
            return line
