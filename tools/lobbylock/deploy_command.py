"""`lobbylock deploy`: the developer's way from the working tree to a board."""

from typing import Annotated

import typer
from serial.tools import list_ports

from lobbylock.deploy import deploy as bring
from lobbylock.errors import UserError


def deploy(
    port: Annotated[str | None, typer.Option(help="The board's serial port, or a URL of pyserial's.")] = None,
    board: Annotated[str | None, typer.Option(help="Name of a board, or path of a pin map.")] = None,
) -> None:
    """Put the working tree on an unclaimed board: changed files only, compiled for its chip."""
    if not port:
        found = [entry.device for entry in list_ports.comports() if entry.vid is not None]
        raise UserError(f"Name the serial port, PORT=...: {', '.join(found) or 'no board is to be seen'}.")
    bring(port, board or None, typer.echo)
