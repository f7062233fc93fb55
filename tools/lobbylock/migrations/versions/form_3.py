"""What the page, the alerts and the retention of pictures keep, and the index by which visits are found.

Written out instead of taken from tables.py, which goes on to change.
"""

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Identity, Integer, UniqueConstraint, text

from lobbylock.tables import Blob, Words

revision = "0002"
down_revision = "0001"

Number = BigInteger().with_variant(Integer(), "sqlite")


def upgrade() -> None:
    op.create_index("event_kind", "event", ["kind", "chain", "seq"])
    _add_record()
    _add_people()
    _add_alerts()


def _add_record() -> None:
    op.create_table(
        "deletion",
        Column("chain", Number, ForeignKey("chain.id"), primary_key=True, autoincrement=False),
        Column("seq", Number, primary_key=True, autoincrement=False),
        Column("deleted_s", Number, nullable=False),
        Column("rule", Words, nullable=False),
        Column("signature", Blob, nullable=False),
    )
    op.create_table(
        "visit",
        Column("chain", Number, ForeignKey("chain.id"), primary_key=True, autoincrement=False),
        Column("seq", Number, primary_key=True, autoincrement=False),
        Column("first_seq", Number, nullable=False),
        Column("last_seq", Number, nullable=False),
        Column("time_s", Number),
        Column("shown_s", Number, nullable=False),
        Column("role", Words),
        Column("via", Words),
        Column("reason", Words),
        Column("person", Words),
        Column("kid", Blob),
        Column("credential_id", Blob),
        Column("parent_id", Blob),
        Column("outcome", Words, nullable=False),
        Column("is_over", Boolean, nullable=False),
        Column("picture", Number),
    )
    op.create_index("visit_chain", "visit", ["chain", "shown_s", "seq"])
    op.create_index("visit_open", "visit", ["chain", "is_over", "seq"])
    op.create_index("visit_outcome", "visit", ["chain", "outcome", "shown_s", "seq"])
    op.create_index("visit_person", "visit", ["person", "shown_s"])
    op.create_index("visit_chain_person", "visit", ["chain", "person", "shown_s", "seq"])
    op.create_index("visit_role", "visit", ["role", "shown_s"])
    op.create_index("visit_shown", "visit", ["shown_s", "chain", "seq"])
    pictured = text("picture IS NOT NULL")
    op.create_index(
        "visit_pictured", "visit", ["chain", "shown_s", "seq"], sqlite_where=pictured, postgresql_where=pictured
    )
    op.create_table(
        "status",
        Column("door", Words, primary_key=True),
        Column("received_s", Number, nullable=False),
        Column("online", Boolean, nullable=False),
        Column("online_s", Number),
        Column("content", Words, nullable=False),
    )


def _add_people() -> None:
    op.create_table(
        "account",
        Column("id", Number, Identity(), primary_key=True),
        Column("name", Words, nullable=False),
        Column("role", Words, nullable=False),
        Column("person", Words),
        Column("password_hash", Words, nullable=False),
        Column("created_s", Number, nullable=False),
        Column("changed_s", Number, nullable=False),
        Column("disabled_s", Number),
        UniqueConstraint("name"),
    )
    op.create_table(
        "account_building",
        Column("account", Number, ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
        Column("building", Words, primary_key=True),
    )
    op.create_table(
        "session",
        Column("token_sha256", Blob, primary_key=True),
        Column("account", Number, ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
        Column("csrf", Words, nullable=False),
        Column("created_s", Number, nullable=False),
        Column("used_s", Number, nullable=False),
        Column("expires_s", Number, nullable=False),
        Column("address", Words, nullable=False),
    )
    op.create_index("session_account", "session", ["account"])
    op.create_table(
        "attempt",
        Column("name", Words, primary_key=True),
        Column("failures", Number, nullable=False),
        Column("last_s", Number, nullable=False),
        Column("next_s", Number, nullable=False),
    )
    op.create_table(
        "action",
        Column("id", Number, Identity(), primary_key=True),
        Column("at_s", Number, nullable=False),
        Column("account", Words, nullable=False),
        Column("what", Words, nullable=False),
        Column("about", Words, nullable=False),
    )
    op.create_index("action_at", "action", ["at_s"])
    op.create_table(
        "alarm_seen",
        Column("chain", Number, ForeignKey("chain.id"), primary_key=True, autoincrement=False),
        Column("seq", Number, primary_key=True, autoincrement=False),
        Column("what", Words, primary_key=True),
        Column("account", Words, nullable=False),
        Column("seen_s", Number, nullable=False),
    )


def _add_alerts() -> None:
    op.create_table(
        "notice",
        Column("id", Number, Identity(), primary_key=True),
        Column("person", Words, nullable=False),
        Column("kind", Words, nullable=False),
        Column("about", Words, nullable=False),
        Column("at_s", Number, nullable=False),
        Column("due_s", Number, nullable=False),
        Column("text", Words, nullable=False),
        Column("digest", Boolean, nullable=False),
        Column("tries", Number, nullable=False),
        Column("sent_s", Number),
        Column("failed", Words),
    )
    op.create_index("notice_due", "notice", ["sent_s", "due_s"])
    op.create_table(
        "alert_mark",
        Column("chain", Number, ForeignKey("chain.id"), primary_key=True, autoincrement=False),
        Column("seq", Number, nullable=False),
    )
    op.create_table(
        "alert_fault",
        Column("door", Words, primary_key=True),
        Column("what", Words, primary_key=True),
        Column("since_s", Number, nullable=False),
        Column("last_s", Number, nullable=False),
        Column("good_s", Number),
        Column("is_told", Boolean, nullable=False),
    )
