"""A store as one file: a tar archive of `store.db`, a SQLite store whatever the source was, and `pictures/`."""

import io
import os
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import func, select

from lobbylock import tables
from lobbylock.copying import copy_store
from lobbylock.database import Database
from lobbylock.door import Door
from lobbylock.errors import UserError
from lobbylock.files import check_writable, make_folder, write_private
from lobbylock.picture import MAX_PICTURE_BYTES
from lobbylock.store import Store, read_picture

_STORE = "store.db"
_PICTURES = "pictures/"
_SLICE = 1 << 20


# How often a backup begins anew because pictures are being deleted by rule meanwhile.
_TRIES = 3

Tell = Callable[[str], None]


def write_backup(
    source: Database, path: Path, doors: dict[str, Door], collector_key: bytes, tell: Tell = lambda _: None
) -> dict[str, int]:
    """Writes all of `source`, as it is at one moment, to `path`, which only its owner can read. Returns how many rows
    of each table; `tell` is called with a sentence about each file that cannot be in it. Raises what `copy_store` does,
    and UserError if pictures are deleted all the while."""
    check_writable(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        for _ in range(_TRIES):
            noted = _count_deletions(source)
            try:
                counts, odd, is_whole = _write(source, path, partial, doors, collector_key)
            except UserError:
                if _count_deletions(source) == noted:
                    raise
                continue
            if is_whole:
                partial.replace(path)
                for sentence in odd:
                    tell(sentence)
                return counts
    finally:
        partial.unlink(missing_ok=True)
    raise UserError("Pictures were being deleted by rule all the while, so there is no backup: try it again.")


def _write(
    source: Database, path: Path, partial: Path, doors: dict[str, Door], collector_key: bytes
) -> tuple[dict[str, int], list[str], bool]:
    """Writes the archive to `partial`. Returns how many rows of each table, what is not in it, and whether all pictures
    are but those that were not there before."""
    missing: set[tuple[int, int]] = set()
    odd: list[str] = []
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as name:
        # The folder of pictures is the source's own: they are not copied twice.
        with Database.open(Path(name) / _STORE, source.pictures) as copy:
            counts = copy_store(source, copy, doors, collector_key)
        with (
            Database.open(Path(name) / _STORE, source.pictures, to_read=True) as copy,
            copy.store() as store,
            open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file,
        ):
            with tarfile.open(fileobj=file, mode="w") as archive:
                archive.add(Path(name) / _STORE, _STORE)
                for chain in store.chains():
                    known = store.deletions(chain)
                    for seq, row in store.picture_rows(chain).items():
                        if row.file is None:
                            continue
                        try:
                            _add(archive, store, row.file)
                        except FileNotFoundError:
                            missing |= {(chain.id, seq)} if seq not in known else set()
                        except (OSError, ValueError) as error:
                            odd.append(f"Not in the backup: picture {str(row.file)[:80]!r}: {_reason(error)}.")
            file.flush()
            os.fsync(file.fileno())
    return counts, odd, not missing or not missing & _deleted(source)


def _add(archive: tarfile.TarFile, store: Store, file: object) -> None:
    """Adds a picture. Raises OSError if it cannot be read, ValueError if it is none that can be restored."""
    path = store.picture_path(file)
    member = tarfile.TarInfo(f"{_PICTURES}{file}")
    if path is None or not _is_place(member.name):
        raise ValueError("it is not where pictures are")
    data = read_picture(path)
    if len(data) > MAX_PICTURE_BYTES:
        raise ValueError("it is longer than a picture can be")
    member.size, member.mode, member.mtime = len(data), 0o600, int(path.stat().st_mtime)
    archive.addfile(member, io.BytesIO(data))


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _is_place(name: str) -> bool:
    """Whether a member of that name is a picture of a door's: pictures/building/door/name."""
    parts = Path(name).parts
    return name.startswith(_PICTURES) and len(parts) == 4 and not set(parts) & {"..", "."}


def _count_deletions(source: Database) -> int:
    with source.connect() as connection:
        return connection.execute(select(func.count()).select_from(tables.deletion)).scalar_one()


def _deleted(source: Database) -> set[tuple[int, int]]:
    """Returns (chain, seq) of each picture that was noted as deleted."""
    with source.connect() as connection:
        rows = connection.execute(select(tables.deletion.c.chain, tables.deletion.c.seq))
        return {(chain, seq) for chain, seq in rows}


def read_backup(
    path: Path, target: Database, doors: dict[str, Door], collector_key: bytes, tell: Tell = lambda _: None
) -> dict[str, int]:
    """Puts what `write_backup` wrote into the empty store `target`. Returns how many rows of each table; `tell` is
    called with a sentence about each member that is no picture of a store, which is left out.

    Raises UserError if the file is not a backup, or what `copy_store` does.
    """
    target.pictures.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.pictures.parent, prefix=".restore.") as name:
        folder = Path(name)
        try:
            with tarfile.open(path, mode="r:") as archive:
                _unpack(archive, folder, tell)
        except tarfile.TarError:
            raise UserError(f"{path} is not a backup of a store, or only a part of one.") from None
        # One that an older version wrote is brought up to date here.
        with Database.open(folder / _STORE, folder / "pictures") as source:
            return copy_store(source, target, doors, collector_key)


def _unpack(archive: tarfile.TarFile, folder: Path, tell: Tell) -> None:
    """Writes the archive's files into `folder`, each where a backup has it; any other is told of and left out, for
    whoever edited the store must not make its backups useless. Raises UserError if there is no store."""
    has_store = False
    for member in archive:
        file = archive.extractfile(member) if member.isreg() else None
        if file is not None and member.name == _STORE and not has_store:
            has_store = True
            with open(os.open(folder / _STORE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                while part := file.read(_SLICE):
                    out.write(part)
            continue
        if file is None or not _is_place(member.name) or member.size > MAX_PICTURE_BYTES:
            tell(f"Left out: the backup holds something that is no picture of a store: {member.name[:80]!r}.")
            continue
        picture = folder.joinpath(member.name)
        make_folder(picture.parent)
        write_private(picture, file.read())
    if not has_store:
        raise UserError("There is no store in the backup.")
