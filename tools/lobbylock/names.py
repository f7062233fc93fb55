"""Names of doors and people, and addresses of brokers, as the protocol allows them."""

import re

from lobbylock.errors import UserError

_NAME = re.compile(r"[a-z0-9-]{1,32}")
_DOOR = re.compile(rf"({_NAME.pattern})/({_NAME.pattern})")
_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})"
_URL = re.compile(rf"(mqtts?)://({_HOST})(?::([0-9]{{1,5}}))?")
_HOST_PORT = re.compile(rf"({_HOST})(?::([0-9]{{1,5}}))?")
_DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}
# What a lock without settings goes by.
NO_DOOR = "unset/unset"
MAX_PERSON_CHARACTERS = 64


def is_door(full_name: str) -> bool:
    """Whether `full_name` is a "building/door" by docs/protocol.md, "Names"."""
    return _DOOR.fullmatch(full_name) is not None


def split_door(full_name: str) -> tuple[str, str]:
    """Returns (building, door). Raises UserError if the name is not one."""
    match = _DOOR.fullmatch(full_name)
    if match is None:
        raise UserError(
            f"{full_name[:80]!r} is not a door's name: write BUILDING/DOOR, each 1 to 32 characters of a-z, 0-9 and -."
        )
    return match.group(1), match.group(2)


def check_building(name: str) -> str:
    """Returns `name` if a building can be called so. Raises UserError."""
    if not _NAME.fullmatch(name):
        raise UserError(f"{name[:80]!r} is not a building's name: 1 to 32 characters of a-z, 0-9 and -.")
    return name


def check_person(name: str) -> str:
    """Returns `name` without the spaces around it. Raises UserError unless 1 to 64 printable characters are left."""
    name = name.strip()
    if not 0 < len(name) <= MAX_PERSON_CHARACTERS or not name.isprintable():
        raise UserError(f"A name is 1 to {MAX_PERSON_CHARACTERS} printable characters.")
    return name


def parse_broker_url(url: str) -> tuple[str, int, bool]:
    """Returns (host, port, whether it is TLS) of "mqtt://host[:port]" or "mqtts://host[:port]". Raises UserError."""
    match = _URL.fullmatch(url)
    port = int(match.group(3) or _DEFAULT_PORTS[match.group(1)]) if match else 0
    if match is None or not 0 < port < 65536:
        # Somebody may have written a password into it, so it is not repeated here.
        raise UserError("The broker's address is not of the form mqtt://host[:port] or mqtts://host[:port].")
    return match.group(2), port, match.group(1) == "mqtts"


def check_host_port(text: str, what: str) -> str:
    """Returns `text` if it is "host" or "host:port". Raises UserError naming `what` it should have been."""
    match = _HOST_PORT.fullmatch(text)
    if match is None or not 0 < int(match.group(2) or 1) < 65536:
        raise UserError(f"{what} {text[:80]!r} is not of the form host[:port].")
    return text
