"""`lobbylock receipt`: what a door gave to somebody whom it let in."""

import json
from pathlib import Path
from typing import Annotated

import typer

from lobbylock.door import parse_public_key
from lobbylock.errors import UserError
from lobbylock.moment import format_local, format_utc
from lobbylock.options import DEFAULT_HOME, HomeOption, JsonOption, open_home
from lobbylock.visit_receipt import MAX_RECEIPT_BYTES, VisitReceipt, read_visit_receipt

app = typer.Typer(help="Receipts that doors gave for entries.", no_args_is_help=True)


@app.command("verify")
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The receipt, as a phone keeps it.")],
    door_key: Annotated[
        str | None,
        typer.Option("--door-key", metavar="HEX", help="The door's public key (default: that of the issuer's folder)"),
    ] = None,
    door: Annotated[
        str | None, typer.Option("--door", metavar="BUILDING/DOOR", help="The door that it must be of.")
    ] = None,
    is_json: JsonOption = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Check a receipt against its door's public key, offline. Exits with 1 if it does not hold.

    `lobbylock audit receipts` also looks for the event that it is about.
    """
    data = read_receipt_file(file)
    said = read_visit_receipt(data, None)
    if said is None:
        problem = "it is not a receipt"
    elif door not in (None, said.door):
        problem = f"it is of the door {said.door}"
    else:
        keys = [parse_public_key(door_key)] if door_key is not None else open_home(home).door(said.door).public_keys
        is_signed = any(read_visit_receipt(data, key) for key in keys)
        problem = None if is_signed else f"the board of {said.door} with that key did not sign it"
    if said is None or problem is not None:
        typer.echo(json.dumps({"ok": False, "error": problem}) if is_json else f"It does not hold: {problem}.")
        raise typer.Exit(1)
    typer.echo(json.dumps({"ok": True, **receipt_values(said)}) if is_json else _text(said))


def read_receipt_file(path: Path) -> bytes:
    """Returns the content of a receipt's file, one byte more at most than a receipt can have."""
    try:
        with open(path, "rb") as file:
            return file.read(MAX_RECEIPT_BYTES + 1)
    except FileNotFoundError:
        raise UserError(f"There is no receipt at {path}.") from None


def receipt_values(said: VisitReceipt) -> dict[str, object]:
    """Returns a receipt as JSON values."""
    return {
        "door": said.door,
        "seq": said.seq,
        "time_s": said.time_s,
        "time": None if said.time_s is None else format_utc(said.time_s),
        "kid": said.kid.hex(),
        "credential_id": said.credential_id.hex(),
        "record_sha256": said.record_sha256.hex(),
        "sha256": said.sha256.hex(),
    }


def _text(said: VisitReceipt) -> str:
    when = "at a time that the lock did not know" if said.time_s is None else f"on {format_local(said.time_s)}"
    return (
        f"It holds: {said.door} let in the holder of credential {said.credential_id.hex()}"
        f" (issuer key {said.kid.hex()}) {when}, event #{said.seq}."
    )
