"""`lobbylock audit`: whether the record is whole, and who came in."""

import contextlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from lobbylock.audit import audit_store
from lobbylock.comparison import compare
from lobbylock.door import Door
from lobbylock.errors import UserError
from lobbylock.eventline import printable
from lobbylock.export import ExportedStore, is_export, read_export, write_export
from lobbylock.finding import BESIDES, ChainSum, Finding
from lobbylock.home import Home
from lobbylock.moment import format_local
from lobbylock.options import (
    DEFAULT_HOME,
    HomeOption,
    JsonOption,
    PicturesOption,
    StoreOption,
    open_home,
    open_store,
    pictures_path,
    store_address,
)
from lobbylock.store import Store
from lobbylock.terminal import open_console

app = typer.Typer(help="Whether the record is whole, and who came in.", no_args_is_help=True)

# More than that would push the rest off the screen.
_SHOWN_SILENCES = 10

OneDoorOption = Annotated[str | None, typer.Option("--door", metavar="BUILDING/DOOR", help="Only this door.")]
UnverifiedOption = Annotated[
    bool, typer.Option("--unverified", help="Show what is there even though it is not what the doors recorded.")
]


@app.command("verify")
def verify(
    context: typer.Context,
    records: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILE]...", help="An export or a store; two are compared. (default: the store)"),
    ] = None,
    store: StoreOption = None,
    pictures: PicturesOption = None,
    door: OneDoorOption = None,
    is_json: JsonOption = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Recompute every chain, tag, seal and picture, and name what is not as the doors recorded it. Exits with 1 if
    there is anything."""
    folder = open_home(home)
    # The environment names the store for when no file is given.
    source = context.get_parameter_source("store")
    is_store_given = source is not None and source.name == "COMMANDLINE"
    if records and (is_store_given or len(records) > 2):
        raise UserError("Give one file, two to compare, or --store.")
    doors = read_doors(folder, door)
    collector_key = folder.collector().public_key
    addresses = records or [store_address(folder, store)]
    with contextlib.ExitStack() as closing:
        judged = []
        for address in addresses:
            beside = pictures_path(folder, address, pictures)
            judged.append(_judge(closing, address, beside, doors, collector_key, door))
        findings = [finding for each in judged for finding in each.findings]
        if len(judged) == 2:
            findings += _compare(judged)
    if is_json:
        _show_json(judged, findings)
    else:
        _show(judged, findings)
    if findings:
        raise typer.Exit(1)


@dataclass
class _Judged:
    """A store or an export; `made_s` is the time that it stands for, `sums` what was found in it."""

    name: str
    store: Store
    made_s: float
    sums: list[ChainSum]
    findings: list[Finding]


def _judge(
    closing: contextlib.ExitStack,
    address: str,
    pictures: Path,
    doors: dict[str, Door],
    collector_key: bytes,
    only: str | None,
) -> _Judged:
    found: list[Finding] = []
    made_s = time.time()
    path = Path(address).expanduser()
    if path.is_file() and is_export(path):
        opened, found = read_export(path, collector_key)
        made_s = opened.made_s
    else:
        opened = Store.open_to_read(address, pictures)
    closing.enter_context(opened)
    opened.snapshot()
    sums = audit_store(opened, doors, collector_key, only)
    if opened.only_door is not None:
        # From the other doors nothing is expected in it.
        sums = [each for each in sums if each.events or each.door == opened.only_door]
    return _Judged(
        opened.address, opened, made_s, sums, [*found, *(finding for each in sums for finding in each.findings)]
    )


def _compare(judged: list[_Judged]) -> list[Finding]:
    if any(each.findings and _is_broken(each.findings) for each in judged):
        # What is broken in itself has nothing to say about another.
        return []
    earlier, later = sorted(judged, key=lambda each: each.made_s)
    stores = sum(not isinstance(each.store, ExportedStore) for each in judged)
    is_ordered = stores < 2 and earlier.made_s < later.made_s
    return compare(earlier.store, later.store, is_ordered=is_ordered)


def _is_broken(findings: list[Finding]) -> bool:
    """Whether the events that are there cannot be taken for the doors' own."""
    return any(finding.what not in BESIDES for finding in findings)


