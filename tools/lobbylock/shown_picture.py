"""The file of a picture that is to be shown, if it is what the lock recorded."""

from hashlib import sha256

from sqlalchemy import select

from lobbylock import tables
from lobbylock.database import Database
from lobbylock.picture import is_jpeg
from lobbylock.rowproof import PictureState
from lobbylock.store import Store, read_picture


def read_shown(database: Database, state: PictureState) -> bytes | None:
    """Returns the picture if its file is the announced one and a JPEG; no more of a file is read than one can have."""
    column = tables.picture.c
    wanted = select(column.file).where(column.chain == state.chain, column.seq == state.seq)
    with database.connect() as connection:
        path = Store(database, connection).picture_path(connection.execute(wanted).scalar())
    try:
        data = b"" if path is None else read_picture(path)
    except OSError:
        return None
    return data if sha256(data).digest() == state.sha256 and is_jpeg(data) else None
