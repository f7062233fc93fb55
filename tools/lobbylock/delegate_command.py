"""`lobbylock credential delegate`: a resident lets a visitor in."""

import json
import os
import time
from pathlib import Path
from typing import Annotated

import typer

from firmware.core import credential
from lobbylock.credential_file import read_credential
from lobbylock.credential_output import FORMS, Outputs, minted_values, show_minted
from lobbylock.delegation import delegate as make_chain
from lobbylock.delegation import read_parent
from lobbylock.errors import UserError
from lobbylock.grant import ID_BYTES, Grant, parse_holder
from lobbylock.hours import parse_hours
from lobbylock.moment import parse_time, parse_until
from lobbylock.options import JsonOption
from lobbylock.phone import load_key

_USUAL_S = 86_400


def delegate(
    parent: Annotated[str, typer.Argument(metavar="PARENT", help="The resident's credential: a file, hex, base64url.")],
    subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="Who is let in: up to 32 bytes.")],
    key: Annotated[Path, typer.Option("--key", metavar="KEY.pem", help="The resident's private key.")],
    area: Annotated[list[str] | None, typer.Option(help="May be repeated. (default: the resident's)")] = None,
    start: Annotated[str | None, typer.Option("--from", metavar="TIME", help="now, +2h, 14:30 or ISO 8601.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="First moment behind it.")] = None,
    duration: Annotated[
        str | None, typer.Option("--for", metavar="DURATION", help="90m, 4h, 1d; 1d if not given.")
    ] = None,
    hours: Annotated[
        list[str] | None, typer.Option("--hours", metavar="HOURS", help='"Sat,Sun 10:00-18:00"; may be repeated.')
    ] = None,
    uses: Annotated[int, typer.Option("--uses", metavar="N", help="How often; 0 for any number.")] = 1,
    holder: Annotated[
        str | None, typer.Option("--holder", metavar="HEX|FILE.pem", help="The visitor's P-256 key; none for a badge.")
    ] = None,
    form: Annotated[str, typer.Option("--form", help=f"How to print it: {' or '.join(FORMS)}.")] = "base64url",
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write its bytes here.")] = None,
    ndef: Annotated[Path | None, typer.Option("--ndef", metavar="FILE", help="Write a badge's NDEF message.")] = None,
    tag: Annotated[str | None, typer.Option("--tag", metavar="KIND", help="Refuse what does not fit, ntag216.")] = None,
    page: Annotated[str, typer.Option("--page", metavar="ADDRESS", help="A link for people on the badge.")] = "",
    is_json: JsonOption = False,
) -> None:
    """Let a visitor in with a resident's credential and key: never further, longer or more often than the resident."""
    outputs = Outputs(out, ndef, tag, page.removeprefix("https://"))
    outputs.check(parent, key, holder)
    if form not in FORMS:
        raise UserError(f"A form is one of {', '.join(FORMS)}.")
    now_s = int(time.time())
    data = read_credential(parent)
    shown = read_parent(data)
    from_s = parse_time(start, now_s) if start else max(now_s, shown.not_before_s or 0)
    until_s = parse_until(from_s, until, duration, now_s, _USUAL_S)
    if not until and not duration:
        until_s = min(until_s, shown.expires_s)
    grant = Grant(
        subject=subject,
        building=shown.building,
        role=credential.VISITOR,
        areas=area or shown.areas,
        from_s=from_s,
        until_s=until_s,
        issued_s=now_s,
        id=os.urandom(ID_BYTES),
        uses=uses or None,
        hours=[parse_hours(text) for text in hours or []],
        holder=parse_holder(holder) if holder else None,
    )
    made = make_chain(data, grant, load_key(key))
    outputs.write(made)
    if is_json:
        typer.echo(json.dumps(minted_values(made, None)))
    else:
        show_minted(made, form, None)
