"""`lobbylock boards`: which boards there are, and what goes to which pin."""

import json
from typing import Annotated

import typer
from rich.table import Table

from lobbylock import board_pages
from lobbylock.boards import Board, load, names
from lobbylock.errors import UserError
from lobbylock.options import JsonOption
from lobbylock.terminal import open_console
from lobbylock.wires import LOCK_DRAWINGS, LOCK_SENTENCES, Wire


def boards(
    name: Annotated[str | None, typer.Argument(metavar="[BOARD]", help="A board's name, or its .toml file.")] = None,
    lock: Annotated[str, typer.Option(help="strike or maglock (default: the board's own)", show_default=False)] = "",
    keypad: Annotated[str, typer.Option(help="matrix or wiegand (default: all)", show_default=False)] = "",
    nfc: Annotated[str, typer.Option(help="uart, spi or off (default: all)", show_default=False)] = "",
    write: Annotated[
        bool, typer.Option("--write", help="Renew README, docs/hardware.md, firmware/board/pins.py and boot.py.")
    ] = False,
    is_json: JsonOption = False,
) -> None:
    """List the boards, or draw the wiring of one."""
    if write:
        if name or lock or keypad or nfc or is_json:
            raise UserError("--write stands alone: it renews the files of all boards.")
        for path in board_pages.renew() or ["Nothing was to be renewed."]:
            typer.echo(path)
    elif name is None:
        if lock or keypad or nfc:
            raise UserError(f"Name the board whose wiring is to be drawn: one of {', '.join(names())}.")
        _list([load(known) for known in names()], is_json)
    else:
        board = load(name)
        wires = board.wiring(lock, keypad, nfc)
        if is_json:
            typer.echo(
                json.dumps(_value(board) | {"lock": lock or board.lock, "wiring": [_row(wire) for wire in wires]})
            )
        else:
            _draw(board, lock or board.lock, wires)


def _value(board: Board) -> dict[str, object]:
    """Returns what is known of a board but for its wiring."""
    return {
        "board": board.name,
        "title": board.title,
        "chip": board.chip,
        "module": board.module,
        "lock": board.lock,
        "strike": {"gpio": board.strike, "releases": "high" if board.strike_on else "low"},
        "offers": board.offers,
        "notes": board.notes,
    }


def _row(wire: Wire) -> dict[str, object]:
    return wire._asdict()


def _list(found: list[Board], is_json: bool) -> None:
    if is_json:
        typer.echo(json.dumps([_value(board) for board in found]))
        return
    table = Table("board", "what it is", "chip", "keypad", "card reader", "camera", "Bluetooth")
    for board in found:
        camera = "VC0706" if board.has_camera else "none"
        table.add_row(
            board.name,
            board.title,
            board.chip,
            ", ".join(board.keypad),
            ", ".join(board.nfc) or "none",
            camera,
            "yes" if board.has_ble else "no",
        )
    open_console().print(table)


def _draw(board: Board, lock: str, wires: list[Wire]) -> None:
    console = open_console()
    table = Table("GPIO", "part", "its pin", "supply", "pull", "notes", title=f"{board.title} ({board.name})")
    part = ""
    for wire in wires:
        if part not in ("", wire.part):
            table.add_section()
        gpios = board_pages.show_gpios(wire)
        table.add_row(gpios, "" if wire.part == part else wire.part, wire.line, wire.supply, wire.pull, wire.note)
        part = wire.part
    console.print(table)
    console.print(f"\n  {LOCK_DRAWINGS[lock]}\n", markup=False)
    for sentence in (*LOCK_SENTENCES[lock], *board.notes):
        console.print(f"- {sentence}", markup=False)
