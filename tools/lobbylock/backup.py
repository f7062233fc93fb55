"""A store as one file: a tar archive of `store.db`, a SQLite store whatever the source was, and `pictures/`."""

import os
import tarfile
import tempfile
from pathlib import Path

from lobbylock.copying import copy_store, picture_files
from lobbylock.database import Database
from lobbylock.door import Door
from lobbylock.errors import UserError
from lobbylock.files import check_writable, make_folder, write_private
from lobbylock.picture import MAX_PICTURE_BYTES

_STORE = "store.db"
_PICTURES = "pictures/"
_SLICE = 1 << 20


def write_backup(source: Database, path: Path, doors: dict[str, Door], collector_key: bytes) -> dict[str, int]:
    """Writes all of `source`, as it is at one moment, to `path`, which only its owner can read. Returns how many rows
    of each table. Raises what `copy_store` does."""
    check_writable(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as name:
            # The folder of pictures is the source's own: they are not copied twice.
            with Database.open(Path(name) / _STORE, source.pictures) as copy:
                counts = copy_store(source, copy, doors, collector_key)
                files = _files(copy)
            with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                with tarfile.open(fileobj=file, mode="w") as archive:
                    archive.add(Path(name) / _STORE, _STORE)
                    for relative, picture in files:
                        archive.add(picture, _PICTURES + relative, recursive=False)
                file.flush()
                os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return counts


def _files(database: Database) -> list[tuple[str, Path]]:
    with database.store() as store:
        return list(picture_files(store))


def read_backup(path: Path, target: Database, doors: dict[str, Door], collector_key: bytes) -> dict[str, int]:
    """Puts what `write_backup` wrote into the empty store `target`. Returns how many rows of each table.

    Raises UserError if the file is not a backup, or what `copy_store` does.
    """
    target.pictures.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.pictures.parent, prefix=".restore.") as name:
        folder = Path(name)
        try:
            with tarfile.open(path, mode="r:") as archive:
                _unpack(archive, folder)
        except tarfile.TarError:
            raise UserError(f"{path} is not a backup of a store, or only a part of one.") from None
        # One that an older version wrote is brought up to date here.
        with Database.open(folder / _STORE, folder / "pictures") as source:
            return copy_store(source, target, doors, collector_key)


def _unpack(archive: tarfile.TarFile, folder: Path) -> None:
    """Writes the archive's files into `folder`, each where a backup has it. Raises UserError for any other."""
    has_store = False
    for member in archive:
        file = archive.extractfile(member) if member.isreg() else None
        if file is None:
            raise UserError("The backup holds something that is no file.")
        if member.name == _STORE and not has_store:
            has_store = True
            with open(os.open(folder / _STORE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                while part := file.read(_SLICE):
                    out.write(part)
            continue
        parts = Path(member.name).parts
        is_inside = len(parts) == 4 and parts[0] == "pictures" and not set(parts) & {"..", "."}
        if not is_inside or member.size > MAX_PICTURE_BYTES or not member.name.startswith(_PICTURES):
            raise UserError(f"The backup holds something that is none of a store: {member.name[:80]!r}.")
        picture = folder.joinpath(*parts)
        make_folder(picture.parent)
        write_private(picture, file.read())
    if not has_store:
        raise UserError("There is no store in the backup.")
