"""`lobbylock issuer`: the keys that everything else is made with."""

import json
from typing import Annotated

import typer

from lobbylock.errors import UserError
from lobbylock.home import Home
from lobbylock.names import check_person
from lobbylock.options import DEFAULT_HOME, HomeOption, JsonOption, open_home
from lobbylock.settings import MAX_ISSUER_NAME_BYTES

app = typer.Typer(help="The issuer's keys.", no_args_is_help=True)


@app.command("new")
def new(
    name: Annotated[str, typer.Option("--name", help="Who issues the codes, for people.")] = "issuer",
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Make the code secret, the key that signs credentials and the collector's key. Never overwrites them."""
    folder = open_home(home)
    issuer = folder.new_issuer(_check_issuer(name))
    typer.echo(f"Made the keys of {name.strip()} in {folder.path}; whoever has that folder can open its doors.")
    typer.echo(f"Key of its credentials: {issuer.keys[-1].kid.hex()}")
    typer.echo(f"Collector's public key: {folder.collector().public_key.hex()}")


@app.command("keys")
def keys(is_json: JsonOption = False, home: HomeOption = DEFAULT_HOME) -> None:
    """Show the public keys that doors know; the last one signs."""
    known = open_home(home).issuer().keys
    if is_json:
        typer.echo(json.dumps([{"kid": key.kid.hex(), "public_key": key.public_key.hex()} for key in known]))
        return
    for key in known:
        typer.echo(f"{key.kid.hex()}  {key.public_key.hex()}" + ("  signs" if key is known[-1] else ""))


@app.command("rotate")
def rotate(home: HomeOption = DEFAULT_HOME) -> None:
    """Make a new key beside the old ones. Doors take both once they have new settings."""
    folder = open_home(home)
    issuer = folder.rotate_issuer()
    typer.echo(f"Key {issuer.keys[-1].kid.hex()} signs from now on.")
    _remind(folder)


@app.command("retire")
def retire(
    kid: Annotated[str, typer.Argument(metavar="KID", help="Which key, in hex.")], home: HomeOption = DEFAULT_HOME
) -> None:
    """Forget an old key: with their next settings, doors refuse what it signed."""
    folder = open_home(home)
    folder.retire_issuer(kid)
    typer.echo(f"Key {kid.lower()} is gone.")
    _remind(folder)


def _remind(folder: Home) -> None:
    for name in folder.door_names():
        typer.echo(f"New settings are due: lobbylock door settings {name} --out settings.json")


def _check_issuer(name: str) -> str:
    name = check_person(name)
    if len(name.encode()) > MAX_ISSUER_NAME_BYTES:
        raise UserError(f"An issuer's name is at most {MAX_ISSUER_NAME_BYTES} bytes: it stands in every credential.")
    return name
