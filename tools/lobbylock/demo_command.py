"""`lobbylock demo`: the real firmware at a virtual door."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lobbylock.errors import UserError
from lobbylock.terminal import open_console

_PORT = 8490


def demo(
    plays_once: Annotated[bool, typer.Option("--once", help="Play a whole delivery and exit 0 or 1.")] = False,
    is_in_terminal: Annotated[
        bool, typer.Option("--terminal", help="By keys in this terminal, without a page.")
    ] = False,
    has_browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = True,
    port: Annotated[int, typer.Option("--port", metavar="N", min=0, max=65_535, help="0 for a free one.")] = _PORT,
) -> None:
    """Open a virtual door, with the real firmware behind it, and the page beside it in the browser."""
    if plays_once and is_in_terminal:
        raise UserError("Either --once or --terminal.")
    with tempfile.TemporaryDirectory(prefix="lobbylock-demo-") as folder:
        if plays_once:
            from lobbylock.demo import once

            if not once.play(Path(folder), typer.echo):
                raise typer.Exit(1)
        elif is_in_terminal:
            from lobbylock.demo import live

            live.show(Path(folder), Console(highlight=False))
        else:
            from lobbylock.demo import browser

            browser.show(Path(folder), port, open_console(), opens_browser=has_browser)
