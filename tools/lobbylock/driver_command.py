"""`lobbylock driver`: who has a slot at a door."""

import json
import time
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from lobbylock.minting import remove_person
from lobbylock.moment import format_local
from lobbylock.options import DEFAULT_HOME, DoorArgument, HomeOption, JsonOption, open_home
from lobbylock.terminal import open_console

app = typer.Typer(help="Who has a slot at a door.", no_args_is_help=True)


@app.command("list")
def list_drivers(name: DoorArgument, is_json: JsonOption = False, home: HomeOption = DEFAULT_HOME) -> None:
    """Show the drivers of a door and when their last code ends."""
    drivers = sorted(open_home(home).door(name).drivers, key=lambda driver: (driver.slot, driver.since_s))
    if is_json:
        values = [
            {
                "driver": driver.name,
                "role": driver.role,
                "slot": driver.slot,
                "since_s": driver.since_s,
                "valid_until_s": driver.valid_until_s or None,
                "removed_s": driver.removed_s,
            }
            for driver in drivers
        ]
        typer.echo(json.dumps(values))
        return
    table = Table("slot", "name", "role", "since", "last code ends", "removed")
    for driver in drivers:
        times = (driver.since_s, driver.valid_until_s, driver.removed_s)
        shown = [format_local(time_s) if time_s else "" for time_s in times]
        table.add_row(f"{driver.slot:02d}", Text(driver.name), Text(driver.role), *shown)
    open_console().print(table)


@app.command("remove")
def remove(
    name: DoorArgument,
    driver: Annotated[str, typer.Argument(metavar="DRIVER")],
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Take a driver off a door's list. The slot is free again when the driver's last code has ended."""
    now_s = int(time.time())
    person = remove_person(open_home(home), name, driver, now_s)
    if person.valid_until_s > now_s:
        typer.echo(
            f"Removed; codes made before go on working until {format_local(person.valid_until_s)}. "
            f'`lobbylock revoke --code {name} "{person.name}"` ends them at once.'
        )
    else:
        typer.echo("Removed; no code of this driver is valid any more.")