@app.command("export")
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to.")],
    store: StoreOption = None,
    pictures: PicturesOption = None,
    door: OneDoorOption = None,
    with_keys: Annotated[
        bool, typer.Option("--with-keys", help="With the doors' journal keys, which are secret.")
    ] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Write the record to one signed file that other programs read: docs/protocol.md, section 12."""
    folder = open_home(home)
    doors = read_doors(folder, door)
    signer = folder.collector()
    with open_store(folder, store, pictures, to_read=True) as opened:
        opened.snapshot()
        count = write_export(opened, file, doors, signer, int(time.time()), only=door, with_keys=with_keys)
    typer.echo(f"Wrote {count} events to {file}.", err=True)
    if with_keys:
        typer.echo("It holds journal keys: whoever has them can make tags. Give it to nobody but an auditor.", err=True)


def check_first(sums: list[ChainSum], is_unverified: bool) -> None:
    """Names what was found. A filter must not hide what an editor of the store took out of it or moved, so nothing is
    shown of a record that is not the doors' own, unless somebody wants to see it all the same."""
    findings = [finding for each in sums for finding in each.findings]
    for finding in findings:
        typer.echo(f"lobbylock: {printable(str(finding), 400)}.", err=True)
    if _is_broken(findings) and not is_unverified:
        typer.echo("lobbylock: nothing is shown; --unverified shows what is there.", err=True)
        raise typer.Exit(1)


def read_doors(folder: Home, only: str | None) -> dict[str, Door]:
    """Returns the record of every door by name. Raises UserError if `only` is none of them."""
    if only is not None:
        folder.door(only)
    return {name: folder.door(name) for name in folder.door_names()}


def _show_json(judged: list[_Judged], findings: list[Finding]) -> None:
    doors = []
    for each in judged:
        source = {"file": each.name} if len(judged) > 1 else {}
        doors += [{**source, **found.values(time.time())} for found in each.sums]
    values: dict[str, Any] = {"ok": not findings, "doors": doors}
    if findings:
        # The first one stands by itself as well, for scripts that look no further.
        values = {"ok": False, **findings[0].values(), "findings": [each.values() for each in findings], "doors": doors}
    typer.echo(json.dumps(values))


def _show(judged: list[_Judged], findings: list[Finding]) -> None:
    console = open_console()
    for finding in findings:
        console.print(Text(f"BROKEN: {printable(str(finding), 400)}", "bold red"), soft_wrap=True)
    for each in judged:
        if len(judged) > 1:
            console.print(Text(each.name))
        _show_sums(each.sums, time.time())
    if not findings:
        text = "Every chain is whole, every tag and seal holds, every picture is the announced one."
        console.print(Text(text, "green"))


def _show_sums(sums: list[ChainSum], now_s: float) -> None:
    console = open_console()
    table = Table("door", "events", "seals", "pictures", "not here yet", "gaps", "last event")
    for found in sums:
        gaps = [
            f"{gap.first_seq} to {gap.last_seq} ({'reported by the lock' if found.is_reported(gap) else 'unexplained'})"
            for gap in found.gaps
        ]
        counts: list[Any] = [found.events, found.seals, found.pictures, len(found.pending_pictures)]
        style = "yellow" if found.is_silent(now_s) else ""
        table.add_row(found.door, *map(str, counts), "; ".join(gaps) or "none", Text(_last(found, now_s), style))
    console.print(table)
    for found in sums:
        for line in _notes(found):
            console.print(Text(f"{found.door}: {line}", "yellow"), soft_wrap=True)


def _last(found: ChainSum, now_s: float) -> str:
    if found.last_time_s is None:
        return "none with a time" if found.events else "nothing ever came"
    hours = (now_s - found.last_time_s) / 3_600
    return f"{format_local(found.last_time_s)}, {hours:.1f} h ago"


def _notes(found: ChainSum) -> list[str]:
    notes = []
    if found.unchecked:
        notes.append(f"{found.unchecked} events are from before its journal key was enrolled; their tags say nothing")
    for silence in found.silences[-_SHOWN_SILENCES:]:
        times = f"{format_local(silence.from_s)} to {format_local(silence.until_s)}"
        notes.append(f"silent from {times}, before #{silence.seq}: without power, or events are missing")
    if len(found.silences) > _SHOWN_SILENCES:
        notes.append(f"{len(found.silences) - _SHOWN_SILENCES} earlier silences; --json has them all")
    return notes
