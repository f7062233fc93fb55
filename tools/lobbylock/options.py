"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from lobbylock.home import Home

DEFAULT_HOME = Path("~/.lobbylock")

HomeOption = Annotated[
    Path, typer.Option("--home", envvar="LOBBYLOCK_HOME", metavar="DIR", help="The issuer's folder.", show_default=True)
]
StoreOption = Annotated[
    Path | None,
    typer.Option("--store", envvar="LOBBYLOCK_STORE", metavar="PATH", help="SQLite file [default: DIR/collector.db]"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON instead of text.")]
CredentialArgument = Annotated[
    str, typer.Argument(metavar="CREDENTIAL", help="A file, or hex, or base64url; - for standard input.")
]
DoorArgument = Annotated[str, typer.Argument(metavar="BUILDING/DOOR", help="For example maple-12/front.")]


def open_home(path: Path) -> Home:
    """Returns the issuer's folder; whether there is an issuer in it is seen when something is read."""
    return Home(path.expanduser())


def store_path(home: Home, store: Path | None) -> Path:
    """Returns where the collector's store is."""
    return store.expanduser() if store else home.path / "collector.db"
