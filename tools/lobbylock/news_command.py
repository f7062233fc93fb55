"""`lobbylock news`: lists of revoked credentials and the time, on their way to doors."""

import asyncio
import contextlib
import json
import signal
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from lobbylock.address import Address
from lobbylock.bulletin import make_token
from lobbylock.carriers import (
    BrokerOption,
    CaOption,
    CertOption,
    KeyOption,
    PasswordOption,
    Server,
    UserOption,
    list_messages,
    publish,
)
from lobbylock.console.client import Client, Refused
from lobbylock.door import parse_public_key
from lobbylock.errors import UserError
from lobbylock.files import check_writable, write_private
from lobbylock.grant import key_id
from lobbylock.install_dialog import Dialog
from lobbylock.install_port import choose_port
from lobbylock.moment import format_local, parse_time
from lobbylock.names import split_door
from lobbylock.options import DEFAULT_HOME, DoorArgument, HomeOption, JsonOption, open_home
from lobbylock.owner import find_owner, load_key
from lobbylock.revocation import Book
from lobbylock.terminal import open_console, open_error_console

app = typer.Typer(help="What doors are told: who is revoked, and the time.", no_args_is_help=True)

_COMMIT_MS = 30_000
_NONCE_BYTES = 16


@app.command("list")
def show_list(
    building: Annotated[str, typer.Argument(metavar="BUILDING")],
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write the list here.")] = None,
    broker: BrokerOption = None,
    user: UserOption = None,
    password: PasswordOption = None,
    ca: CaOption = None,
    cert: CertOption = None,
    key: KeyOption = None,
    is_json: JsonOption = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Show who is on a building's list; make the next one if somebody has dropped out."""
    folder = open_home(home)
    address = Address.parse(broker, user=user, password=password, ca=ca, cert=cert, key=key) if broker else None
    if out:
        check_writable(out.expanduser(), ca, cert, key)
    now_s = int(time.time())
    with folder.locked():
        book = Book(folder, building)
        has_expired = any(entry.until_s <= now_s for entry in book.entries)
        data = book.make(now_s) if has_expired else book.current(now_s)
    if out:
        write_private(out.expanduser(), data)
    doors = [name for name in folder.door_names() if name.startswith(f"{building}/")]
    if address:
        publish(address, list_messages(doors, data))
    if is_json:
        entries = [{"id": each.key, "subject": each.subject, "until_s": each.until_s} for each in book.entries]
        typer.echo(json.dumps({"building": building, "version": book.version, "bytes": len(data), "entries": entries}))
        return
    table = Table("id", "whose", "since", "drops out")
    for entry in book.entries:
        table.add_row(entry.key, Text(entry.subject), format_local(entry.since_s), format_local(entry.until_s))
    open_console().print(table)
    typer.echo(f"List {book.version} of {building}: {len(book.entries)} ids, {len(data)} bytes.")


@app.command("token")
def token(
    name: DoorArgument,
    nonce: Annotated[str, typer.Option("--nonce", metavar="HEX", help="What the door gave: 32 hex digits.")],
    at: Annotated[str, typer.Option("--time", metavar="TIME", help="now, +2h, -1d, 14:30 or ISO 8601.")] = "now",
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write its bytes here.")] = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Sign the time for one door, in answer to its nonce; this machine's, if no other is given."""
    split_door(name)
    time_s = parse_time(at, int(time.time()))
    data = make_token(open_home(home).issuer().signer, name, _parse_nonce(nonce), time_s)
    if out:
        check_writable(out.expanduser())
        write_private(out.expanduser(), data)
    typer.echo(data.hex())


def _parse_nonce(text: str) -> bytes:
    try:
        nonce = bytes.fromhex(text)
    except ValueError:
        nonce = b""
    if len(nonce) != _NONCE_BYTES:
        raise UserError("A nonce is 32 hex digits.")
    return nonce


@app.command("serve")
def serve(
    broker: Annotated[str, typer.Option(envvar="LOBBYLOCK_BROKER", metavar="URL")] = "mqtt://127.0.0.1:1883",
    user: UserOption = None,
    password: PasswordOption = None,
    ca: CaOption = None,
    cert: CertOption = None,
    key: KeyOption = None,
    for_s: Annotated[float | None, typer.Option("--for", metavar="SECONDS", help="Stop after this time.")] = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Publish the lists of all doors, and sign the time for those that ask for it. Needs the issuer's keys."""
    folder = open_home(home)
    folder.issuer()
    address = Address.parse(broker, user=user, password=password, ca=ca, cert=cert, key=key)
    asyncio.run(_serve(Server(folder, typer.echo), address, for_s))


async def _serve(server: Server, address: Address, for_s: float | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    if for_s is not None:
        loop.call_later(for_s, stop.set)
    await server.run(address, stop)


@app.command("push")
def push(
    name: DoorArgument,
    port: Annotated[str | None, typer.Option(help="Serial port or pyserial URL; looked for without it.")] = None,
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="An installer's key instead of the owner's.")] = None,
    is_json: JsonOption = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Bring list and time to the board at a serial port."""
    folder = open_home(home)
    building, _ = split_door(name)
    signer = load_key(key.expanduser()) if key else find_owner(folder)
    if signer is None:
        raise UserError(f"There is no owner's key at {folder.path}; name an installer's with --key.")
    with folder.locked():
        book = Book(folder, building)
        data = book.current() if book.version else None
    issuer = folder.issuer().signer
    dialog = Dialog(open_error_console() if is_json else open_console())
    with Client(choose_port(port, dialog), dialog.warn) as client:
        hello = client.hello()
        if hello.text("door") != name:
            raise UserError(f"The board is {hello.text('door')}, not {name}; nothing was sent.")
        client.sign_in(signer, parse_public_key(hello.text("public_key")))
        said: dict[str, object] = {"list": _push_list(client, data, dialog), "time": False}
        nonce = client.ask("time_nonce").fields.get("nonce")
        if isinstance(nonce, str):
            now_s = int(time.time())
            # What the lock knows of its token is not sent: a line has room for so much.
            signature = make_token(issuer, name, _parse_nonce(nonce), now_s)[-64:].hex()
            kid = key_id(issuer.public_key).hex()
            client.ask("time_token", timeout_ms=_COMMIT_MS, unix_s=now_s, kid=kid, sig=signature)
            said["time"] = True
            dialog.say("The lock has the time.")
        else:
            dialog.say("The lock knows the time.")
        client.sign_out()
    if is_json:
        typer.echo(json.dumps(said))


def _push_list(client: Client, data: bytes | None, dialog: Dialog) -> int | None:
    """Returns the version of the list that the lock has now, None if there is none to be sent."""
    if data is None:
        dialog.say("No list was made for this building yet.")
        return None
    try:
        with dialog.progress("Sending the list") as progress:
            client.send("list", data, progress)
        version = client.ask("list", timeout_ms=_COMMIT_MS).number("version")
    except Refused as refused:
        if refused.word != "older":
            raise
        dialog.say("The lock has that list already, or a newer one.")
        return None
    dialog.say(f"The lock has list {version}.")
    return version
