"""`lobbylock owner`: whose the boards are, and who else may set them up."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from lobbylock.console.client import Client
from lobbylock.console.line import SerialPort
from lobbylock.door import parse_public_key
from lobbylock.errors import UserError
from lobbylock.files import read_json
from lobbylock.handover import key_id
from lobbylock.options import DEFAULT_HOME, DoorArgument, HomeOption, JsonOption, open_home
from lobbylock.owner import find_owner, make_owner, new_key, owner_path

app = typer.Typer(help="The key that boards obey, and installers' keys.", no_args_is_help=True)
installers = typer.Typer(help="Who else may set up a board.", no_args_is_help=True)
app.add_typer(installers, name="installers")

MAX_INSTALLERS = 4
_RESET_MS = 30_000
PortOption = Annotated[str, typer.Option("--port", help="The board's serial port or pyserial URL.")]
KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="Public key, 64 hex digits, or an installer's file.")]


@app.command("key")
def key(is_json: JsonOption = False, home: HomeOption = DEFAULT_HOME) -> None:
    """Show the owner's public key; make it if there is none yet."""
    folder = open_home(home)
    is_new = find_owner(folder) is None
    signer = make_owner(folder)
    if is_json:
        typer.echo(json.dumps({"public_key": signer.public_key.hex(), "kid": key_id(signer.public_key)}))
        return
    if is_new:
        typer.echo(f"Made the owner's key in {owner_path(folder)}: without it no board that it claims is opened again.")
    typer.echo(f"{signer.public_key.hex()}  id {key_id(signer.public_key)}")


@app.command("reset")
def reset(name: DoorArgument, port: PortOption, home: HomeOption = DEFAULT_HOME) -> None:
    """Destroy a board's keys, record, pictures and settings; it is unclaimed afterwards."""
    with _session(port, home) as client:
        found = client.hello().text("door")
        if found != name:
            raise UserError(f"The board is {found}, not {name}; nothing was destroyed.")
        # Its uplink gets a moment to bring the last events away.
        client.ask("reset", door=name, timeout_ms=_RESET_MS)
    typer.echo(f"{name} records it, sends what it can, and destroys what it holds; it comes back unclaimed.")


@installers.command("key")
def installer_key(path: Annotated[Path, typer.Argument(metavar="FILE", help="Where the secret key goes.")]) -> None:
    """Make a key for an installer; he keeps the file, the owner lets its public key in."""
    signer = new_key(path.expanduser())
    typer.echo(f"Made {path}, which is secret. Its public key: {signer.public_key.hex()}")


@installers.command("list")
def list_installers(port: PortOption, home: HomeOption = DEFAULT_HOME) -> None:
    """Show the ids of the installers' keys that a board knows."""
    with _session(port, home) as client:
        known = _known(client)
    typer.echo("\n".join(known) if known else "No installer's key.")


@installers.command("add")
def add(key: KeyArgument, port: PortOption, home: HomeOption = DEFAULT_HOME) -> None:
    """Let an installer's key in: it may do everything but change owner, installers and releases, or reset."""
    public_key = _public_key(key)
    with _session(port, home) as client:
        known = _known(client)
        if key_id(public_key) in known:
            typer.echo("The board knows that key already; nothing to change.")
            return
        if len(known) >= MAX_INSTALLERS:
            raise UserError(f"The board knows {MAX_INSTALLERS} installers already; remove one first.")
        client.ask("installers", set=len(known), key=public_key.hex())
    typer.echo(f"Installer {key_id(public_key)} may set up this board.")


@installers.command("remove")
def remove(key: KeyArgument, port: PortOption, home: HomeOption = DEFAULT_HOME) -> None:
    """Take an installer's right away, by his public key, its id or his file."""
    wanted = key.lower() if len(key) == 16 else key_id(_public_key(key))
    with _session(port, home) as client:
        known = _known(client)
        if wanted not in known:
            raise UserError(
                f"The board knows no installer {wanted[:16]}; `lobbylock owner installers list` shows them."
            )
        client.ask("installers", set=known.index(wanted), key="")
    typer.echo(f"Installer {wanted} is out.")


@contextlib.contextmanager
def _session(port: str, home: Path) -> Iterator[Client]:
    """Yields a client with the owner's session on the board."""
    folder = open_home(home)
    signer = find_owner(folder)
    if signer is None:
        raise UserError(f"There is no owner's key at {folder.path}; `lobbylock owner key` makes one.")
    with Client(SerialPort(port), lambda text: typer.echo(text, err=True)) as client:
        hello = client.hello()
        client.sign_in(signer, parse_public_key(hello.text("public_key")))
        yield client
        client.sign_out()


def _known(client: Client) -> list[str]:
    """Returns the ids of the installers' keys, by place."""
    keys = client.ask("installers").fields.get("ids")
    if not isinstance(keys, list) or not all(isinstance(each, str) for each in keys):
        raise UserError("The board's reply has no list of installers.")
    return keys


def _public_key(text: str) -> bytes:
    path = Path(text).expanduser()
    if len(text) != 64 and path.is_file():
        text = str(read_json(path, "installer's key").get("public_key"))
    return parse_public_key(text)
