"""`lobbylock update`: another version for the board at a serial port."""

import json
from pathlib import Path
from typing import Annotated

import typer

from lobbylock.console.client import Client
from lobbylock.errors import UserError
from lobbylock.install_dialog import Dialog
from lobbylock.install_port import choose_port
from lobbylock.options import DEFAULT_HOME, HomeOption, JsonOption, open_home
from lobbylock.owner import find_owner, load_key
from lobbylock.release_command import PackageArgument, describe, known_keys, read_package
from lobbylock.terminal import open_console, open_error_console
from lobbylock.update import REVERTED, Update


def update(
    path: PackageArgument,
    port: Annotated[str | None, typer.Option(help="Serial port or pyserial URL; looked for without it.")] = None,
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="An installer's key instead of the owner's.")] = None,
    release: Annotated[
        str | None, typer.Option("--release-key", metavar="KEY", help="Whose releases; else the home's.")
    ] = None,
    is_json: JsonOption = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Put a new version on a board, beside the one it runs; it goes back by itself if that does not run well."""
    folder = open_home(home)
    package = read_package(path)
    keys = known_keys(folder, release)
    signer = load_key(key.expanduser()) if key else find_owner(folder)
    if signer is None:
        raise UserError(f"There is no owner's key at {folder.path}; name an installer's with --key.")
    # With --json there is the outcome alone on standard output.
    dialog = Dialog(open_error_console() if is_json else open_console())
    dialog.step(f"{path.name}: {describe(package)}")
    if not keys:
        dialog.warn("This home knows no release key: the board alone checks the signature.")
    with Client(choose_port(port, dialog), dialog.warn) as client:
        outcome = Update(client, signer, package, keys, dialog.say, dialog.progress).run()
        client.sign_out()
    if is_json:
        typer.echo(json.dumps({"state": outcome.state, "version": outcome.version}))
    dialog.say(outcome.say)
    if outcome.state == REVERTED:
        raise typer.Exit(1)
