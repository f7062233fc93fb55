"""What slows guesses of passwords: each failure of a name, and of an address, doubles the wait before the next try.

A try is counted before its password is looked at, so that neither many at once nor a pulled plug gains one.
"""

import ipaddress
from hashlib import sha256
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Row, delete, insert, select, update

from lobbylock import tables

if TYPE_CHECKING:
    from lobbylock.database import Database

LONGEST_S = 15 * 60
# One address may be a whole house behind its router.
_FREE_BY_ADDRESS = 3
_FORGOTTEN_AFTER_S = 86_400


class LoginGuard:
    """Counts failures in `database`; names are kept as hashes, since people type passwords into the wrong field."""

    def __init__(self, database: "Database") -> None:
        self._database = database

    def begin(self, name: str, address: str, now_s: float) -> int:
        """Counts a try as failed and returns 0, or the seconds to wait if it comes too early."""
        with self._database.begin() as connection:
            waits = []
            keys = _keys(name, address)
            rows = [_row(connection, key, now_s) for key in keys]
            waits = [row.next_s - now_s for row in rows if row is not None and row.next_s > now_s]
            if waits:
                return max(1, int(max(waits)) + 1)
            connection.execute(delete(tables.attempt).where(tables.attempt.c.last_s < int(now_s) - _FORGOTTEN_AFTER_S))
            for key, row, free in zip(keys, rows, (0, _FREE_BY_ADDRESS), strict=True):
                _count(connection, key, row, free, now_s)
        return 0

    def succeed(self, name: str, address: str) -> None:
        """Takes back what `begin` counted, once the password was right; the name's failures are over with it."""
        by_name, by_address = _keys(name, address)
        with self._database.begin() as connection:
            connection.execute(delete(tables.attempt).where(tables.attempt.c.name == by_name))
            # Not forgotten altogether: whoever has an account could guess at those of others in between.
            row = connection.execute(select(tables.attempt).where(tables.attempt.c.name == by_address)).first()
            if row is not None:
                changed = update(tables.attempt).where(tables.attempt.c.name == by_address)
                connection.execute(changed.values(failures=max(0, row.failures - 1), next_s=0))


def _keys(name: str, address: str) -> tuple[str, str]:
    return _hashed("name", name.strip().casefold()), _hashed("address", _network(address))


def _hashed(kind: str, text: str) -> str:
    return f"{kind}:{sha256(text.encode('utf-8', 'replace')).hexdigest()}"


def _network(address: str) -> str:
    """Returns an address, or the network of an IPv6 one, all of which one customer has."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return str(found)
    return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))


def _row(connection: Connection, key: str, now_s: float) -> Row | None:
    row = connection.execute(select(tables.attempt).where(tables.attempt.c.name == key)).first()
    return None if row is None or row.last_s < now_s - _FORGOTTEN_AFTER_S else row


def _count(connection: Connection, key: str, row: Row | None, free: int, now_s: float) -> None:
    failures = 1 if row is None else row.failures + 1
    wait_s = 0 if failures <= free else min(LONGEST_S, 1 << min(failures - free - 1, 20))
    # Whole seconds in the store, so the wait is at least as long as it says.
    values = {"failures": failures, "last_s": int(now_s), "next_s": int(now_s) + wait_s + 1 if wait_s else 0}
    connection.execute(delete(tables.attempt).where(tables.attempt.c.name == key))
    connection.execute(insert(tables.attempt).values(name=key, **values))
