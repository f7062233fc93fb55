"""`lobbylock demo`: the real firmware at a virtual door."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lobbylock.demo import live, once


def demo(
    plays_once: Annotated[bool, typer.Option("--once", help="Play a whole delivery and exit 0 or 1.")] = False,
) -> None:
    """Open a virtual door, with the real firmware behind it, a broker and a collector."""
    with tempfile.TemporaryDirectory(prefix="lobbylock-demo-") as folder:
        if not plays_once:
            live.show(Path(folder), Console(highlight=False))
        elif not once.play(Path(folder), typer.echo):
            raise typer.Exit(1)
