"""`lobbylock image` and `lobbylock flash`: from an official MicroPython to a board that is a lock."""

from pathlib import Path
from typing import Annotated

import typer
from serial.tools import list_ports

from lobbylock import boards
from lobbylock.boards import Board
from lobbylock.errors import UserError
from lobbylock.house import ROOT
from lobbylock.image import assembly, esptool, filesystem, official, writer
from lobbylock.image.assembly import Image
from lobbylock.image.official import Official

_FOLDER = ROOT / "build" / "image"
_DEFAULT_BOARD = "esp32-devkitc"

Firmware = Annotated[Path | None, typer.Option(help="The official MicroPython image, a .bin file.")]
BoardName = Annotated[str, typer.Option("--board", help="Name of a board, or path of a pin map.")]
Folder = Annotated[Path, typer.Option("--out", help="Where to write what is made.")]


def image(firmware: Firmware = None, board: BoardName = _DEFAULT_BOARD, out: Folder = _FOLDER) -> None:
    """Build what a bare board is flashed with, from an official MicroPython image."""
    _build(*_read(firmware, board), out)


def flash(
    port: Annotated[str | None, typer.Option(help="The board's serial port, or a URL of pyserial's.")] = None,
    firmware: Firmware = None,
    board: BoardName = _DEFAULT_BOARD,
    out: Folder = _FOLDER,
    baud: Annotated[int, typer.Option(help="Speed while writing.")] = 460800,
    force: Annotated[bool, typer.Option("--force", help="Write over a lock; keep its key and record.")] = False,
    erase: Annotated[bool, typer.Option("--erase", help="With --force: destroy key and record as well.")] = False,
) -> None:
    """Build the image and write it to the board at a serial port. A lock on it is not overwritten unawares."""
    if not port:
        found = [entry.device for entry in list_ports.comports() if entry.vid is not None]
        raise UserError(f"Name the serial port, PORT=...: {', '.join(found) or 'no board is to be seen'}.")
    base, pins = _read(firmware, board)
    device = esptool.Board(port, base.chip.name, baud)
    # Before anything is built, since that takes longer.
    erases_all = writer.look(device, writer.Orders(force, erase), typer.echo)
    writer.write(_build(base, pins, out), device, erases_all, typer.echo)
    typer.echo("The board starts now, as a lock that nobody owns. If it does not, press its button EN or RST.")
    typer.echo(f"Next: lobbylock install --port {port} building.toml")


def _read(firmware: Path | None, board: str) -> tuple[Official, Board]:
    """Returns the official image and the board that it is for. Raises UserError."""
    if firmware is None:
        oldest = ".".join(map(str, official.OLDEST[:2]))
        raise UserError(
            f"Name an official MicroPython image, {oldest} or newer, FIRMWARE=...: download its .bin file from "
            f"{official.WHERE}."
        )
    pins = boards.load(board)
    # make hands the path on as it was typed, with its ~.
    firmware = firmware.expanduser()
    base = official.read(firmware)
    assembly.check_chip(base, pins, firmware)
    return base, pins


def _build(base: Official, board: Board, out: Path) -> Image:
    """Builds and writes the image, and says what is in it. Raises UserError."""
    made = assembly.build(base, board)
    path = assembly.write(made, out)
    room = made.room
    typer.echo(f"{path}: LobbyLock {made.version} for {made.board} on MicroPython {made.micropython}.")
    typer.echo(
        f"{room.files} files, {room.bytes:,} bytes, in {room.used_blocks} blocks of {filesystem.BLOCK_BYTES >> 10} KB; "
        f"{room.free_blocks} are free. With a second version and {filesystem.SPARE_BYTES >> 10} KB of settings and "
        f"tables beside them: {room.spare_blocks}."
    )
    return made
