"""`lobbylock issuer`: the keys that everything else is made with."""

from typing import Annotated

import typer

from lobbylock.names import check_person
from lobbylock.options import DEFAULT_HOME, HomeOption, open_home

app = typer.Typer(help="The issuer's keys.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    # Without it typer would fold a group of one command into its parent.
    pass


@app.command("new")
def new(
    name: Annotated[str, typer.Option("--name", help="Who issues the codes, for people.")] = "issuer",
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Make the code secret and the collector's key. Never overwrites them."""
    folder = open_home(home)
    folder.new_issuer(check_person(name))
    typer.echo(f"Made the keys of {name.strip()} in {folder.path}; whoever has that folder can open its doors.")
    typer.echo(f"Collector's public key: {folder.collector().public_key.hex()}")
