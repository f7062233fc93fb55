"""`lobbylock audit list`, `stories` and `receipts`: who came in, what became of it, and what they walked off with."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import cbor
import typer
from rich.table import Table
from rich.text import Text

from firmware.core import event
from lobbylock.audit import audit_store
from lobbylock.audit_command import OneDoorOption, UnverifiedOption, check_first, read_doors
from lobbylock.door import Door
from lobbylock.errors import UserError
from lobbylock.eventline import event_values, person_name, printable
from lobbylock.moment import format_local, local_day
from lobbylock.options import DEFAULT_HOME, HomeOption, JsonOption, PicturesOption, StoreOption, open_home, open_store
from lobbylock.readers import Reader, parse_reader
from lobbylock.receipt_audit import ReceiptAudit, audit_receipts
from lobbylock.receipt_command import read_receipt_file, receipt_values
from lobbylock.store import Chain, Store
from lobbylock.story import stories
from lobbylock.terminal import open_console

DayOption = Annotated[str | None, typer.Option("--day", metavar="YYYY-MM-DD", help="Only this local day.")]
ForOption = Annotated[
    str | None,
    typer.Option(
        "--for", metavar="ROLE[:NAME]", help="Only what they may read: resident:NAME, staff:NAME, manager ..."
    ),
]


def list_accesses(
    store: StoreOption = None,
    pictures: PicturesOption = None,
    door: OneDoorOption = None,
    day: DayOption = None,
    reader: ForOption = None,
    is_unverified: UnverifiedOption = False,
    is_json: JsonOption = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Show who came to the doors, and whether they came in, once the record is verified."""
    bounds = local_day(day) if day else None
    table = Table("time", "door", "#", "result", "how", "who", "picture")
    with _verified(home, store, pictures, door, is_unverified) as (opened, doors):
        view = _learned(reader, opened, doors, door)
        for chain, record, events in _histories(opened, doors, door):
            for found in view.select(record, events) if view else events:
                if found.kind != event.ACCESS or not _is_within(found, bounds):
                    continue
                if is_json:
                    typer.echo(json.dumps(event_values(record, found)))
                else:
                    table.add_row(*_cells(opened, chain, record, found))
    if not is_json:
        open_console().print(table)


