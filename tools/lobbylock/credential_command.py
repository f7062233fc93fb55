"""`lobbylock credential`: mint, show and check credentials."""

import contextlib
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from firmware.core import event, event_names
from lobbylock.credential_file import read_credential
from lobbylock.credential_output import FORM_HINT, FORMS, Outputs, describe, minted_values, print_values, show_minted
from lobbylock.delegate_command import delegate
from lobbylock.door import Door
from lobbylock.errors import UserError
from lobbylock.grant import ID_BYTES, ROLES, Grant, parse_holder
from lobbylock.grant_code import make_grant_code
from lobbylock.home import Home
from lobbylock.hours import parse_hours
from lobbylock.minting import make_credential
from lobbylock.moment import format_local, parse_time, parse_until
from lobbylock.options import DEFAULT_HOME, CredentialArgument, HomeOption, JsonOption, open_home
from lobbylock.trial import VIAS, TrialDoor, judge_at, refusing_doors

app = typer.Typer(help="Credentials for badges and phones.", no_args_is_help=True)

_USUAL_S = 86_400

app.command("delegate")(delegate)


@app.command("mint")
def mint_command(
    subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="Who it is for: up to 32 bytes.")],
    building: Annotated[str, typer.Option("--building", metavar="BUILDING", help="The one building it is for.")],
    role: Annotated[str, typer.Option(help=f"One of {', '.join(ROLES)}.")] = "driver",
    area: Annotated[list[str] | None, typer.Option(help="May be repeated. (default: lobby)")] = None,
    start: Annotated[str, typer.Option("--from", metavar="TIME", help="now, +2h, -1d, 14:30 or ISO 8601.")] = "now",
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="First moment behind it.")] = None,
    duration: Annotated[
        str | None, typer.Option("--for", metavar="DURATION", help="90m, 4h, 1d; 1d if not given.")
    ] = None,
    hours: Annotated[
        list[str] | None, typer.Option("--hours", metavar="HOURS", help='"Mon-Fri 08:00-18:00"; may be repeated.')
    ] = None,
    uses: Annotated[int | None, typer.Option("--uses", metavar="N", help="How often; any number if not given.")] = None,
    holder: Annotated[
        str | None, typer.Option("--holder", metavar="HEX|FILE.pem", help="The phone's P-256 key; none for a badge.")
    ] = None,
    code_door: Annotated[
        str | None, typer.Option("--code", metavar="BUILDING/DOOR", help="Also make a keypad code for this door.")
    ] = None,
    form: Annotated[str, typer.Option("--form", help=f"How to print it: {' or '.join(FORMS)}.")] = "base64url",
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write its bytes here.")] = None,
    ndef: Annotated[Path | None, typer.Option("--ndef", metavar="FILE", help="Write a badge's NDEF message.")] = None,
    tag: Annotated[str | None, typer.Option("--tag", metavar="KIND", help="Refuse what does not fit, ntag215.")] = None,
    page: Annotated[str, typer.Option("--page", metavar="ADDRESS", help="A link for people on the badge.")] = "",
    is_json: JsonOption = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Make a credential, signed with the issuer's newest key."""
    outputs = Outputs(out, ndef, tag, page.removeprefix("https://"))
    outputs.check(holder)
    if role not in ROLES or form not in FORMS:
        raise UserError(f"A role is one of {', '.join(ROLES)}, a form one of {', '.join(FORMS)}.")
    now_s = int(time.time())
    from_s = parse_time(start, now_s)
    grant = Grant(
        subject=subject,
        building=building,
        role=ROLES[role],
        areas=area or ["lobby"],
        from_s=from_s,
        until_s=parse_until(from_s, until, duration, now_s, _USUAL_S),
        issued_s=now_s,
        id=os.urandom(ID_BYTES),
        uses=uses,
        hours=[parse_hours(text) for text in hours or []],
        holder=parse_holder(holder) if holder else None,
    )
    folder = open_home(home)
    data = make_credential(folder, grant)
    outputs.write(data)
    code = make_grant_code(folder, code_door, grant, now_s) if code_door else None
    if is_json:
        typer.echo(json.dumps(minted_values(data, code)))
    else:
        show_minted(data, form, code, refusing_doors(_doors(folder), grant)[0])


@app.command("show")
def show(text: CredentialArgument, is_json: JsonOption = False) -> None:
    """Show what a credential says. Its signature is not checked; no keys are needed."""
    values = describe(read_credential(text))
    if is_json:
        typer.echo(json.dumps(values))
    else:
        print_values(values)


@app.command("check")
def check(
    text: CredentialArgument,
    door: Annotated[str | None, typer.Option("--door", metavar="BUILDING/DOOR", help="A door of the issuer's.")] = None,
    settings: Annotated[
        Path | None, typer.Option("--settings", metavar="FILE", help="Or a board's settings.json.")
    ] = None,
    at: Annotated[str, typer.Option("--at", metavar="TIME", help="now, +2h, -1d, 14:30 or ISO 8601.")] = "now",
    via: Annotated[str | None, typer.Option("--via", help="badge, phone or ble; else what it is made for.")] = None,
    used: Annotated[int, typer.Option("--used", metavar="N", min=0, help="How often it has opened already.")] = 0,
    is_json: JsonOption = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Decide as the lock would. Exits with 1 if it would stay shut."""
    if (door is None) == (settings is None):
        raise UserError("Give the door with --door, or its settings with --settings.")
    if via not in (None, *VIAS):
        raise UserError(f"--via is {', '.join(VIAS)}.")
    trial = TrialDoor.load(settings) if settings else _trial(open_home(home), door or "")
    time_s = parse_time(at, int(time.time()))
    data = read_credential(text)
    reason, found = judge_at(data, trial, time_s, via, used)
    wants_proof = reason == event.GRANTED and found is not None and found.holder is not None
    name = event_names.REASON_NAMES[reason]
    if is_json:
        values = {"granted": reason == event.GRANTED, "reason": name, "at_s": time_s, "needs_proof": wants_proof}
        typer.echo(json.dumps(values))
    else:
        proof = ", once the phone has proven to hold its key" if wants_proof else ""
        typer.echo(f"{name}{proof} ({trial.building}, {format_local(time_s)})")
        if reason == event.MALFORMED:
            typer.echo(f"Note that {FORM_HINT}.", err=True)
    if reason != event.GRANTED:
        raise typer.Exit(1)


def _trial(folder: Home, name: str) -> TrialDoor:
    record = folder.door(name)
    return TrialDoor.of(record.building, record.options, folder.issuer().keys)


def _doors(folder: Home) -> Iterable[Door]:
    for name in folder.door_names():
        # What was made has to be shown, whatever ails a door's record.
        with contextlib.suppress(UserError):
            yield folder.door(name)
