"""Who may see the page: accounts in the store, their passwords as Argon2id hashes (RFC 9106)."""

import hmac
import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

import argon2
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from lobbylock import tables
from lobbylock.errors import UserError
from lobbylock.names import check_building, check_person
from lobbylock.page.guessing import forget_failures

if TYPE_CHECKING:
    from lobbylock.database import Database

RESIDENT = "resident"
MANAGER = "manager"
ROLES = (RESIDENT, MANAGER)
MIN_PASSWORD_CHARACTERS = 10
MAX_PASSWORD_CHARACTERS = 256
_BROWSER_BYTES = 16
# Twice as long as a mark is.
_MAX_MARK_CHARACTERS = 200
_COLUMNS = (
    tables.account.c.id,
    tables.account.c.name,
    tables.account.c.role,
    tables.account.c.person,
    tables.account.c.password_hash,
    tables.account.c.created_s,
    tables.account.c.changed_s,
    tables.account.c.disabled_s,
)


@dataclass(frozen=True)
class Account:
    """Somebody who may log in. A resident sees `buildings`; a manager without any sees all of them.

    `person` is what the record calls a resident. Times are Unix seconds.
    """

    id: int
    name: str
    role: str
    person: str | None
    buildings: tuple[str, ...]
    created_s: int
    changed_s: int
    disabled_s: int | None

    @property
    def is_manager(self) -> bool:
        return self.role == MANAGER

    @property
    def sees_everything(self) -> bool:
        """Whether this is a manager of all buildings, who alone may manage accounts."""
        return self.is_manager and not self.buildings


class Passwords:
    """Hashes and checks passwords; each takes the same work, whether there is a hash to compare with or not."""

    def __init__(self, hasher: argon2.PasswordHasher | None = None) -> None:
        self._hasher = hasher or argon2.PasswordHasher()
        # What unknown names are compared with; nobody knows its password.
        self._nobodys: str | None = None

    def hash(self, password: str) -> str:
        """Returns the Argon2id hash of a password."""
        return self._hasher.hash(_normal(password))

    def matches(self, stored: str | None, password: str) -> bool:
        """Whether `password` is the one of `stored`; None for a name that nobody has is never matched."""
        # Made in either case, so that the first unknown name does not take longer than the first known one.
        self._nobodys = self._nobodys or self._hasher.hash(secrets.token_hex(32))
        try:
            is_right = self._hasher.verify(stored or self._nobodys, _normal(password))
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False
        return is_right and stored is not None


