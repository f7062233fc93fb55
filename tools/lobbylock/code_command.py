"""`lobbylock code`: a keypad code for one person at one door. Codes are shown once and kept nowhere."""

import json
import time
from typing import Annotated

import typer
from rich.text import Text

from firmware.core import keycode
from lobbylock.door import Door, Driver
from lobbylock.errors import UserError
from lobbylock.home import Home
from lobbylock.moment import format_local, format_utc, parse_duration, parse_time
from lobbylock.options import DEFAULT_HOME, DoorArgument, HomeOption, JsonOption, open_home
from lobbylock.terminal import open_console
from lobbylock.window import DRIVER, ROLES, Window, choose_window

_USUAL_S = 3_600


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
    if role not in ROLES:
        raise UserError(f"A role is one of {', '.join(ROLES)}.")
    folder = open_home(home)
    now_s = int(time.time())
    from_s = parse_time(start, now_s)
    # A class says how long by itself, and there is but one class of codes that work once.
    usual_s = _USUAL_S if code_class is None and not once and role == DRIVER else None
    for_s = parse_duration(duration) if duration else usual_s
    with folder.locked():
        door = folder.door(name)
        window = choose_window(from_s, for_s, door.options.day_start_s, code_class, once, role)
        person = door.list_driver(driver, now_s, slot, role)
        is_again = window.is_single_use and window.until_s == person.single_use_until_s
        person.valid_until_s = max(person.valid_until_s, window.until_s)
        if window.is_single_use:
            person.single_use_until_s = window.until_s
        # Before the code is shown: its slot must stay this driver's for as long as it is valid.
        folder.save_door(door)
    digits = mint(folder, door, person, window)
    if is_json:
        typer.echo(json.dumps(_values(door, person, window, digits, is_again)))
    else:
        _show(door, person, window, digits, is_again)
        left_s = window.until_s - max(from_s, window.from_s)
        if left_s < _USUAL_S:
            open_console().print(Text(f"Its window ends {left_s // 60} minutes after that time.", "yellow"))


def mint(folder: Home, door: Door, person: Driver, window: Window) -> str:
    """Returns the ten digits that open `door` for `person` during `window`."""
    return keycode.mint(folder.code_key(door), door.tag, window.code_class, person.slot, window.number)


def group_digits(digits: str) -> str:
    """Returns ten digits in groups that people read and type without slips.

    >>> group_digits("3407492808")
    '3407 492 808'
    """
    return f"{digits[:4]} {digits[4:7]} {digits[7:]}"


def _values(door: Door, person: Driver, window: Window, digits: str, is_again: bool) -> dict[str, object]:
    return {
        "code": digits,
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
        "made_before": is_again,
    }


def _show(door: Door, person: Driver, window: Window, digits: str, is_again: bool) -> None:
    console = open_console()
    console.print(Text(group_digits(digits), "bold green"), Text(" then #"))
    uses = "once" if window.is_single_use else "any number of times"
    lines = [
        f"{door.name}, {person.name} ({person.role}, slot {person.slot:02d}), {uses}",
        f"from  {format_local(window.from_s)}   {format_utc(window.from_s)}",
        f"until {format_local(window.until_s)}   {format_utc(window.until_s)}",
    ]
    if is_again:
        lines.append("This is the single-use code of that window again: it works once in all.")
    for line in lines:
        console.print(Text(line), soft_wrap=True)
