"""A whole store from one database to another, of the same kind or not, compared with the first one before it counts."""

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select, text

from lobbylock.audit import audit_store
from lobbylock.database import Database
from lobbylock.door import Door
from lobbylock.errors import StoreFailed, UserError
from lobbylock.files import make_folder
from lobbylock.store import Store
from lobbylock.tables import metadata

_ROWS = 1000


def copy_store(source: Database, target: Database, doors: dict[str, Door], collector_key: bytes) -> dict[str, int]:
    """Copies every row and picture of `source` into the empty store `target`. Returns how many rows of each table.

    The copy counts once as many rows are there and the audit of it, by the records of `doors`, says what it says of
    the source. Raises UserError if it does not, or if `target` holds something already: nothing is left in it then.
    """
    with source.connect() as reading, target.begin() as writing:
        _check_empty(target, writing)
        try:
            counts = {table.name: _copy_table(table, reading, writing) for table in metadata.sorted_tables}
        except StoreFailed as failure:
            raise UserError(f"The store was not copied. {failure} `lobbylock audit verify` says what is odd.") from None
        with _copied_pictures(Store(source, reading), target.pictures):
            found = [_findings(*each, doors, collector_key) for each in ((source, reading), (target, writing))]
            if found[0] != found[1]:
                raise UserError("The copy is not what the store is: its audit says something else. Nothing is copied.")
    return counts


def _check_empty(target: Database, connection: Connection) -> None:
    if any(connection.execute(select(1).select_from(table).limit(1)).first() for table in metadata.sorted_tables):
        raise UserError(f"There is something in the store at {target.address}; a copy needs an empty one.")


def _copy_table(table: Table, reading: Connection, writing: Connection) -> int:
    rows = reading.execute(select(table), execution_options={"yield_per": _ROWS})
    adding = insert(table)
    for part in rows.mappings().partitions():
        writing.execute(adding, [dict(row) for row in part])
    counts = [each.execute(select(func.count()).select_from(table)).scalar_one() for each in (reading, writing)]
    if counts[0] != counts[1]:
        raise UserError(f"Of {counts[0]} rows of {table.name}, {counts[1]} are in the copy. Nothing is copied.")
    if "id" in table.c and writing.dialect.name == "postgresql":
        # Its own count of ids has seen none of these.
        writing.execute(
            text(
                f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), coalesce(max(id), 0) + 1, false)"  # noqa: S608
                f" FROM {table.name}"
            )
        )
    return counts[1]


@contextlib.contextmanager
def _copied_pictures(store: Store, folder: Path) -> Iterator[None]:
    """Copies the files of pictures into `folder`; takes them away again if what is done with them fails."""
    made: list[Path] = []
    try:
        if folder.resolve() != store.pictures.resolve():
            for file, path in picture_files(store):
                copied = folder / file
                make_folder(copied.parent)
                made.append(copied)
                shutil.copy2(path, copied)
        yield
    except BaseException:
        for path in made:
            path.unlink(missing_ok=True)
        raise


def picture_files(store: Store) -> Iterator[tuple[str, Path]]:
    """Yields (name in the folder of pictures, path) of each picture's file that is there, and is no link or pipe."""
    for chain in store.chains():
        for row in store.picture_rows(chain).values():
            path = store.picture_path(row.file)
            if path is not None and _is_plain(path):
                yield str(row.file), path


def _is_plain(path: Path) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def _findings(database: Database, connection: Connection, doors: dict[str, Door], collector_key: bytes) -> Any:
    sums = audit_store(Store(database, connection), doors, collector_key)
    # Not the details: why a file cannot be read may differ where that it is missing does not.
    findings = [[(found.seq, found.what) for found in each.findings] for each in sums]
    return [(each.door, each.public_key, each.events, each.pictures) for each in sums], findings