class Accounts:
    """The accounts in `database`. Methods raise StoreFailed when that fails, and UserError for what cannot be."""

    def __init__(self, database: "Database", passwords: Passwords | None = None) -> None:
        self._database = database
        self.passwords = passwords or Passwords()

    def create(
        self,
        name: str,
        role: str,
        password: str,
        now_s: int,
        *,
        buildings: Sequence[str] = (),
        person: str | None = None,
    ) -> Account:
        """Makes an account. A resident is called `person` in the record, or as the account if that is None."""
        name = check_name(name)
        if role not in ROLES:
            raise UserError(f"A role is one of {', '.join(ROLES)}.")
        buildings = sorted({check_building(building) for building in buildings})
        if role == RESIDENT and not buildings:
            raise UserError("A resident lives somewhere: say which building.")
        # Without one, whoever the record does not know by name would be taken for this resident.
        person = check_person(person or name) if role == RESIDENT else None
        hashed = self.passwords.hash(check_password(password, name))
        with self._database.begin() as connection:
            taken = select(tables.account.c.id).where(tables.account.c.name == name)
            if connection.execute(taken).first() is not None:
                raise UserError(f"There is an account {name} already.")
            values = {"name": name, "role": role, "person": person, "password_hash": hashed}
            made = connection.execute(insert(tables.account).values(**values, created_s=now_s, changed_s=now_s))
            (id,) = made.inserted_primary_key or (0,)
            for building in buildings:
                connection.execute(insert(tables.account_building).values(account=id, building=building))
        return Account(id, name, role, person, tuple(buildings), now_s, now_s, None)

    def find(self, name: str) -> Account | None:
        """Returns the account called `name`, also a disabled one."""
        with self._database.connect() as connection:
            row = _row_of(connection, name)
            return None if row is None else _account(connection, row)

    def check(self, name: str, password: str) -> Account | None:
        """Returns the account if it may log in with `password`; takes the same work in every case."""
        with self._database.connect() as connection:
            row = _row_of(connection, name)
            account = None if row is None else _account(connection, row)
        # Hashing takes long; no connection is held meanwhile.
        is_right = self.passwords.matches(None if row is None else row.password_hash, password)
        if account is None or not is_right or account.disabled_s is not None:
            return None
        return account

    def mark_browser(self, name: str) -> str:
        """Returns a mark for a browser that `name` has logged in from: "number.HMAC". Another password ends all of an
        account's marks. Raises UserError."""
        with self._database.connect() as connection:
            row = _row_of(connection, name)
        if row is None:
            raise _nobody(name)
        browser = secrets.token_urlsafe(_BROWSER_BYTES)
        return f"{browser}.{_seal_browser(row, browser)}"

    def known_browser(self, name: str, mark: str) -> str:
        """Returns the number in `mark` if it was made for a browser of `name`, "" otherwise."""
        if not 0 < len(mark) <= _MAX_MARK_CHARACTERS:
            return ""
        with self._database.connect() as connection:
            row = _row_of(connection, name)
        browser, _, given = mark.partition(".")
        is_right = hmac.compare_digest(given.encode("utf-8", "replace"), _seal_browser(row, browser).encode())
        return browser if is_right and row is not None else ""

    def list(self) -> list[Account]:
        """Returns all accounts by name."""
        with self._database.connect() as connection:
            rows = connection.execute(select(*_COLUMNS).order_by(tables.account.c.name)).all()
            return [_account(connection, row) for row in rows]

    def has_manager(self) -> bool:
        """Whether somebody can log in as a manager."""
        wanted = (tables.account.c.role == MANAGER) & tables.account.c.disabled_s.is_(None)
        with self._database.connect() as connection:
            return bool(connection.execute(select(func.count()).select_from(tables.account).where(wanted)).scalar())

    def set_password(self, name: str, password: str, now_s: int, *, keep: bytes | None = None) -> None:
        """Changes a password and ends the account's sessions, all but the one whose token has the hash `keep`, and what
        it would have to wait for wrong guesses."""
        hashed = self.passwords.hash(check_password(password, name))
        with self._database.begin() as connection:
            id = self._id(connection, name)
            changed = update(tables.account).where(tables.account.c.id == id)
            connection.execute(changed.values(password_hash=hashed, changed_s=now_s))
            forget_failures(connection, name)
            ended = delete(tables.session).where(tables.session.c.account == id)
            connection.execute(ended if keep is None else ended.where(tables.session.c.token_sha256 != keep))

    def set_disabled(self, name: str, now_s: int | None) -> None:
        """Keeps an account out from `now_s` on and ends its sessions; None lets it in again."""
        with self._database.begin() as connection:
            id = self._id(connection, name)
            connection.execute(update(tables.account).where(tables.account.c.id == id).values(disabled_s=now_s))
            if now_s is not None:
                connection.execute(delete(tables.session).where(tables.session.c.account == id))

    def remove(self, name: str) -> None:
        """Forgets an account and its sessions."""
        with self._database.begin() as connection:
            id = self._id(connection, name)
            connection.execute(delete(tables.session).where(tables.session.c.account == id))
            connection.execute(delete(tables.account_building).where(tables.account_building.c.account == id))
            connection.execute(delete(tables.account).where(tables.account.c.id == id))

    def _id(self, connection: Connection, name: str) -> int:
        row = _row_of(connection, name)
        if row is None:
            raise _nobody(name)
        return row.id


def check_name(name: str) -> str:
    """Returns the name of an account in its one form. Raises UserError."""
    return check_person(unicodedata.normalize("NFC", name))


def check_password(password: str, name: str) -> str:
    """Returns `password` if it may be one. Raises UserError, whose text does not hold it."""
    if not MIN_PASSWORD_CHARACTERS <= len(password) <= MAX_PASSWORD_CHARACTERS:
        raise UserError(f"A password has {MIN_PASSWORD_CHARACTERS} to {MAX_PASSWORD_CHARACTERS} characters.")
    if password.casefold() == name.casefold() or len(set(password)) < 4:
        raise UserError("That password is guessed at once; take another one.")
    return password


def account_of(connection: Connection, id: int) -> Account | None:
    """Returns the account with the number `id`."""
    row = connection.execute(select(*_COLUMNS).where(tables.account.c.id == id)).first()
    return None if row is None else _account(connection, row)


def _row_of(connection: Connection, name: str) -> Row | None:
    wanted = unicodedata.normalize("NFC", name).strip()
    # PostgreSQL takes no NUL in a text.
    if "\0" in wanted:
        return None
    return connection.execute(select(*_COLUMNS).where(tables.account.c.name == wanted)).first()


def _nobody(name: str) -> UserError:
    return UserError(f"There is no account {name[:64]}; `lobbylock account list` shows them.")


def _seal_browser(row: Row | None, browser: str) -> str:
    # Made for names that nobody has, too: it takes the same work.
    key, id = ("", 0) if row is None else (row.password_hash, row.id)
    return hmac.new(
        key.encode(), f"lobbylock known browser {id} {browser}".encode("utf-8", "replace"), sha256
    ).hexdigest()


def _account(connection: Connection, row: Row) -> Account:
    column = tables.account_building.c
    lives = select(column.building).where(column.account == row.id).order_by(column.building)
    buildings = tuple(connection.execute(lives).scalars())
    return Account(row.id, row.name, row.role, row.person, buildings, row.created_s, row.changed_s, row.disabled_s)


def _normal(password: str) -> str:
    # Keyboards compose letters in different ways.
    return unicodedata.normalize("NFC", password[: 2 * MAX_PASSWORD_CHARACTERS])
