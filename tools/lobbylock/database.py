"""The collector's store as everybody opens it: its backend, and Stores on it."""

import contextlib
from collections.abc import Iterator

from lobbylock.backend import FIRST, HEAD, VERSION_TABLE, Backend, default_pictures, describe_address, parse_address
from lobbylock.store import Store

__all__ = ["FIRST", "HEAD", "VERSION_TABLE", "Database", "default_pictures", "describe_address", "parse_address"]


class Database(Backend):
    """A backend that makes Stores."""

    @contextlib.contextmanager
    def store(self) -> Iterator[Store]:
        """Yields a Store on a connection of its own."""
        with self.open_connection() as connection:
            yield Store(self, connection)
