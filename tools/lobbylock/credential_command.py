"""`lobbylock credential`: mint, show and check credentials."""

import base64
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import ndef as ndef_message
import typer
from rich.text import Text

from firmware.core import credential, event, event_names
from lobbylock import badge
from lobbylock.code_command import group_digits
from lobbylock.credential_file import read_credential
from lobbylock.errors import UserError
from lobbylock.files import check_writable, write_private
from lobbylock.grant import ROLES, Grant, mint, parse_holder
from lobbylock.grant_code import GrantCode, make_code
from lobbylock.home import Home
from lobbylock.hours import format_hours, parse_hours
from lobbylock.moment import format_local, format_utc, parse_duration, parse_time
from lobbylock.options import DEFAULT_HOME, HomeOption, JsonOption, open_home
from lobbylock.terminal import open_console
from lobbylock.trial import TrialDoor, judge_at

app = typer.Typer(help="Credentials for badges and phones.", no_args_is_help=True)

CredentialArgument = Annotated[
    str, typer.Argument(metavar="CREDENTIAL", help="A file, or hex, or base64url; - for standard input.")
]
_ID_BYTES = 8
_USUAL_S = 86_400
_FORMS = ("base64url", "hex")
# What other libraries most often do otherwise; `cwt` keeps the order of the dict that it is given.
_FORM_HINT = "headers and claims must be deterministic CBOR with their keys in order (RFC 8949 section 4.2.1)"


@dataclass(frozen=True)
class Outputs:
    """Where a minted credential goes, besides the screen."""

    file: Path | None
    ndef: Path | None
    tag: str | None
    page: str

    def check(self) -> None:
        """Raises UserError for what could not be written, before anything is made."""
        for path in (self.file, self.ndef):
            if path is not None:
                check_writable(path)
        if self.tag is not None and self.tag.upper() not in badge.AREA_BYTES:
            raise UserError(f"A tag is one of {', '.join(badge.AREA_BYTES)}.")
        if not all("!" <= letter <= "~" for letter in self.page):
            raise UserError("A page's address is printable ASCII without spaces; percent-encode the rest.")

    def write(self, data: bytes) -> None:
        """Writes the files. Raises UserError before the first one if the badge is too long for its tag or a lock."""
        message = badge.compose(data, self.page)
        if len(message) > ndef_message.MAX_BYTES:
            raise UserError(
                f"The badge's message has {len(message)} bytes, and locks read {ndef_message.MAX_BYTES}: "
                "give a shorter --page."
            )
        if self.tag is not None:
            badge.type2_data(message, badge.AREA_BYTES[self.tag.upper()])
        if self.file is not None:
            write_private(self.file, data)
        if self.ndef is not None:
            write_private(self.ndef, message)


@app.command("mint")
def mint_command(
    subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="Who it is for: up to 32 bytes.")],
    building: Annotated[str, typer.Option("--building", metavar="BUILDING", help="The one building it is for.")],
    role: Annotated[str, typer.Option(help=f"One of {', '.join(ROLES)}.")] = "driver",
    area: Annotated[list[str] | None, typer.Option(help="May be repeated. [default: lobby]")] = None,
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
    form: Annotated[str, typer.Option("--form", help=f"How to print it: {' or '.join(_FORMS)}.")] = "base64url",
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write its bytes here.")] = None,
    ndef: Annotated[Path | None, typer.Option("--ndef", metavar="FILE", help="Write a badge's NDEF message.")] = None,
    tag: Annotated[str | None, typer.Option("--tag", metavar="KIND", help="Refuse what does not fit, ntag215.")] = None,
    page: Annotated[str, typer.Option("--page", metavar="ADDRESS", help="A link for people on the badge.")] = "",
    is_json: JsonOption = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Make a credential, signed with the issuer's newest key."""
    outputs = Outputs(out, ndef, tag, page.removeprefix("https://"))
    outputs.check()
    if role not in ROLES or form not in _FORMS:
        raise UserError(f"A role is one of {', '.join(ROLES)}, a form one of {', '.join(_FORMS)}.")
    now_s = int(time.time())
    from_s = parse_time(start, now_s)
    grant = Grant(
        subject=subject,
        building=building,
        role=ROLES[role],
        areas=area or ["lobby"],
        from_s=from_s,
        until_s=_until(from_s, until, duration, now_s),
        issued_s=now_s,
        id=os.urandom(_ID_BYTES),
        uses=uses,
        hours=[parse_hours(text) for text in hours or []],
        holder=parse_holder(holder) if holder else None,
    )
    folder = open_home(home)
    issuer = folder.issuer()
    data = mint(grant, issuer.name, issuer.signer)
    outputs.write(data)
    code = make_code(folder, code_door, grant, now_s) if code_door else None
    if is_json:
        typer.echo(json.dumps(_minted_values(data, code)))
    else:
        _show_minted(data, form, code)


