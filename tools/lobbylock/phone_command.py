"""`lobbylock phone`: keys of reference phones."""

import json
from pathlib import Path
from typing import Annotated

import typer

from lobbylock import phone
from lobbylock.options import JsonOption

app = typer.Typer(help="Keys of reference phones.", no_args_is_help=True)

KeyArgument = Annotated[Path, typer.Argument(metavar="KEY.pem", help="The phone's private key.")]


@app.command("new")
def new(path: KeyArgument, is_json: JsonOption = False) -> None:
    """Make a phone's key and show its public half, which its credentials name."""
    key = phone.new_key()
    phone.save_key(path, key)
    _tell(phone.holder(key), is_json)


@app.command("show")
def show(path: KeyArgument, is_json: JsonOption = False) -> None:
    """Show the public half of a phone's key."""
    _tell(phone.holder(phone.load_key(path)), is_json)


def _tell(holder: bytes, is_json: bool) -> None:
    typer.echo(json.dumps({"holder": holder.hex()}) if is_json else holder.hex())
