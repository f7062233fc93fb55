"""`lobbylock code`: a keypad code for one person at one door. Its digits are shown once and kept nowhere."""

import json
import time
from typing import Annotated

import typer
from rich.text import Text

from lobbylock.minting import USUAL_S, CodeWish, MadeCode, make_code
from lobbylock.moment import format_local, format_utc, parse_duration, parse_time
from lobbylock.options import DEFAULT_HOME, DoorArgument, HomeOption, JsonOption, open_home
from lobbylock.terminal import open_console
from lobbylock.window import DRIVER, ROLES


def code(
    name: DoorArgument,
    driver: Annotated[str, typer.Argument(metavar="PERSON", help="Who it is for.")],
    role: Annotated[str, typer.Option("--role", help=f"One of {', '.join(ROLES)}.")] = DRIVER,
    start: Annotated[str, typer.Option("--from", metavar="TIME", help="now, +2h, -1d, 14:30 or ISO 8601.")] = "now",
    duration: Annotated[
        str | None,
        typer.Option(
            "--for", metavar="DURATION", help="90m, 4h, 1d; 1h if not given, with --once or --role its window."
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="The code works once.")] = False,
    code_class: Annotated[int | None, typer.Option("--class", metavar="N", help="This class of window.")] = None,
    slot: Annotated[int | None, typer.Option("--slot", metavar="NN", help="This slot, for somebody new.")] = None,
    is_json: JsonOption = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Make a code. It is valid for a whole window: the shortest that covers the time asked for."""
    folder = open_home(home)
    now_s = int(time.time())
    from_s = parse_time(start, now_s)
    for_s = parse_duration(duration) if duration else None
    made = make_code(folder, CodeWish(name, driver, from_s, for_s, role, once, code_class, slot), now_s)
    if is_json:
        typer.echo(json.dumps(_values(made)))
    else:
        _show(made)
        left_s = made.window.until_s - max(from_s, made.window.from_s)
        if left_s < USUAL_S:
            open_console().print(Text(f"Its window ends {left_s // 60} minutes after that time.", "yellow"))


def _values(made: MadeCode) -> dict[str, object]:
    door, person, window = made.door, made.person, made.window
    return {
        "code": made.digits,
        "door": door.name,
        "driver": person.name,
        "role": person.role,
        "slot": person.slot,
        "class": window.code_class,
        "window": window.number,
        "from_s": window.from_s,
        "until_s": window.until_s,
        "from": format_utc(window.from_s),
        "until": format_utc(window.until_s),
        "single_use": window.is_single_use,
        "made_before": made.is_again,
    }


def _show(made: MadeCode) -> None:
    door, person, window = made.door, made.person, made.window
    console = open_console()
    console.print(Text(made.shown, "bold green"), Text(" then #"))
    uses = "once" if window.is_single_use else "any number of times"
    lines = [
        f"{door.name}, {person.name} ({person.role}, slot {person.slot:02d}), {uses}",
        f"from  {format_local(window.from_s)}   {format_utc(window.from_s)}",
        f"until {format_local(window.until_s)}   {format_utc(window.until_s)}",
    ]
    if made.is_again:
        lines.append("This is the single-use code of that window again: it works once in all.")
    for line in lines:
        console.print(Text(line), soft_wrap=True)