def _until(from_s: int, until: str | None, duration: str | None, now_s: int) -> int:
    if until and duration:
        raise UserError("Give --until or --for, not both.")
    return parse_time(until, now_s) if until else from_s + (parse_duration(duration) if duration else _USUAL_S)


@app.command("show")
def show(text: CredentialArgument, is_json: JsonOption = False) -> None:
    """Show what a credential says. Its signature is not checked; no keys are needed."""
    values = describe(read_credential(text))
    if is_json:
        typer.echo(json.dumps(values))
    else:
        _print_values(values)


@app.command("check")
def check(
    text: CredentialArgument,
    door: Annotated[str | None, typer.Option("--door", metavar="BUILDING/DOOR", help="A door of the issuer's.")] = None,
    settings: Annotated[
        Path | None, typer.Option("--settings", metavar="FILE", help="Or a board's settings.json.")
    ] = None,
    at: Annotated[str, typer.Option("--at", metavar="TIME", help="now, +2h, -1d, 14:30 or ISO 8601.")] = "now",
    via: Annotated[str | None, typer.Option("--via", help="badge or phone; a phone if it has a holder key.")] = None,
    used: Annotated[int, typer.Option("--used", metavar="N", min=0, help="How often it has opened already.")] = 0,
    is_json: JsonOption = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Decide as the lock would. Exits with 1 if it would stay shut."""
    if (door is None) == (settings is None):
        raise UserError("Give the door with --door, or its settings with --settings.")
    if via not in (None, "badge", "phone"):
        raise UserError("--via is badge or phone.")
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
            typer.echo(f"Note that {_FORM_HINT}.", err=True)
    if reason != event.GRANTED:
        raise typer.Exit(1)


def _trial(folder: Home, name: str) -> TrialDoor:
    record = folder.door(name)
    return TrialDoor.of(record.building, record.options, folder.issuer().keys)


def describe(data: bytes) -> dict[str, object]:
    """Returns what the credential in `data` says, in words. Raises UserError if it is not one."""
    try:
        kid, payload, _, _ = credential.unwrap(data)
        found = credential.parse(kid, payload)
    except credential.CredentialError:
        raise UserError(
            f"That is not a credential of this kind: other form, claims missing, unknown or out of range; {_FORM_HINT}."
        ) from None
    return {
        "subject": found.subject,
        "building": found.building,
        "role": next(name for name, number in ROLES.items() if number == found.role),
        "areas": found.areas,
        "not_before_s": found.not_before_s,
        "expires_s": found.expires_s,
        "issued_s": found.issued_s,
        "hours": [format_hours(*triple) for triple in found.hours or []],
        "uses": found.uses,
        "holder": found.holder.hex() if found.holder else None,
        "id": found.id.hex(),
        "issuer": found.issuer,
        "kid": kid.hex(),
        "size": len(data),
    }


def _minted_values(data: bytes, code: GrantCode | None) -> dict[str, object]:
    values = describe(data)
    values["hex"] = data.hex()
    values["base64url"] = _base64url(data)
    values["code"] = code.digits if code else None
    values["code_note"] = code.note if code else None
    return values


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _show_minted(data: bytes, form: str, code: GrantCode | None) -> None:
    # What a pipe wants is the only thing on standard output.
    typer.echo(data.hex() if form == "hex" else _base64url(data))
    values = describe(data)
    typer.echo(
        f"{values['subject']}, {values['role']} at {values['building']}, {len(data)} bytes, id {values['id']}", err=True
    )
    if values["holder"] is None and values["uses"] != 1:
        typer.echo(
            "Without --uses 1 or --holder, only doors with --bearer short take it, and only if its time is no longer "
            "than their --bearer-for.",
            err=True,
        )
    if code is not None:
        typer.echo(f"Keypad code: {group_digits(code.digits)} then #." if code.digits else code.note, err=True)


def _print_values(values: dict[str, object]) -> None:
    console = open_console()
    for name, value in values.items():
        if value is None or value == []:
            continue
        if name.endswith("_s") and isinstance(value, int):
            value = f"{format_local(value)}   {format_utc(value)}"
        elif isinstance(value, list):
            value = ", ".join(map(str, value))
        elif name == "subject" or name == "issuer":
            # Somebody else may have minted it: nothing in it may steer a terminal.
            value = "".join(letter if letter.isprintable() else "?" for letter in str(value))
        console.print(Text(f"{name.removesuffix('_s'):<11} {value}"), soft_wrap=True)
    if sys.stdout.isatty():
        console.print(Text("The signature was not checked."), soft_wrap=True)
