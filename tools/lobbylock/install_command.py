"""`lobbylock install`: makes the board at a serial port one building's door."""

import json
from pathlib import Path
from time import time as now_s
from typing import Annotated

import typer

from lobbylock.building_file import TEMPLATE, BuildingFile
from lobbylock.console.client import Client
from lobbylock.errors import UserError
from lobbylock.install import Installation, Outcome, Wishes
from lobbylock.install_dialog import Dialog
from lobbylock.install_port import choose_port
from lobbylock.options import DEFAULT_HOME, HomeOption, JsonOption, open_home
from lobbylock.owner import load_key
from lobbylock.terminal import open_console, open_error_console


def install(
    building: Annotated[Path | None, typer.Argument(metavar="building.toml", help="The building's file.")] = None,
    port: Annotated[str | None, typer.Option(help="Serial port or pyserial URL; looked for without it.")] = None,
    door: Annotated[str | None, typer.Option(help="Which door of the file, if it has several.")] = None,
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="An installer's key instead of the owner's.")] = None,
    unattended: Annotated[bool, typer.Option("--unattended", help="Ask nothing: the board alone judges.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="The door gets another board.")] = False,
    test: Annotated[bool, typer.Option("--test", help="Test the parts again although they passed.")] = False,
    wait: Annotated[float, typer.Option(metavar="SECONDS", help="How long to wait for the collector.")] = 60.0,
    sheet: Annotated[Path | None, typer.Option(metavar="DIR", help="Where the hand-over sheet goes.")] = None,
    template: Annotated[bool, typer.Option("--template", help="Write a building.toml to begin with.")] = False,
    is_json: JsonOption = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Make a board a building's door: claim, settings, clock, self-test, hand-over sheet. Safe to run again."""
    if template:
        typer.echo(TEMPLATE, nl=False)
        return
    if building is None:
        raise UserError("Name the building's file; `lobbylock install --template > building.toml` begins one.")
    folder = open_home(home)
    file = BuildingFile(building)
    name = file.find(door)
    known = name in folder.door_names()
    plan = file.plan(name, folder.door(name).options.revoked if known else [])
    signer = load_key(key.expanduser()) if key else None
    # With --json there is the outcome alone on standard output.
    dialog = Dialog(open_error_console() if is_json else open_console(), is_unattended=unattended)
    wishes = Wishes(replace, test, wait * 1000, signer, sheet.expanduser() if sheet else None, now_s)
    with Client(choose_port(port, dialog), dialog.warn) as client:
        outcome = Installation(client, folder, plan, dialog, wishes).run()
    if is_json:
        typer.echo(json.dumps(_values(outcome)))
    if not outcome.is_good:
        raise typer.Exit(1)


def _values(outcome: Outcome) -> dict[str, object]:
    return {
        "door": outcome.door,
        "public_key": outcome.public_key.hex(),
        "changed": outcome.changed,
        "tests": {result.part: result.outcome for result in outcome.results},
        "notes": outcome.notes,
        "sheet": str(outcome.sheet),
    }
