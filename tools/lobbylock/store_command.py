"""`lobbylock store`: what becomes of the collector's store apart from its being written."""

import time
from pathlib import Path
from typing import Annotated

import typer

from lobbylock.backup import read_backup, write_backup
from lobbylock.copying import copy_store
from lobbylock.door import Door
from lobbylock.errors import UserError
from lobbylock.home import Home
from lobbylock.options import (
    DEFAULT_HOME,
    HomeOption,
    KeepOption,
    PicturesOption,
    StoreOption,
    open_database,
    open_home,
)
from lobbylock.retention import parse_rules, prune
from lobbylock.visits import reindex

app = typer.Typer(help="The collector's store: its form, copies, backups, and how long pictures are kept.")


@app.command("migrate")
def migrate(store: StoreOption = None, pictures: PicturesOption = None, home: HomeOption = DEFAULT_HOME) -> None:
    """Bring a store of an older version up to this one. Keep a copy of the file: there is no way back."""
    with open_database(open_home(home), store, pictures, must_exist=True) as database:
        typer.echo(f"The store at {database.address} has the form of this version.", err=True)


@app.command("copy")
def copy(
    source: Annotated[str, typer.Argument(metavar="FROM", help="A SQLite file or postgresql://USER@HOST/DATABASE.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="The same; it must be empty.")],
    pictures: Annotated[
        Path | None, typer.Option("--pictures", metavar="FOLDER", help="The folder of pictures of FROM.")
    ] = None,
    to_pictures: Annotated[
        Path | None, typer.Option("--to-pictures", metavar="FOLDER", help="The folder of pictures of TO.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Copy a whole store to another database. Nothing counts until the copy's rows and audit are those of the source.

    What a running collector takes in meanwhile is not in it: stop it first.
    """
    folder = open_home(home)
    with (
        open_database(folder, source, pictures, to_read=True) as opened,
        open_database(folder, target, to_pictures) as other,
    ):
        counts = copy_store(opened, other, _doors(folder), folder.collector().public_key)
        typer.echo(f"Copied {_said(counts)} to {other.address}; its audit says what that of the source says.", err=True)


@app.command("backup")
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; overwritten once the new one is whole.")],
    store: StoreOption = None,
    pictures: PicturesOption = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Write the store with its pictures to one file, also while a collector runs."""
    folder = open_home(home)
    with open_database(folder, store, pictures, to_read=True) as database:
        counts = write_backup(database, file, _doors(folder), folder.collector().public_key, _tell)
    typer.echo(f"Wrote {_said(counts)} to {file}. The keys are not in it: they lie in {folder.path}.", err=True)


@app.command("restore")
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `store backup` wrote.")],
    store: StoreOption = None,
    pictures: PicturesOption = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Put a backup into an empty store, of either kind. Doors send again what they had not yet seen acknowledged."""
    folder = open_home(home)
    if not file.is_file():
        raise UserError(f"There is no backup at {file}.")
    with open_database(folder, store, pictures) as database:
        counts = read_backup(file, database, _doors(folder), folder.collector().public_key, _tell)
        typer.echo(f"Restored {_said(counts)} to {database.address}.", err=True)


@app.command("prune")
def prune_pictures(
    keep: KeepOption = None,
    store: StoreOption = None,
    pictures: PicturesOption = None,
    is_clock_right: Annotated[
        bool, typer.Option("--clock-is-right", help="Delete also where no lock has sent anything for 30 days.")
    ] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Delete the pictures that are older than they may be kept. The events stay, with the hash of each picture."""
    rules = parse_rules(keep or [])
    if not rules:
        raise UserError("Say how long pictures are kept: --keep-pictures 30d, or --keep-pictures BUILDING=30d.")
    folder = open_home(home)
    with open_database(folder, store, pictures, must_exist=True) as database:
        doors = _doors(folder)
        deleted = prune(database, doors, folder.collector(), rules, time.time(), is_clock_right=is_clock_right)
    for each in deleted:
        typer.echo(f"{each.door} #{each.seq}: {each.rule}")
    typer.echo(f"Deleted {len(deleted)} pictures.", err=True)


@app.command("reindex")
def make_index(store: StoreOption = None, pictures: PicturesOption = None, home: HomeOption = DEFAULT_HOME) -> None:
    """Make the index by which visits are found anew from the record."""
    folder = open_home(home)
    with open_database(folder, store, pictures, must_exist=True) as database, database.begin() as connection:
        count = reindex(connection, _doors(folder))
    typer.echo(f"The index has {count} visits.", err=True)


def _doors(folder: Home) -> dict[str, Door]:
    return {name: folder.door(name) for name in folder.door_names()}


def _tell(sentence: str) -> None:
    typer.echo(sentence, err=True)


def _said(counts: dict[str, int]) -> str:
    return f"{counts['event']} events of {counts['chain']} boards"
