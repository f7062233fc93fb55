"""Options that several commands share."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lobbylock.home import Home

if TYPE_CHECKING:
    from lobbylock.database import Database
    from lobbylock.store import Store

DEFAULT_HOME = Path("~/.lobbylock")

HomeOption = Annotated[
    Path, typer.Option("--home", envvar="LOBBYLOCK_HOME", metavar="DIR", help="The issuer's folder.", show_default=True)
]
StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        envvar="LOBBYLOCK_STORE",
        metavar="STORE",
        help="SQLite file, or postgresql://USER@HOST/DATABASE (default: DIR/collector.db)",
    ),
]
PicturesOption = Annotated[
    Path | None,
    typer.Option(
        "--pictures",
        envvar="LOBBYLOCK_PICTURES",
        metavar="FOLDER",
        help="Where the pictures lie (default: beside the SQLite file, or DIR/pictures)",
    ),
]
KeepOption = Annotated[
    list[str] | None,
    typer.Option(
        "--keep-pictures",
        metavar="TIME",
        help="How long pictures are kept: 30d, 12h, 2w, or BUILDING=7d; may be given several times.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON instead of text.")]
CredentialArgument = Annotated[
    str, typer.Argument(metavar="CREDENTIAL", help="A file, or hex, or base64url; - for standard input.")
]
DoorArgument = Annotated[str, typer.Argument(metavar="BUILDING/DOOR", help="For example maple-12/front.")]


def open_home(path: Path) -> Home:
    """Returns the issuer's folder; whether there is an issuer in it is seen when something is read."""
    return Home(path.expanduser())


def store_address(home: Home, store: str | None) -> str:
    """Returns where the collector's store is: a path, or a URL, which may hold a password."""
    return store or str(home.path / "collector.db")


def pictures_path(home: Home, store: str | None, pictures: Path | None) -> Path:
    """Returns the folder of the store's pictures."""
    from lobbylock.database import default_pictures

    return pictures.expanduser() if pictures else default_pictures(store_address(home, store), home.path / "pictures")


def open_database(
    home: Home,
    store: str | None = None,
    pictures: Path | None = None,
    *,
    to_read: bool = False,
    must_exist: bool = False,
) -> "Database":
    """Opens the collector's store; to write, makes the index of visits if an older version kept none.

    With `must_exist` an empty one is not made. Raises what `Database.open` does.
    """
    from lobbylock.database import Database
    from lobbylock.visits import reindex

    address = store_address(home, store)
    folder = pictures_path(home, store, pictures)
    database = Database.open(address, folder, to_read=to_read, must_exist=must_exist)
    try:
        with database.store() as opened:
            is_indexed = to_read or opened.is_indexed()
        if not is_indexed:
            with database.begin() as connection:
                reindex(connection, {name: home.door(name) for name in home.door_names()})
    except BaseException:
        database.close()
        raise
    return database


@contextlib.contextmanager
def open_store(
    home: Home, store: str | None = None, pictures: Path | None = None, *, to_read: bool = False
) -> "Iterator[Store]":
    """Yields the collector's store on a connection of its own."""
    with open_database(home, store, pictures, to_read=to_read) as database, database.store() as opened:
        yield opened
