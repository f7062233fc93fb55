"""building.toml: what an installer brings along, one file for all doors of a building."""

import difflib
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lobbylock import boards
from lobbylock.errors import UserError
from lobbylock.moment import parse_day_start, parse_duration
from lobbylock.names import split_door
from lobbylock.settings import RANGES, Options
from lobbylock.zones import parse_zone

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports]

_MAX_BYTES = 1 << 18
_SECTIONS = {
    "": ("building", "zone", "ntp", "day_start", "wifi", "mqtt", "door"),
    "wifi": ("ssid", "password"),
    "mqtt": ("url", "user", "password", "ca", "cert", "key"),
    "door": ("name", "board", "keypad", "nfc", "ble", "camera", "areas", "release_s", "held_s", "contact", "bearer")
    + ("bearer_for", "mqtt_user", "mqtt_password"),
}
# Passwords may stay out of the file.
WIFI_VARIABLE = "LOBBYLOCK_WIFI_PASSWORD"
MQTT_VARIABLE = "LOBBYLOCK_MQTT_PASSWORD"

TEMPLATE = """\
# What `lobbylock install` makes doors from. Keep it private if passwords are in it.

building = "maple-12"           # a-z, 0-9 and -
zone = "America/New_York"       # of the building's clock
ntp = "pool.ntp.org"            # "" for none

[wifi]
ssid = "maple-staff"
password = ""                   # or in the environment: LOBBYLOCK_WIFI_PASSWORD

[mqtt]
url = "mqtts://broker.example"  # "" for none: events then wait on the board
user = ""
password = ""                   # or in the environment: LOBBYLOCK_MQTT_PASSWORD
ca = "ca.pem"                   # files beside this one; needed for mqtts
# cert = "client.pem"           # if the broker wants the lock's certificate
# key = "client.key"

[[door]]
name = "front"                  # the door is then maple-12/front
board = "esp32-devkitc"         # `lobbylock boards` lists them
keypad = "matrix"               # or "wiegand"
nfc = "uart"                    # "spi", or "off" without a card reader
ble = "on"                      # phones by Bluetooth; "off" on boards that lack it
camera = "best-effort"          # "required", or "off" without one
areas = ["lobby"]               # what is behind it
release_s = 5                   # how long the strike is released, 1 to 10
held_s = 30                     # open this long is reported
contact = true                  # whether a door contact is fitted
bearer = "single-use"           # badges without a key: "off", "single-use" or "short"
# bearer_for = "1d"             # longest window under "short"
# mqtt_user = "maple-12-front"  # if each door has its own; likewise mqtt_password
"""


@dataclass(frozen=True, repr=False)
class DoorPlan:
    """One door as the file wants it: the kind of its board, and its options, which hold passwords."""

    name: str
    board: boards.Board
    options: Options


