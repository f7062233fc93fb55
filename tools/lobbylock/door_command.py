"""`lobbylock door`: doors, their boards' settings and their boards' keys."""

import json
import re
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from lobbylock.door import Door, parse_public_key
from lobbylock.errors import UserError
from lobbylock.files import check_writable, write_private
from lobbylock.home import Home
from lobbylock.journalkey import JournalKey
from lobbylock.moment import parse_day_start, parse_duration
from lobbylock.options import DEFAULT_HOME, DoorArgument, HomeOption, JsonOption, open_home
from lobbylock.settings import CAMERA_POLICIES, Options, compose
from lobbylock.terminal import open_console
from lobbylock.zones import parse_zone

app = typer.Typer(help="Doors, their settings and their keys.", no_args_is_help=True)

OutOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Write the board's settings.json here; - for standard output."),
]
_MAX_LINE_CHARACTERS = 1024


@app.command("new")
def new(
    name: DoorArgument,
    mqtt: Annotated[str, typer.Option(metavar="URL", help="Broker that the lock sends events to.")] = "",
    mqtt_ca: Annotated[Path | None, typer.Option(metavar="FILE", help="PEM certificate for mqtts.")] = None,
    mqtt_cert: Annotated[Path | None, typer.Option(metavar="FILE", help="PEM certificate that the lock shows.")] = None,
    mqtt_key: Annotated[Path | None, typer.Option(metavar="FILE", help="PEM key of that certificate.")] = None,
    mqtt_user: Annotated[str, typer.Option(help="Broker user of the lock.")] = "",
    mqtt_password: Annotated[str | None, typer.Option(envvar="LOBBYLOCK_MQTT_PASSWORD", show_envvar=True)] = None,
    wifi_ssid: Annotated[str, typer.Option(help="Network of the lock.")] = "",
    wifi_password: Annotated[str | None, typer.Option(envvar="LOBBYLOCK_WIFI_PASSWORD", show_envvar=True)] = None,
    ntp: Annotated[str, typer.Option(metavar="HOST[:PORT]", help="Time server; empty for none.")] = "pool.ntp.org",
    camera: Annotated[str, typer.Option(help=f"One of {', '.join(CAMERA_POLICIES)}.")] = "best-effort",
    release_ms: Annotated[int, typer.Option(help="Length of the strike pulse, 1000 to 10000.")] = 5_000,
    held_ms: Annotated[int, typer.Option(help="Open this long is held, 10000 to 600000.")] = 30_000,
    day_start: Annotated[str, typer.Option(metavar="HH:MM|SECONDS", help="Start of 24-hour codes, in UTC.")] = "00:00",
    contact: Annotated[bool, typer.Option(help="Whether a door contact is fitted.")] = True,
    zone: Annotated[str, typer.Option(metavar="NAME|TZ", help="Time zone of the building: America/New_York.")] = "UTC",
    area: Annotated[list[str] | None, typer.Option(help="What is behind it; may be repeated. (default: lobby)")] = None,
    bearer: Annotated[str, typer.Option(help="Badges without a key: off, single-use or short.")] = "single-use",
    bearer_for: Annotated[str, typer.Option(metavar="DURATION", help="Longest window of a short one.")] = "1d",
    nfc: Annotated[str, typer.Option(help="How the NFC reader is wired: off, uart or spi.")] = "off",
    keypad: Annotated[str, typer.Option(help="matrix or wiegand.")] = "matrix",
    ble: Annotated[str, typer.Option(help="Phones by Bluetooth: on, or off as on boards that lack it.")] = "on",
    out: OutOption = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Make a door, and its board's settings."""
    folder = open_home(home)
    folder.issuer()
    _check_out(out)
    options = Options(
        mqtt_url=mqtt,
        mqtt_user=mqtt_user,
        mqtt_password=_password(mqtt_password, mqtt_user, "MQTT password"),
        mqtt_ca=_read_pem(mqtt_ca) if mqtt_ca else "",
        mqtt_cert=_read_pem(mqtt_cert) if mqtt_cert else "",
        mqtt_key=_read_pem(mqtt_key) if mqtt_key else "",
        wifi_ssid=wifi_ssid,
        wifi_password=_password(wifi_password, wifi_ssid, "Wi-Fi password (empty for an open network)"),
        ntp=ntp,
        day_start_s=parse_day_start(day_start),
        release_ms=release_ms,
        held_ms=held_ms,
        camera=camera,
        has_contact=contact,
        areas=area or ["lobby"],
        zone=parse_zone(zone, int(time.time())),
        bearer=bearer,
        bearer_s=parse_duration(bearer_for),
        nfc=nfc,
        keypad=keypad,
        ble=ble,
    )
    options.check()
    door = folder.new_door(name, options)
    # With --out - there are the settings alone on standard output.
    typer.echo(f"{name} is a new door.", err=out is not None)
    if out is None:
        typer.echo(f"Its board's settings: lobbylock door settings {name} --out settings.json")
    else:
        _write_settings(folder, door, out)


@app.command("settings")
def settings(
    name: DoorArgument,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where to; - for standard output.")],
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Write the board's settings.json again. It holds secrets: the door's code key and its passwords."""
    folder = open_home(home)
    _check_out(out)
    _write_settings(folder, folder.door(name), out)


@app.command("revoke")
def revoke(
    name: DoorArgument,
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of credentials, in hex.")],
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Name credentials that open this door no more, from its next settings on."""
    folder = open_home(home)
    with folder.locked():
        door = folder.door(name)
        known = door.options.revoked
        door.options = replace(
            door.options, revoked=[*known, *dict.fromkeys(id.lower() for id in ids if id.lower() not in known)]
        )
        door.options.check_record()
        folder.save_door(door)
    typer.echo(f"{name} has {len(door.options.revoked)} revoked credentials; its board learns of them by its settings:")
    typer.echo(f"lobbylock door settings {name} --out settings.json")


@app.command("enrol")
def enrol(
    name: DoorArgument,
    public_key: Annotated[str | None, typer.Argument(metavar="PUBLIC_KEY_HEX", help="64 hex digits.")] = None,
    console_line: Annotated[str | None, typer.Option(metavar="JSON", help="The line that the lock prints.")] = None,
    journal: Annotated[str | None, typer.Option(metavar="SEQ:HEX", help="The journal's key in that line.")] = None,
    replace: Annotated[bool, typer.Option(help="The door has another board now.")] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Take the keys that the board made at its first start, so that its events can be verified."""
    folder = open_home(home)
    if (public_key is None) == (console_line is None):
        raise UserError("Give the public key, or --console-line with the line that the lock printed.")
    journal_key = _parse_journal(journal) if journal is not None else None
    if public_key:
        key = parse_public_key(public_key)
    else:
        key, printed = _parse_console_line(console_line or "", name)
        journal_key = journal_key or printed
    with folder.locked():
        door = folder.door(name)
        door.enrol(key, journal_key, may_replace=replace)
        folder.save_door(door)
    typer.echo(f"{name} is enrolled with key {key.hex()}.")
    if door.journal_key is None:
        typer.echo(
            "Its journal key is not known, so the collector takes nothing from it: add --journal SEQ:HEX from the line"
            " that the lock prints until its first event is acknowledged.",
            err=True,
        )


@app.command("list")
def list_doors(is_json: JsonOption = False, home: HomeOption = DEFAULT_HOME) -> None:
    """Show all doors."""
    folder = open_home(home)
    doors = [folder.door(name) for name in folder.door_names()]
    if is_json:
        values = [
            {
                "door": door.name,
                "tag": door.tag,
                "public_key": door.public_key.hex() if door.public_key else None,
                "drivers": sum(driver.removed_s is None for driver in door.drivers),
            }
            for door in doors
        ]
        typer.echo(json.dumps(values))
        return
    table = Table("door", "tag", "board's key", "drivers", "broker")
    for door in doors:
        key = door.public_key.hex()[:16] + "…" if door.public_key else "not enrolled"
        drivers = sum(driver.removed_s is None for driver in door.drivers)
        table.add_row(door.name, str(door.tag), key, str(drivers), door.options.mqtt_url or "none")
    open_console().print(table)


def _check_out(out: Path | None) -> None:
    if out is not None and str(out) != "-":
        check_writable(out)


def _write_settings(folder: Home, door: Door, out: Path) -> None:
    code_key, collector_key = folder.code_key(door), folder.collector().public_key
    keys = folder.issuer().keys
    data = compose(door.building, door.door, door.tag, code_key, collector_key, door.options, keys)
    if str(out) == "-":
        sys.stdout.write(data.decode())
    else:
        write_private(out, data)
        typer.echo(f"Wrote the settings of {door.name} to {out}; they hold secrets.", err=True)


def _password(given: str | None, owner: str, prompt: str) -> str:
    """Returns the password, asked for at a terminal if there is an owner for it but no option or variable."""
    if given is None and owner and sys.stdin.isatty():
        given = typer.prompt(prompt, default="", hide_input=True, show_default=False)
    return given or ""


def _read_pem(path: Path) -> str:
    try:
        return path.read_bytes()[: 1 << 16].decode()
    except UnicodeDecodeError:
        raise UserError(f"{path} is not a PEM file.") from None


def _parse_journal(text: str) -> JournalKey:
    seq, _, key = text.partition(":")
    return JournalKey.parse(int(seq) if re.fullmatch(r"[0-9]{1,18}", seq) else None, key)


def _parse_console_line(line: str, name: str) -> tuple[bytes, JournalKey | None]:
    """Returns the board's public key, and its journal's unless the lock no longer prints that."""
    try:
        value = json.loads(line) if len(line) <= _MAX_LINE_CHARACTERS else None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or not isinstance(value.get("public_key"), str):
        raise UserError("That is not the line that a lock prints at its start.")
    if value.get("door") != name:
        raise UserError(f"That line is of another door than {name}.")
    journal = value.get("journal")
    if journal is not None and not isinstance(journal, dict):
        raise UserError("That is not the line that a lock prints at its start.")
    key = JournalKey.parse(journal.get("seq"), journal.get("key")) if journal is not None else None
    return parse_public_key(value["public_key"]), key
