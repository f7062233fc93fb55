"""What Alembic runs around the migrations."""

from alembic import context

from lobbylock.backend import VERSION_TABLE
from lobbylock.tables import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table=VERSION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
