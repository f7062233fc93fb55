"""Sessions: who is logged in. The store has the hash of each token, so that a copy of it lets nobody in."""

import secrets
import time
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from sqlalchemy import delete, insert, select, update

from lobbylock import tables
from lobbylock.errors import StoreFailed
from lobbylock.page.accounts import Account, account_of

if TYPE_CHECKING:
    from lobbylock.database import Database

LIFE_S = 30 * 86_400
IDLE_S = 7 * 86_400
# Noting every use would be a write a request.
_NOTED_EVERY_S = 300
# Whoever reads waits no longer than that for it, and after a try that failed nobody does for a while.
_NOTE_WAIT_S = 0.1
_PAUSE_S = 60.0
# Until when, by the monotonic clock. Each request has its own Sessions.
_PAUSED: "WeakKeyDictionary[Database, float]" = WeakKeyDictionary()
_TOKEN_BYTES = 32
_MAX_TOKEN_CHARACTERS = 64
MAX_SESSIONS = 20


@dataclass(frozen=True)
class Session:
    """A session of `account`; `csrf` is what its forms carry."""

    token_sha256: bytes
    account: Account
    csrf: str


class Sessions:
    """The sessions in `database`."""

    def __init__(self, database: "Database") -> None:
        self._database = database

    def begin(self, account: Account, address: str, now_s: int) -> str:
        """Begins a session and returns its token, which is kept nowhere. The oldest ones of too many end."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        column = tables.session.c
        with self._database.begin() as connection:
            # Those of everybody, since nothing else looks at sessions that nobody comes back to.
            connection.execute(delete(tables.session).where(column.expires_s <= now_s))
            open_ones = select(column.token_sha256).where(column.account == account.id)
            newest_first = connection.execute(open_ones.order_by(column.created_s.desc())).scalars().all()
            for old in newest_first[MAX_SESSIONS - 1 :]:
                connection.execute(delete(tables.session).where(column.token_sha256 == old))
            values = {
                "token_sha256": sha256(token.encode()).digest(),
                "account": account.id,
                "csrf": secrets.token_urlsafe(_TOKEN_BYTES),
                "created_s": now_s,
                "used_s": now_s,
                "expires_s": now_s + LIFE_S,
                "address": address,
            }
            connection.execute(insert(tables.session).values(**values))
        return token

    def check(self, token: str, now_s: int) -> Session | None:
        """Returns the session that a token is of, unless it has ended or its account is disabled."""
        if not 0 < len(token) <= _MAX_TOKEN_CHARACTERS:
            return None
        return self.check_hash(sha256(token.encode("utf-8", "replace")).digest(), now_s)

    def check_hash(self, digest: bytes, now_s: int) -> Session | None:
        """Returns the session whose token has the SHA-256 `digest`, as `check` does."""
        column = tables.session.c
        with self._database.connect() as connection:
            # Found by its hash: how long a comparison takes tells nothing about tokens.
            row = connection.execute(select(tables.session).where(column.token_sha256 == digest)).first()
            if row is None or now_s >= row.expires_s or now_s >= row.used_s + IDLE_S:
                return None
            account = account_of(connection, row.account)
        if account is None or account.disabled_s is not None:
            return None
        if now_s >= row.used_s + _NOTED_EVERY_S:
            self._note_use(digest, now_s)
        return Session(digest, account, row.csrf)

    def end(self, digest: bytes) -> None:
        """Ends a session."""
        with self._database.begin() as connection:
            connection.execute(delete(tables.session).where(tables.session.c.token_sha256 == digest))

    def _note_use(self, digest: bytes, now_s: int) -> None:
        if time.monotonic() < _PAUSED.get(self._database, 0.0):
            return
        # Before the try: others who come meanwhile do not wait as well.
        _PAUSED[self._database] = time.monotonic() + _PAUSE_S
        try:
            with self._database.begin(_NOTE_WAIT_S) as connection:
                wanted = tables.session.c.token_sha256 == digest
                connection.execute(update(tables.session).where(wanted).values(used_s=now_s))
        except StoreFailed:
            # A full disk or another writer must not keep people from reading; a later use is noted.
            return
        _PAUSED.pop(self._database, None)
