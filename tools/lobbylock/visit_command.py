"""`lobbylock audit receipts`: whether what people walked off with and what the doors recorded are the same."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from lobbylock.audit import audit_store
from lobbylock.audit_command import OneDoorOption, UnverifiedOption, check_first, read_doors
from lobbylock.eventline import printable
from lobbylock.options import DEFAULT_HOME, HomeOption, JsonOption, StoreOption, open_home, store_path
from lobbylock.receipt_audit import ReceiptAudit, audit_receipts
from lobbylock.receipt_command import read_receipt_file, receipt_values
from lobbylock.store import Store
from lobbylock.terminal import open_console


def receipts(
    files: Annotated[list[Path] | None, typer.Argument(metavar="[FILE]...", help="Receipts of phones.")] = None,
    store: StoreOption = None,
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
    folder = open_home(home)
    doors = read_doors(folder, None)
    if door is not None:
        folder.door(door)
    contents = [(str(file), read_receipt_file(file)) for file in files or []]
    with Store.open_to_read(store_path(folder, store)) as opened:
        opened.snapshot()
        # All doors, for a receipt may be of any.
        check_first(audit_store(opened, doors, folder.collector().public_key), is_unverified)
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
