"""`lobbylock audit`: whether the record is whole, and who came in."""

import json
from typing import Annotated, Any

import cbor
import typer
from rich.table import Table
from rich.text import Text

from firmware.core import event
from lobbylock.audit import UNKNOWN_KEY, BrokenLink, ChainSum, audit_chain
from lobbylock.door import Door
from lobbylock.errors import UserError
from lobbylock.eventline import event_values, person_name, printable
from lobbylock.home import Home
from lobbylock.moment import format_local, local_day
from lobbylock.options import DEFAULT_HOME, HomeOption, JsonOption, StoreOption, open_home, store_path
from lobbylock.store import Chain, Store
from lobbylock.terminal import open_console

app = typer.Typer(help="Whether the record is whole, and who came in.", no_args_is_help=True)

OneDoorOption = Annotated[str | None, typer.Option("--door", metavar="BUILDING/DOOR", help="Only this door.")]


@app.command("verify")
def verify(
    store: StoreOption = None, door: OneDoorOption = None, is_json: JsonOption = False, home: HomeOption = DEFAULT_HOME
) -> None:
    """Recompute every chain, seal and picture. Exits with 1 at the first broken link."""
    folder = open_home(home)
    doors = _doors(folder, door)
    collector_key = folder.collector().public_key
    with Store.open_to_read(store_path(folder, store)) as opened:
        opened.snapshot()
        try:
            sums = [_audit(opened, chain, doors, collector_key) for chain in opened.chains(door)]
        except BrokenLink as broken:
            _show_broken(broken, is_json)
            raise typer.Exit(1) from None
    if is_json:
        typer.echo(json.dumps({"ok": True, "doors": [found.values() for found in sums]}))
    else:
        _show_sums(sums, doors)


@app.command("list")
def list_accesses(
    store: StoreOption = None,
    door: OneDoorOption = None,
    day: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="Only this local day.")] = None,
    is_json: JsonOption = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Show who came to the doors, and whether they came in."""
    folder = open_home(home)
    doors = _doors(folder, door)
    bounds = local_day(day) if day else None
    table = Table("time", "door", "#", "result", "who", "picture")
    with Store.open_to_read(store_path(folder, store)) as opened:
        opened.snapshot()
        for chain in opened.chains(door):
            record = doors.get(chain.door)
            for found in _accesses(opened, chain, bounds):
                if record is None:
                    raise UserError(f"{chain.door} is in the store but not among the doors of {folder.path}.")
                if is_json:
                    typer.echo(json.dumps(event_values(record, found)))
                else:
                    table.add_row(*_cells(opened, chain, record, found))
    if not is_json:
        open_console().print(table)


def _doors(folder: Home, only: str | None) -> dict[str, Door]:
    if only is not None:
        return {only: folder.door(only)}
    return {name: folder.door(name) for name in folder.door_names()}


def _audit(opened: Store, chain: Chain, doors: dict[str, Door], collector_key: bytes) -> ChainSum:
    door = doors.get(chain.door)
    if door is None or chain.public_key not in (door.public_key, *door.former_public_keys):
        raise BrokenLink(str(chain.door), 0, UNKNOWN_KEY, "no board with that key was ever enrolled there")
    return audit_chain(opened, chain, collector_key)


def _accesses(opened: Store, chain: Chain, bounds: tuple[int, int] | None):
    for seq, _, _, record, _ in opened.events(chain, event.ACCESS):
        try:
            found = event.decode(record)
        except (cbor.CborError, TypeError):
            raise UserError(f"{chain.door} #{seq} is damaged; `lobbylock audit verify` says how.") from None
        if bounds is None or (found.time_s is not None and bounds[0] <= found.time_s < bounds[1]):
            yield found


def _cells(opened: Store, chain: Chain, door: Door, found: event.Event) -> list[str | Text]:
    details = event_values(door, found)["details"]
    when = f"boot {found.boot} +{found.uptime_ms} ms" if found.time_s is None else format_local(found.time_s)
    is_granted = found.details.get(event.REASON) == event.GRANTED
    result = Text(printable(str(details.get("reason", ""))), "green" if is_granted else "yellow")
    who = person_name(door, found)
    if who is None and event.SLOT in found.details:
        who = f"slot {details['slot']}"
    return [when, chain.door, str(found.seq), result, Text(printable(who or "")), _picture(opened, chain, found)]


def _picture(opened: Store, chain: Chain, found: event.Event) -> str | Text:
    number = found.details.get(event.PICTURE_NUMBER)
    if not isinstance(number, int):
        return ""
    announced = opened.announced(chain, number)
    return Text(str(announced[1])) if announced and announced[1] else f"{number}, not here yet"


def _show_broken(broken: BrokenLink, is_json: bool) -> None:
    if is_json:
        typer.echo(json.dumps(broken.values()))
    else:
        open_console().print(Text(f"BROKEN: {printable(str(broken), 400)}", "bold red"), soft_wrap=True)


def _show_sums(sums: list[ChainSum], doors: dict[str, Door]) -> None:
    table = Table("door", "events", "seals", "pictures", "not here yet", "gaps")
    for found in sums:
        gaps = [
            f"{gap.first_seq} to {gap.last_seq} ({'reported by the lock' if found.is_reported(gap) else 'unexplained'})"
            for gap in found.gaps
        ]
        counts: list[Any] = [found.events, found.seals, found.pictures, len(found.pending_pictures)]
        table.add_row(found.door, *map(str, counts), "; ".join(gaps) or "none")
    for name in sorted(set(doors) - {found.door for found in sums}):
        table.add_row(name, "0", "0", "0", "0", "none")
    console = open_console()
    console.print(table)
    console.print(Text("Every chain is whole, every seal holds, every picture is the announced one.", "green"))
