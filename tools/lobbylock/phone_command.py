"""`lobbylock phone`: a reference phone's key and wallet."""

import json
from pathlib import Path
from typing import Annotated

import typer

from lobbylock import phone
from lobbylock.credential_file import read_credential
from lobbylock.door import parse_public_key
from lobbylock.errors import UserError
from lobbylock.files import check_writable
from lobbylock.names import split_door
from lobbylock.options import DEFAULT_HOME, HomeOption, JsonOption, open_home
from lobbylock.wallet import Wallet, check_size

app = typer.Typer(help="A reference phone: its key, and its visits over Bluetooth.", no_args_is_help=True)

KeyArgument = Annotated[Path, typer.Argument(metavar="KEY.pem", help="The phone's private key.")]
WalletArgument = Annotated[Path, typer.Argument(metavar="WALLET.json", help="What the phone keeps.")]


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


@app.command("wallet")
def wallet(
    path: WalletArgument,
    credential: Annotated[
        str, typer.Option("--credential", metavar="FILE|HEX", help="The credential, or the chain of two.")
    ],
    key: Annotated[Path, typer.Option("--key", metavar="KEY.pem", help="The private key that it names.")],
    door: Annotated[
        list[str],
        typer.Option("--door", metavar="NAME[=HEX]", help="A door and its public key (default: the issuer's folder's)"),
    ],
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Put together what a phone needs at its doors, for `phone present`."""
    check_writable(path, credential, key)
    data = check_size(read_credential(credential))
    private_key = phone.load_key(key)
    held = Wallet(data, key.resolve(), dict(_door_and_key(text, home) for text in door))
    held.check(private_key)
    held.save(path)
    typer.echo(f"Wrote {path}: {len(held.doors)} door{'s' * (len(held.doors) != 1)}.", err=True)


def _door_and_key(text: str, home: Path) -> tuple[str, bytes]:
    name, has_key, key = text.partition("=")
    split_door(name)
    if has_key:
        return name, parse_public_key(key)
    public_key = open_home(home).door(name).public_key
    if public_key is None:
        raise UserError(f"No board is enrolled for {name} yet, so its public key is not known.")
    return name, public_key
