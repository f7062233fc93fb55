"""The tables of a store, once for SQLite and PostgreSQL. What changes here needs a migration beside it.

Columns of events are for finding things; what counts is in the signed records, and every reader checks those.
Times end in `_s` and are Unix seconds.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeDecorator


class Blob(LargeBinary):
    """Bytes as they are. What an edited SQLite file holds instead comes through as well, for the audit to name."""

    cache_ok = True

    def bind_processor(self, dialect: Any) -> None:
        return None

    def result_processor(self, dialect: Any, coltype: object) -> None:
        return None


class Words(TypeDecorator[str]):
    """Text that anybody may have written. PostgreSQL takes no NUL and neither database a half of a surrogate pair, so
    both become U+FFFD: a strange name must not keep an event from being stored. Sorted by code point on both."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        return dialect.type_descriptor(Text(collation="C" if dialect.name == "postgresql" else None))

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        if not isinstance(value, str) or (value.isascii() and "\0" not in value):
            return value
        text = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


# SQLite's INTEGER has 64 bits, and must be called so to be a row's own number.
Number = BigInteger().with_variant(Integer(), "sqlite")

metadata = MetaData()


def _chain_column() -> Column[Any]:
    return Column("chain", Number, ForeignKey("chain.id"), primary_key=True, autoincrement=False)


def _key(name: str) -> Column[Any]:
    return Column(name, Number, primary_key=True, autoincrement=False)


def _id() -> Column[Any]:
    return Column("id", Number, Identity(), primary_key=True)


def _needed(name: str, kind: Any = Number) -> Column[Any]:
    return Column(name, kind, nullable=False)


chain = Table(
    "chain",
    metadata,
    _id(),
    _needed("door", Words),
    _needed("public_key", Blob),
    Column("ack", Blob),
    Column("receipt", Blob),
    UniqueConstraint("door", "public_key"),
)

event = Table(
    "event",
    metadata,
    _chain_column(),
    _key("seq"),
    _needed("kind"),
    Column("time_s", Number),
    _needed("record", Blob),
    _needed("head", Blob),
    _needed("tag", Blob),
    _needed("received_s"),
    Index("event_kind", "kind", "chain", "seq"),
    sqlite_with_rowid=False,
)

gap = Table(
    "gap",
    metadata,
    _chain_column(),
    _key("first_seq"),
    _needed("last_seq"),
    _needed("head", Blob),
    sqlite_with_rowid=False,
)

# A picture that an event announced; `arrival` is its place among those that came, None while it has not.
picture = Table(
    "picture",
    metadata,
    _chain_column(),
    _key("seq"),
    _needed("number"),
    _needed("length"),
    _needed("sha256", Blob),
    Column("file", Words),
    Column("arrival", Number),
    Column("digest", Blob),
    Index("picture_number", "chain", "number"),
    Index("picture_arrival", "chain", "arrival", unique=True),
    sqlite_with_rowid=False,
)

conflict = Table(
    "conflict",
    metadata,
    _chain_column(),
    Column("sha256", Blob, primary_key=True),
    _needed("seq"),
    _needed("message", Blob),
    _needed("received_s"),
    sqlite_with_rowid=False,
)

# A picture that was deleted by rule; `signature` is the collector's, docs/protocol.md section 12.
deletion = Table(
    "deletion",
    metadata,
    _chain_column(),
    _key("seq"),
    _needed("deleted_s"),
    _needed("rule", Words),
    _needed("signature", Blob),
)

# Most visits of a house may be without a picture.
_PICTURED = text("picture IS NOT NULL")

# The story of each access, to find it by; what it tells is made of events `first_seq` to `last_seq`. `shown_s` is its
# time, or when it was received.
visit = Table(
    "visit",
    metadata,
    _chain_column(),
    _key("seq"),
    _needed("first_seq"),
    _needed("last_seq"),
    Column("time_s", Number),
    _needed("shown_s"),
    Column("role", Words),
    Column("via", Words),
    Column("reason", Words),
    Column("person", Words),
    Column("kid", Blob),
    Column("credential_id", Blob),
    Column("parent_id", Blob),
    _needed("outcome", Words),
    _needed("is_over", Boolean),
    Column("picture", Number),
    Index("visit_shown", "shown_s", "chain", "seq"),
    Index("visit_chain", "chain", "shown_s", "seq"),
    # The first is for all names. Those of a chain have the whole order behind them, for else SQLite would rather go
    # through the chain for what is rare.
    Index("visit_person", "person", "shown_s"),
    Index("visit_chain_person", "chain", "person", "shown_s", "seq"),
    Index("visit_outcome", "chain", "outcome", "shown_s", "seq"),
    Index("visit_role", "role", "shown_s"),
    Index("visit_open", "chain", "is_over", "seq"),
    Index("visit_pictured", "chain", "shown_s", "seq", sqlite_where=_PICTURED, postgresql_where=_PICTURED),
)

# The last status message of each door, which nobody signed; `content` is JSON.
status = Table(
    "status",
    metadata,
    Column("door", Words, primary_key=True),
    _needed("received_s"),
    _needed("online", Boolean),
    Column("online_s", Number),
    _needed("content", Words),
)

# People who may look.

account = Table(
    "account",
    metadata,
    _id(),
    _needed("name", Words),
    _needed("role", Words),
    Column("person", Words),
    _needed("password_hash", Words),
    _needed("created_s"),
    _needed("changed_s"),
    Column("disabled_s", Number),
    UniqueConstraint("name"),
)

account_building = Table(
    "account_building",
    metadata,
    Column("account", Number, ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("building", Words, primary_key=True),
)

# Only the hash of a session's token: whoever reads the store cannot go on with it.
session = Table(
    "session",
    metadata,
    Column("token_sha256", Blob, primary_key=True),
    Column("account", Number, ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
    _needed("csrf", Words),
    _needed("created_s"),
    _needed("used_s"),
    _needed("expires_s"),
    _needed("address", Words),
    Index("session_account", "account"),
)

# Failed logins by account's name and by address.
attempt = Table(
    "attempt",
    metadata,
    Column("name", Words, primary_key=True),
    _needed("failures"),
    _needed("last_s"),
    _needed("next_s"),
)

# What managers did.
action = Table(
    "action",
    metadata,
    _id(),
    _needed("at_s"),
    _needed("account", Words),
    _needed("what", Words),
    _needed("about", Words),
    Index("action_at", "at_s"),
)

alarm_seen = Table(
    "alarm_seen",
    metadata,
    _chain_column(),
    _key("seq"),
    Column("what", Words, primary_key=True),
    _needed("account", Words),
    _needed("seen_s"),
)

# Alerts that wait to be sent, and those that were.
notice = Table(
    "notice",
    metadata,
    _id(),
    _needed("person", Words),
    _needed("kind", Words),
    _needed("about", Words),
    _needed("at_s"),
    _needed("due_s"),
    _needed("text", Words),
    _needed("digest", Boolean),
    _needed("tries"),
    Column("sent_s", Number),
    Column("failed", Words),
    Index("notice_due", "sent_s", "due_s"),
)

# How far a chain's events were looked at for alerts.
alert_mark = Table(
    "alert_mark",
    metadata,
    _chain_column(),
    _needed("seq"),
)

# What is out of order at a door, so that a restart does not tell it again.
alert_fault = Table(
    "alert_fault",
    metadata,
    Column("door", Words, primary_key=True),
    Column("what", Words, primary_key=True),
    _needed("since_s"),
    _needed("last_s"),
    Column("good_s", Number),
    _needed("is_told", Boolean),
)
