"""`lobbylock revoke`: keeps credentials and codes out, at every door that hears of it."""

import json
import re
import time
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer

from firmware.core import bulletin
from firmware.core.credential import CredentialError
from lobbylock import revocation
from lobbylock.address import Address
from lobbylock.carriers import (
    BrokerOption,
    CaOption,
    CertOption,
    KeyOption,
    PasswordOption,
    UserOption,
    list_messages,
    publish,
)
from lobbylock.coderegister import CodeRegister
from lobbylock.credential_file import read_credential
from lobbylock.delegation import parse_credential
from lobbylock.errors import UserError
from lobbylock.files import check_writable, write_private
from lobbylock.home import Home
from lobbylock.moment import format_local, parse_time
from lobbylock.names import check_building, check_person, split_door
from lobbylock.options import DEFAULT_HOME, HomeOption, JsonOption, open_home
from lobbylock.register import Minted, Register
from lobbylock.revocation import Book, Entry, Revoked, stays_until_s

_ID = re.compile(r"(?:[0-9a-fA-F]{2}){8,16}")


def revoke(
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHAT",
            help="A credential (file, hex, base64url), its id in hex, a subject; or a person, with --code.",
        ),
    ],
    code_door: Annotated[
        str | None,
        typer.Option("--code", metavar="BUILDING/DOOR", help="The person's keypad codes at this door instead."),
    ] = None,
    building: Annotated[
        str | None, typer.Option("--building", metavar="BUILDING", help="Needed for an id that no record has.")
    ] = None,
    parent: Annotated[
        str | None,
        typer.Option("--parent", metavar="HEX", help="Of a visitor's id: that of the resident who let them in."),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="TIME", help="How long it stays on lists; else until it expires."),
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take it off the list again.")] = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write the list here, too.")] = None,
    broker: BrokerOption = None,
    user: UserOption = None,
    password: PasswordOption = None,
    ca: CaOption = None,
    cert: CertOption = None,
    key: KeyOption = None,
    is_json: JsonOption = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Make the next list of revoked credentials and codes for a building, and publish it with --broker.

    Doors without a network learn of it from the next visitor whose phone has it, or by `lobbylock news push`.

    An id in hex is that of a credential signed by an issuer. A visitor's, which a resident signed, goes with --parent:
    both are in the door's record of the visit, as credential_id and parent_id.
    """
    folder = open_home(home)
    now_s = int(time.time())
    address = Address.parse(broker, user=user, password=password, ca=ca, cert=cert, key=key) if broker else None
    if out:
        is_file = code_door is None and not _ID.fullmatch(what) and not Register(folder.path).find(subject=what)
        check_writable(out.expanduser(), what if is_file else None, ca, cert, key)
    until_s = parse_time(until, now_s) if until else None
    if until_s is not None and until_s <= now_s:
        raise UserError("That time is over already.")
    if building is not None:
        check_building(building)
    if code_door is not None:
        if parent is not None or until is not None or building not in (None, split_door(code_door)[0]):
            raise UserError("With --code the door and its codes say the building and until when: leave that out.")
        found = find_codes(folder, code_door, what, now_s)
    elif parent is None:
        found = find(folder, what, building, until_s)
    else:
        found = find_visitor(folder, what, parent, building, until_s)
    names = {name for name, _ in found}
    if len(names) > 1:
        raise UserError(f"There are credentials of {what[:40]} in {', '.join(sorted(names))}: say which, --building.")
    entries = [entry for _, entry in found]
    revoked = revocation.revoke(folder, names.pop(), entries, now_s, is_undone=undo)
    if out:
        write_private(out.expanduser(), revoked.data)
    trouble = _publish(address, revoked) if address else None
    doors = revoked.doors if address and trouble is None else None
    if is_json:
        typer.echo(json.dumps(_values(revoked.book, revoked.changed, doors or [], trouble)))
    else:
        _show(revoked.book, entries, revoked.changed, doors, is_undone=undo)
        if parent is None and any(not entry.subject for entry in entries):
            typer.echo("No record has that id. If it is a visitor's, this does nothing: say --parent as well.")
    if trouble is not None:
        raise UserError(trouble)


def _publish(address: Address, revoked: Revoked) -> str | None:
    """Brings the list to the broker; returns what came in between, and what is left to do then."""
    try:
        publish(address, list_messages(revoked.doors, revoked.data))
    except UserError as error:
        book = revoked.book
        return (
            f"{error} List {book.version} of {book.building} is made and kept, and not published: "
            f"`lobbylock news list {book.building} --broker URL` does that once the broker takes it."
        )
    return None


def find_codes(home: Home, name: str, person: str, now_s: int) -> list[tuple[str, Entry]]:
    """Returns (building, entry) of each code of `person` at the door `name` whose window has not ended. Raises
    UserError if there is none."""
    door = home.door(name)
    person = check_person(person)
    codes = CodeRegister(home.path).live(now_s, name, person)
    if not codes:
        listed = [driver for driver in door.drivers if driver.name == person and driver.valid_until_s > now_s]
        if listed:
            raise UserError(
                f"{person}'s codes at {name} were made before there was a record of codes; they end "
                f"{format_local(max(driver.valid_until_s for driver in listed))}."
            )
        raise UserError(f"{person} has no code at {name} that has not ended.")
    return [(door.building, entry) for entry in revocation.code_entries(codes, now_s)]


def find(home: Home, what: str, building: str | None, until_s: int | None) -> list[tuple[str, Entry]]:
    """Returns (building, entry) of each credential that `what` means. Raises UserError if there is none."""
    now_s = int(time.time())
    if _ID.fullmatch(what):
        minted = Register(home.path).find(id=what.lower())
        if not minted:
            number = bytes.fromhex(what)
            keys = [sha256(key.kid + number).digest() for key in home.issuer().keys]
            return _unknown_ids(home, keys, building, until_s, now_s)
    else:
        minted = Register(home.path).find(subject=what) or [_shown(what)]
    chosen = [each for each in minted if building in (None, each.building)]
    if not chosen:
        raise UserError(f"{what[:40]} has no credential for {building}.")
    alive = [each for each in chosen if until_s or stays_until_s(each.expires_s) > now_s]
    if not alive:
        raise UserError(f"All credentials of {what[:40]} have expired; no door takes them any more.")
    return [
        (each.building, Entry(each.key, until_s or stays_until_s(each.expires_s), each.subject, now_s))
        for each in alive
    ]


def find_visitor(
    home: Home, what: str, parent: str, building: str | None, until_s: int | None
) -> list[tuple[str, Entry]]:
    """Returns (building, entry) for the id of a visitor of the resident's credential `parent`. Raises UserError."""
    now_s = int(time.time())
    if not _ID.fullmatch(what) or not _ID.fullmatch(parent):
        raise UserError("With --parent both are ids in hex, as the door's record has them.")
    child = bytes.fromhex(what)
    residents = Register(home.path).find(id=parent.lower())
    residents = [each for each in residents if building in (None, each.building)]
    if not residents:
        kids = [key.kid for key in home.issuer().keys]
        return _unknown_ids(home, [_child_key(kid, parent, child) for kid in kids], building, until_s, now_s)
    # No visitor's lasts longer than what it hangs on.
    residents = [each for each in residents if stays_until_s(each.expires_s) > now_s]
    if not residents:
        raise UserError("The resident's credential has expired, and with it all of their visitors'.")
    return [
        (
            each.building,
            Entry(
                _child_key(bytes.fromhex(each.kid), parent, child)[: bulletin.ID_BYTES].hex(),
                until_s or stays_until_s(each.expires_s),
                f"a visitor of {each.subject}",
                now_s,
            ),
        )
        for each in residents
    ]


