"""Somebody who changes a store with the database's own tools, behind the back of LobbyLock."""

import re
import sqlite3
from contextlib import closing
from typing import Any

import psycopg


def edit(address: str, *statements: str, values: tuple = ()) -> None:
    """Executes SQL as SQLite has it on the store at `address`; each statement must change a row."""
    with closing(_connect(address)) as connection:
        for statement in statements:
            changed = connection.execute(translate(address, statement), values).rowcount
            assert changed != 0, statement
        connection.commit()


def translate(address: str, statement: str) -> str:
    """Returns the statement in the words of the database at `address`."""
    if "://" not in address:
        return statement
    statement = re.sub(r"x'([0-9a-f]*)'", r"'\\x\1'::bytea", statement)
    statement = re.sub(r"zeroblob\((\d+)\)", r"decode(repeat('00', \1), 'hex')", statement)
    return statement.replace("?", "%s")


def _connect(address: str) -> Any:
    if "://" not in address:
        return sqlite3.connect(address)
    connection = psycopg.connect(address)
    # Whoever owns the server need not mind what refers to what.
    connection.execute("SET session_replication_role = replica")
    return connection
