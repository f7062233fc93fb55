"""What managers did: who made, revoked and exported what, and when."""

from typing import NamedTuple

from sqlalchemy import Connection, insert, select

from lobbylock import tables

MADE = "made"
REVOKED = "revoked"
RESTORED = "restored"
PUBLISHED = "published"
EXPORTED = "exported"
SEEN = "seen"
UNLISTED = "taken off the list"


class Action(NamedTuple):
    """One of them; `about` holds no secret."""

    at_s: int
    account: str
    what: str
    about: str


def note(connection: Connection, at_s: float, account: str, what: str, about: str) -> None:
    """Notes what `account` did; `about` must not hold a code or a credential."""
    connection.execute(insert(tables.action).values(at_s=int(at_s), account=account, what=what, about=about))


def latest(
    connection: Connection, limit: int = 20, *, what: str | None = None, about: str | None = None
) -> list[Action]:
    """Returns the latest actions, the newest first; only those that are `what` and about `about`, if given."""
    column = tables.action.c
    query = select(column.at_s, column.account, column.what, column.about).order_by(column.id.desc()).limit(limit)
    if what is not None:
        query = query.where(column.what == what)
    if about is not None:
        query = query.where(column.about == about)
    return [Action(*row) for row in connection.execute(query)]