class BuildingFile:
    """The file at `path`; `environment` may hold the passwords. Methods raise UserError for what is wrong in it."""

    def __init__(self, path: Path, environment: Mapping[str, str] = os.environ) -> None:
        self._path = path
        self._environment = environment
        self._whole = _read(path)
        _check_keys(self._whole, "", path)
        self._building = self._text(self._whole, "building", "", None)
        self._wifi = self._section("wifi")
        self._mqtt = self._section("mqtt")
        self._doors = self._tables()
        names = self.door_names
        for name in names:
            split_door(name)
            if names.count(name) > 1:
                raise UserError(f"{path} has two doors {name}: give each [[door]] a name of its own.")

    @property
    def door_names(self) -> list[str]:
        """The full names of the doors in it, in order."""
        return [f"{self._building}/{self._text(door, 'name', 'door', None)}" for door in self._doors]

    def find(self, name: str | None) -> str:
        """Returns the full name of the door called `name`, full or only its last part, or the only one for None."""
        names = self.door_names
        if name is None and len(names) > 1:
            raise UserError(f"{self._path} has {len(names)} doors: choose one with --door: {', '.join(names)}.")
        wanted = names[0] if name is None else name if "/" in name else f"{self._building}/{name}"
        if wanted not in names:
            raise UserError(f"{self._path} has no door {wanted[:80]}; it has {', '.join(names)}.")
        return wanted

    def plan(self, name: str, revoked: list[str]) -> DoorPlan:
        """Returns the door with the full name `name`.

        `revoked` are the ids that the door's record has revoked, which no file of an installer brings back.
        """
        door = self._doors[self.door_names.index(name)]
        kind = self._text(door, "board", "door", None)
        # A board of one's own has its file beside this one, or where an absolute path says.
        board = boards.load(self._path.parent / kind if kind.endswith(".toml") else kind)
        options = self._options(door, board, revoked)
        options.check()
        _check_fits(options, board)
        return DoorPlan(name, board, options)

    def _options(self, door: dict[str, Any], board: boards.Board, revoked: list[str]) -> Options:
        usual = Options()
        return Options(
            mqtt_url=self._text(self._mqtt, "url", "mqtt", ""),
            mqtt_user=self._text(door, "mqtt_user", "door", self._text(self._mqtt, "user", "mqtt", "")),
            mqtt_password=self._secret(door, "mqtt_password", "door", "")
            or self._secret(self._mqtt, "password", "mqtt", MQTT_VARIABLE),
            mqtt_ca=self._pem("ca"),
            mqtt_cert=self._pem("cert"),
            mqtt_key=self._pem("key"),
            wifi_ssid=self._text(self._wifi, "ssid", "wifi", ""),
            wifi_password=self._secret(self._wifi, "password", "wifi", WIFI_VARIABLE),
            ntp=self._text(self._whole, "ntp", "", "pool.ntp.org"),
            day_start_s=parse_day_start(self._text(self._whole, "day_start", "", "00:00")),
            release_ms=self._milliseconds(door, "release_s", "release_ms", usual.release_ms),
            held_ms=self._milliseconds(door, "held_s", "held_ms", usual.held_ms),
            camera=self._text(door, "camera", "door", usual.camera),
            has_contact=self._flag(door, "contact"),
            areas=self._texts(door, "areas", usual.areas),
            zone=parse_zone(self._text(self._whole, "zone", "", "UTC"), int(time.time())),
            bearer=self._text(door, "bearer", "door", usual.bearer),
            bearer_s=parse_duration(self._text(door, "bearer_for", "door", "1d")),
            revoked=revoked,
            nfc=self._text(door, "nfc", "door", usual.nfc),
            keypad=self._text(door, "keypad", "door", usual.keypad),
            ble=self._text(door, "ble", "door", "on" if board.has_ble else "off"),
        )

    def _section(self, name: str) -> dict[str, Any]:
        value = self._whole.get(name, {})
        if not isinstance(value, dict):
            raise UserError(f"{self._path}: [{name}] is not a section.")
        _check_keys(value, name, self._path)
        return value

    def _tables(self) -> list[dict[str, Any]]:
        doors = self._whole.get("door")
        if not isinstance(doors, list) or not doors or not all(isinstance(door, dict) for door in doors):
            raise UserError(f"{self._path} has no [[door]] section; `lobbylock install --template` shows one.")
        for door in doors:
            _check_keys(door, "door", self._path)
        return doors

    def _wrong(self, section: str, name: str, what: str) -> UserError:
        # What stands there instead may be a password.
        return UserError(f"{self._path}: {_shown(section, name)} is not {what}.")

    def _text(self, table: dict[str, Any], name: str, section: str, usual: str | None) -> str:
        value = table.get(name, usual)
        if value is None:
            raise UserError(f"{self._path}: {_shown(section, name)} is missing.")
        if not isinstance(value, str):
            raise self._wrong(section, name, "a text in quotes")
        return value

    def _secret(self, table: dict[str, Any], name: str, section: str, variable: str) -> str:
        return self._text(table, name, section, "") or self._environment.get(variable, "")

    def _flag(self, table: dict[str, Any], name: str) -> bool:
        value = table.get(name, True)
        if not isinstance(value, bool):
            raise self._wrong("door", name, "true or false")
        return value

    def _milliseconds(self, table: dict[str, Any], name: str, option: str, usual_ms: int) -> int:
        value = table.get(name, usual_ms / 1000)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e6:
            raise self._wrong("door", name, "a number of seconds")
        low_ms, high_ms = RANGES[option]
        value_ms = round(value * 1000)
        if not low_ms <= value_ms <= high_ms:
            # `Options.check` would name it by the board's name and in the board's unit.
            raise UserError(
                f"{self._path}: {_shown('door', name)} is {value:g}, but must be {low_ms // 1000} to {high_ms // 1000}."
            )
        return value_ms

    def _texts(self, table: dict[str, Any], name: str, usual: list[str]) -> list[str]:
        value = table.get(name, usual)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._wrong("door", name, "a list of texts")
        return list(value)

    def _pem(self, name: str) -> str:
        """Returns the text of a file that lies beside building.toml, or where an absolute path says."""
        file = self._text(self._mqtt, name, "mqtt", "")
        if not file:
            return ""
        path = self._path.parent / file
        try:
            with open(path, "rb") as opened:
                return opened.read(_MAX_BYTES).decode()
        except OSError as error:
            raise UserError(f"{_shown('mqtt', name)} names {path}, which cannot be read: {error.strerror}.") from None
        except UnicodeDecodeError:
            raise UserError(f"{_shown('mqtt', name)} names {path}, which is not a PEM file.") from None
        except ValueError:
            # No system has a name with a NUL in it, which TOML can write.
            raise UserError(f"{_shown('mqtt', name)} names {file[:80]!r}, which no file can be called.") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise UserError(f"There is no {path}; `lobbylock install --template > {path}` begins one.") from None
    if len(data) > _MAX_BYTES:
        raise UserError(f"{path} is too long to be a building's file.")
    try:
        return tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        # Its own words name line and column, and may quote a character but no value.
        raise UserError(f"{path} is not TOML: {error}.") from None


def _shown(section: str, name: str) -> str:
    return {"": name, "door": f"{name} of [[door]]"}.get(section, f"{name} of [{section}]")


def _check_keys(table: dict[str, Any], section: str, path: Path) -> None:
    known = _SECTIONS[section]
    for name in table:
        if name in known:
            continue
        near = difflib.get_close_matches(name, known, 1, 0.5)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}."
        raise UserError(f"{path}: {_shown(section, name[:40])} is not known; {hint}")


def _check_fits(options: Options, board: boards.Board) -> None:
    """Raises UserError for a part of the door that its board has no pins or no memory for."""
    if options.nfc != "off" and options.nfc not in board.nfc:
        raise UserError(f'nfc of [[door]]: {board.name} has {_listed(board.nfc)}, or "off".')
    if options.keypad not in board.keypad:
        raise UserError(f"keypad of [[door]]: {board.name} has {_listed(board.keypad)}.")
    if options.camera != "off" and not board.has_camera:
        raise UserError(f'camera of [[door]]: {board.name} has no pins for one; say "off".')
    if options.ble != "off" and not board.has_ble:
        raise UserError(f'ble of [[door]]: {board.name} has no memory for it beside Wi-Fi; say "off".')


def _listed(names: tuple[str, ...]) -> str:
    return " or ".join(f'"{name}"' for name in names) or "none"