def list_stories(
    store: StoreOption = None,
    pictures: PicturesOption = None,
    door: OneDoorOption = None,
    day: DayOption = None,
    reader: ForOption = None,
    is_unverified: UnverifiedOption = False,
    is_json: JsonOption = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Tell what became of everybody who came: granted, picture, opened after, open for, closed, receipt."""
    bounds = local_day(day) if day else None
    console = open_console()
    with _verified(home, store, pictures, door, is_unverified) as (opened, doors):
        view = _learned(reader, opened, doors, door)
        for _, record, events in _histories(opened, doors, door):
            for story in view.tell(record, events) if view else stories(record, events):
                if not _is_within(story.access, bounds):
                    continue
                if is_json:
                    typer.echo(json.dumps(story.values()))
                else:
                    console.print(story.text(), soft_wrap=True)


@contextmanager
def _verified(
    home: Path, store: str | None, pictures: Path | None, only: str | None, is_unverified: bool
) -> Iterator[tuple[Store, dict[str, Door]]]:
    """Yields the store as it is now and the doors' records, once the record has been looked at."""
    folder = open_home(home)
    doors = read_doors(folder, only)
    with open_store(folder, store, pictures, to_read=True) as opened:
        opened.snapshot()
        check_first(audit_store(opened, doors, folder.collector().public_key, only), is_unverified)
        yield opened, doors


def _learned(text: str | None, opened: Store, doors: dict[str, Door], only: str | None) -> Reader | None:
    """Returns the reader that `--for` names, who knows their own credentials from all that is there."""
    if text is None:
        return None
    reader = parse_reader(text)
    for _, record, events in _histories(opened, doors, only):
        reader.learn(record, events)
    return reader


def _histories(
    opened: Store, doors: dict[str, Door], only: str | None
) -> Iterator[tuple[Chain, Door, list[event.Event]]]:
    """Yields (chain, its door's record, its events) of each board, not by the store's columns, which are there for
    people's own queries. Raises UserError for what cannot be read."""
    for chain in opened.chains(only):
        record = doors.get(chain.door)
        events = []
        for row in opened.events(chain):
            try:
                events.append(event.decode(row.record))
            except (cbor.CborError, TypeError):
                raise UserError(f"{chain.door} #{row.seq} is damaged; `lobbylock audit verify` says how.") from None
        if record is None and events:
            raise UserError(f"{chain.door} is in the store but not among the doors of {opened.address}.")
        if record is not None:
            yield chain, record, events


def _is_within(found: event.Event, bounds: tuple[int, int] | None) -> bool:
    """Whether an event's time is from the first of `bounds` to before the second; without bounds it is."""
    return bounds is None or (found.time_s is not None and bounds[0] <= found.time_s < bounds[1])


def _cells(opened: Store, chain: Chain, door: Door, found: event.Event) -> list[str | Text]:
    details = event_values(door, found)["details"]
    when = f"boot {found.boot} +{found.uptime_ms} ms" if found.time_s is None else format_local(found.time_s)
    is_granted = found.details.get(event.REASON) == event.GRANTED
    result = Text(printable(str(details.get("reason", ""))), "green" if is_granted else "yellow")
    who = person_name(door, found)
    if who is None and event.SLOT in found.details:
        who = f"slot {details['slot']}"
    how = ", ".join(str(details[name]) for name in ("via", "role") if name in details)
    shown = Text(printable(how)), Text(printable(who or ""))
    return [when, chain.door, str(found.seq), result, *shown, _picture(opened, chain, found)]


def _picture(opened: Store, chain: Chain, found: event.Event) -> str | Text:
    number = found.details.get(event.PICTURE_NUMBER)
    if not isinstance(number, int):
        return ""
    announced = opened.announced(chain, number)
    return Text(str(announced[1])) if announced and announced[1] else f"{number}, not here yet"


def receipts(
    files: Annotated[list[Path] | None, typer.Argument(metavar="[FILE]...", help="Receipts of phones.")] = None,
    store: StoreOption = None,
    pictures: PicturesOption = None,
    door: OneDoorOption = None,
    is_all: Annotated[
        bool, typer.Option("--all", help="These are all receipts there are: name each that was given and is not here.")
    ] = False,
    is_unverified: UnverifiedOption = False,
    is_json: JsonOption = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Find the event of each receipt, once the record is verified, and name whatever stands alone.

    Exits with 1 if there is anything.
    """
    if door is not None:
        open_home(home).door(door)
    contents = [(str(file), read_receipt_file(file)) for file in files or []]
    # All doors, for a receipt may be of any.
    with _verified(home, store, pictures, None, is_unverified) as (opened, doors):
        found = audit_receipts(opened, doors, contents, door, is_all=is_all)
    if is_json:
        values = {
            "ok": not found.findings,
            "receipts": [{"file": file, **receipt_values(said)} for file, said in found.held],
            "findings": [each.values() for each in found.findings],
            "without_receipt": [each.values() for each in found.without],
        }
        typer.echo(json.dumps(values))
    else:
        _show(found, is_all)
    if found.findings:
        raise typer.Exit(1)


def _show(found: ReceiptAudit, is_all: bool) -> None:
    console = open_console()
    for finding in found.findings:
        console.print(Text(f"WRONG: {printable(str(finding), 400)}", "bold red"), soft_wrap=True)
    for file, said in found.held:
        text = f"{printable(file, 200)}: event #{said.seq} of {said.door}, as the record has it"
        console.print(Text(text, "green"), soft_wrap=True)
    if is_all:
        for each in found.without:
            console.print(Text(str(each), "yellow"), soft_wrap=True)
    elif found.without:
        text = f"{len(found.without)} entries by phone for which no receipt was given; --all names them"
        console.print(Text(text, "dim"), soft_wrap=True)
