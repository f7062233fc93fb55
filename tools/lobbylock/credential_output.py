"""What a credential says, and where one that was just made goes: screen, files, badges."""

import base64
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ndef as ndef_message
import typer
from rich.text import Text

from firmware.core import credential, event_names
from lobbylock import badge
from lobbylock.delegation import parse_credential
from lobbylock.errors import UserError
from lobbylock.files import check_writable, write_private
from lobbylock.grant_code import GrantCode
from lobbylock.hours import format_hours
from lobbylock.minting import group_digits
from lobbylock.moment import format_local, format_utc
from lobbylock.terminal import open_console

FORMS = ("base64url", "hex")
# What other libraries most often do otherwise; `cwt` keeps the order of the dict that it is given.
FORM_HINT = "headers and claims must be deterministic CBOR with their keys in order (RFC 8949 section 4.2.1)"


@dataclass(frozen=True)
class Outputs:
    """Where a minted credential goes, besides the screen."""

    file: Path | None
    ndef: Path | None
    tag: str | None
    page: str

    def check(self, *inputs: Path | str | None) -> None:
        """Raises UserError for what could not be written, before anything is made; `inputs` as for `check_writable`."""
        for path in (self.file, self.ndef):
            if path is not None:
                check_writable(path, *inputs)
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


def describe(data: bytes) -> dict[str, object]:
    """Returns what the credential in `data` says, in words. Raises UserError if it is not one."""
    try:
        found = parse_credential(data)
    except credential.CredentialError:
        raise UserError(
            f"That is not a credential of this kind: other form, claims missing, unknown or out of range; {FORM_HINT}."
        ) from None
    values = _values(found)
    values["size"] = len(data)
    if found.parent is not None:
        values["parent"] = _values(found.parent)
    return values


def _values(found: credential.Credential) -> dict[str, object]:
    return {
        "subject": found.subject,
        "building": found.building,
        "role": event_names.ROLE_NAMES[found.role],
        "areas": found.areas,
        "not_before_s": found.not_before_s,
        "expires_s": found.expires_s,
        "issued_s": found.issued_s,
        "hours": [format_hours(*triple) for triple in found.hours or []],
        "uses": found.uses,
        "holder": found.holder.hex() if found.holder else None,
        "id": found.id.hex(),
        "issuer": found.issuer,
        "kid": found.kid.hex(),
    }


def minted_values(data: bytes, code: GrantCode | None) -> dict[str, object]:
    values = describe(data)
    values["hex"] = data.hex()
    values["base64url"] = base64url(data)
    values["code"] = code.digits if code else None
    values["code_note"] = code.note if code else None
    return values


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def show_minted(data: bytes, form: str, code: GrantCode | None, refusing: Sequence[str] = ()) -> None:
    """Prints a credential that was made; `refusing` are doors that do not open to it."""
    # What a pipe wants is the only thing on standard output.
    typer.echo(data.hex() if form == "hex" else base64url(data))
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
    if refusing:
        typer.echo(f"These doors do not open to it: {', '.join(refusing)}.", err=True)
    if code is not None:
        typer.echo(f"Keypad code: {group_digits(code.digits)} then #." if code.digits else code.note, err=True)


def print_values(values: dict[str, object]) -> None:
    _print_lines(values)
    if sys.stdout.isatty():
        open_console().print(Text("The signature was not checked."), soft_wrap=True)


def _print_lines(values: dict[str, object]) -> None:
    console = open_console()
    for name, value in values.items():
        if value is None or value == []:
            continue
        if isinstance(value, dict):
            console.print(Text("let in by:"), soft_wrap=True)
            _print_lines(value)
            continue
        if name.endswith("_s") and isinstance(value, int):
            value = f"{format_local(value)}   {format_utc(value)}"
        elif isinstance(value, list):
            value = ", ".join(map(str, value))
        elif name == "subject" or name == "issuer":
            # Somebody else may have minted it: nothing in it may steer a terminal.
            value = "".join(letter if letter.isprintable() else "?" for letter in str(value))
        console.print(Text(f"{name.removesuffix('_s'):<11} {value}"), soft_wrap=True)
