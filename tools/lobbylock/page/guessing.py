"""What slows guesses of passwords: each failure of a name, and of an address, doubles the wait before the next try.

A try is counted before its password is looked at, so that neither many at once nor a pulled plug gains one. A browser
that the account has logged in from before is counted by itself, so that strangers' tries do not keep its owner out.
"""

import ipaddress
import unicodedata
from hashlib import sha256
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Row, delete, insert, select, update

from lobbylock import tables

if TYPE_CHECKING:
    from lobbylock.database import Database

LONGEST_S = 15 * 60
_ADDRESS, _BROWSER = "address", "browser"
# One address may be a whole house behind its router.
_FREE_BY_ADDRESS = 3
_FORGOTTEN_AFTER_S = 86_400
# A row from further ahead was noted by a clock that has been put right since: its wait could be for years.
_MAX_AHEAD_S = 60


class LoginGuard:
    """Counts failures in `database`; names are kept as hashes, since people type passwords into the wrong field."""

    def __init__(self, database: "Database") -> None:
        self._database = database

    def begin(self, name: str, address: str, now_s: float, browser: str = "") -> int:
        """Counts a try as failed and returns 0, or the seconds to wait if it comes too early.

        `address` is "" where only a proxy's is known, which all people share. `browser` is what tells a browser that
        the account is known to have logged in from, "" for all others.
        """
        with self._database.begin() as connection:
            keys = _keys(name, address, browser)
            rows = [_row(connection, key, now_s) for key in keys]
            waits = [row.next_s - now_s for row in rows if row is not None and row.next_s > now_s]
            if waits:
                return max(1, int(max(waits)) + 1)
            oldest_s, newest_s = int(now_s) - _FORGOTTEN_AFTER_S, int(now_s) + _MAX_AHEAD_S
            when = tables.attempt.c.last_s
            connection.execute(delete(tables.attempt).where((when < oldest_s) | (when > newest_s)))
            for key, row in zip(keys, rows, strict=True):
                _count(connection, key, row, now_s)
        return 0

    def succeed(self, name: str, address: str, browser: str = "") -> None:
        """Takes back what `begin` counted, once the password was right; the name's failures are over with it, or the
        known browser's."""
        own, *others = _keys(name, address, browser)
        with self._database.begin() as connection:
            connection.execute(delete(tables.attempt).where(tables.attempt.c.name == own))
            # Not forgotten altogether: whoever has an account could guess at those of others in between.
            for by_address in others:
                row = connection.execute(select(tables.attempt).where(tables.attempt.c.name == by_address)).first()
                if row is not None:
                    changed = update(tables.attempt).where(tables.attempt.c.name == by_address)
                    connection.execute(changed.values(failures=max(0, row.failures - 1), next_s=0))


def forget_failures(connection: Connection, name: str) -> None:
    """Ends the wait of a name, from wherever its failures came."""
    connection.execute(delete(tables.attempt).where(tables.attempt.c.name == _key_of_name(name)))


def _keys(name: str, address: str, browser: str) -> tuple[str, ...]:
    if browser:
        return (_hashed(_BROWSER, f"{browser} {_one_form(name)}"),)
    by_name = _key_of_name(name)
    return (by_name, _hashed(_ADDRESS, _network(address))) if address else (by_name,)


def _key_of_name(name: str) -> str:
    return _hashed("name", _one_form(name))


def _one_form(name: str) -> str:
    # As accounts are looked up: each other way to write a name would have a wait of its own.
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).strip().casefold())


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
    is_of_now = row is not None and now_s - _FORGOTTEN_AFTER_S <= row.last_s <= now_s + _MAX_AHEAD_S
    return row if is_of_now else None


def _count(connection: Connection, key: str, row: Row | None, now_s: float) -> None:
    failures = 1 if row is None else row.failures + 1
    free = _FREE_BY_ADDRESS if key.startswith(_ADDRESS) else 0
    wait_s = 0 if failures <= free else min(LONGEST_S, 1 << min(failures - free - 1, 20))
    # Whole seconds in the store, so the wait is at least as long as it says.
    values = {"failures": failures, "last_s": int(now_s), "next_s": int(now_s) + wait_s + 1 if wait_s else 0}
    connection.execute(delete(tables.attempt).where(tables.attempt.c.name == key))
    connection.execute(insert(tables.attempt).values(name=key, **values))
