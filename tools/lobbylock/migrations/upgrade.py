"""Runs the migrations on a connection."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def upgrade(connection: Connection) -> None:
    """Brings the tables up to the newest form, inside of the transaction that `connection` has begun."""
    command.upgrade(configure(connection), "head")


def configure(connection: Connection) -> Config:
    """Returns what Alembic needs to know."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = connection
    return config