def _child_key(kid: bytes, parent: str, number: bytes) -> bytes:
    """Returns the hash whose first bytes locks have for a visitor: docs/protocol.md section 8, "Delegation"."""
    return sha256(sha256(kid + bytes.fromhex(parent)).digest() + number).digest()


def _shown(what: str) -> Minted:
    """Returns the credential in a file or text. Raises UserError."""
    try:
        data = read_credential(what)
    except UserError:
        raise UserError(
            f"{what[:40]!r} is no credential, and nobody of that name has one: the record of the credentials made "
            "here knows those since version 0.3.0. Give the credential's file, or its id with --building and --until."
        ) from None
    try:
        found = parse_credential(data)
    except CredentialError:
        raise UserError("That is not a credential.") from None
    return Minted(found.subject, found.building, found.id.hex(), found.kid.hex(), found.key.hex(), found.expires_s)


def _unknown_ids(
    home: Home, digests: list[bytes], building: str | None, until_s: int | None, now_s: int
) -> list[tuple[str, Entry]]:
    """Returns entries for an id of which nothing else is known: one for each key that may have signed it."""
    if building is None or until_s is None:
        raise UserError("No record has a credential with that id: say for which --building, and --until when it lasts.")
    # Nothing else would tell that the name is mistyped.
    if not any(name.startswith(f"{building}/") for name in home.door_names()):
        raise UserError(f"There is no door of {building} here.")
    return [(building, Entry(digest[: bulletin.ID_BYTES].hex(), until_s, "", now_s)) for digest in digests]


def _values(book: Book, changed: list[Entry], doors: list[str], trouble: str | None) -> dict[str, object]:
    return {
        "building": book.building,
        "version": book.version,
        "count": len(book.entries),
        "changed": [{"id": each.key, "subject": each.subject, "until_s": each.until_s} for each in changed],
        "published": doors,
        "trouble": trouble,
        "file": str(book.list_path),
    }


def _show(book: Book, entries: list[Entry], changed: list[Entry], doors: list[str] | None, *, is_undone: bool) -> None:
    if not changed:
        typer.echo("It is not on the list." if is_undone else "It is on the list already.")
    for entry in changed:
        whose = entry.subject or "an id without a record"
        if is_undone:
            typer.echo(f"{whose}: off the list.")
        else:
            typer.echo(f"{whose}: revoked; drops out of lists {format_local(entry.until_s)}.")
    typer.echo(f"List {book.version} of {book.building}, ids on it: {len(book.entries)}. It lies in {book.list_path}")
    if doors is None:
        typer.echo("Doors do not know yet: publish it with --broker, `lobbylock news push`, or give it to visitors.")
    else:
        typer.echo(f"Published for {', '.join(doors) if doors else 'no door: the building has none here'}.")
