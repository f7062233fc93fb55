"""`lobbylock doctor`: what ails a board, in sentences."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from lobbylock import doctor
from lobbylock.console import probe
from lobbylock.console.client import PROTOCOL, Client, Refused
from lobbylock.console.line import Port, SerialPort
from lobbylock.console.status import Status, read_status
from lobbylock.doctor_finding import NOTE, SICK, Finding
from lobbylock.doctor_sight import explain_sight, findings_of_hello
from lobbylock.door import parse_public_key
from lobbylock.errors import UserError
from lobbylock.options import DEFAULT_HOME, HomeOption, JsonOption, open_home
from lobbylock.owner import find_owner, load_key
from lobbylock.signature import Signer
from lobbylock.terminal import open_console

# A board whose start failed lets people out for so long before it tries again.
_PATIENCE_MS = 30_000


def examine(
    port: Annotated[
        str | None, typer.Option(help="Serial port or pyserial URL; without it the ports are shown.")
    ] = None,
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="An installer's key instead of the owner's.")] = None,
    is_json: JsonOption = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Look at a board and say what is wrong with it and what to do. Exit code 1 if something is."""
    if port is None:
        _show_ports(is_json)
        return
    folder = open_home(home)
    signer = load_key(key.expanduser()) if key else find_owner(folder)
    found, facts = look_at(SerialPort(port), signer)
    _show(open_console(), found, facts, port, is_json)
    if any(finding.kind == SICK for finding in found):
        raise typer.Exit(1)


def look_at(port: Port, signer: Signer | None, patience_ms: float = _PATIENCE_MS) -> tuple[list[Finding], dict]:
    """Returns (findings, what the board told: hello and status) of the board at `port`.

    Raises UserError if the port cannot be opened.
    """
    sight = probe.probe(port, patience_ms)
    facts: dict = {"hello": sight.hello, "status": None}
    if sight.kind != probe.LOCK or sight.hello is None:
        return [explain_sight(sight, port.name)], facts
    hello = sight.hello
    if hello.get("protocol") != PROTOCOL:
        version = str(hello.get("lobbylock"))[:20]
        return [
            Finding(
                "protocol",
                f"The board runs LobbyLock {version}, which speaks another console protocol than this one.",
                "Bring both to the same version (`lobbylock update`, or `make flash`).",
            )
        ], facts
    found = findings_of_hello(sight)
    if hello.get("claimed") is not True:
        return found, facts
    if signer is None:
        return [*found, _locked_out("there is no owner's key in this home")], facts
    try:
        status = _ask_status(port, signer, parse_public_key(str(hello.get("public_key"))))
    except Refused as error:
        if error.word != "signature":
            raise
        return [*found, _locked_out("the board refuses this key, so it is somebody else's")], facts
    facts["status"] = status.values
    return [*found, *doctor.find_all(status)], facts


def _ask_status(port: Port, signer: Signer, public_key: bytes) -> Status:
    with Client(port) as client:
        client.sign_in(signer, public_key)
        status = read_status(client)
        client.sign_out()
        return status


def _locked_out(why: str) -> Finding:
    return Finding(
        "no_key",
        f"The board answers, but tells no more: {why}.",
        "Run this with the owner's folder (--home) or an installer's key (--key).",
        NOTE,
    )


def _show_ports(is_json: bool) -> None:
    names = probe.port_names()
    if is_json:
        typer.echo(json.dumps({"ports": names}))
        return
    if not names:
        raise UserError(
            "There is no serial port on this machine: is the cable in, and does it carry data? Some only charge."
        )
    typer.echo("Serial ports: " + ", ".join(names) + ". Name the board's with --port.")


def _show(console: Console, found: list[Finding], facts: dict, port: str, is_json: bool) -> None:
    if is_json:
        findings = [{"code": one.code, "kind": one.kind, "say": one.say, "do": one.do} for one in found]
        is_well = not any(one.kind == SICK for one in found)
        typer.echo(json.dumps({"port": port, "is_well": is_well, "findings": findings, **facts}))
        return
    hello = facts["hello"] or {}
    if hello:
        console.print(Text(f"{hello.get('board')}, LobbyLock {hello.get('lobbylock')}, door {hello.get('door')}"))
    for finding in found:
        console.print(Text(finding.say, "bold red" if finding.kind == SICK else "bold"), soft_wrap=True)
        console.print(Text(f"  {finding.do}"), soft_wrap=True)
    if not found:
        console.print(Text("Nothing is wrong with it.", "bold green"))
