"""What Home Assistant is told a door is: topics, and the payload of MQTT device discovery. Pure: no store, no network.

Device discovery is one retained message on `PREFIX/device/ID/config` with `dev`, `o` and `cmps`, of Home Assistant
2024.12 and later. No component has a command topic, and none is a lock: a lock entity would need one.
"""

import json
import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from lobbylock import __version__
from lobbylock.door import Door
from lobbylock.errors import UserError

DEFAULT_PREFIX = "homeassistant"
ROOT = "lobbylock-home"
ONLINE, OFFLINE = "online", "offline"
ON, OFF, UNKNOWN = "ON", "OFF", "None"

# Components, which are also the last part of their topics.
STRIKE = "strike"
CONTACT = "door"
TAMPER = "tamper"
PROBLEM = "problem"
CONNECTIVITY = "connectivity"
EVENT = "event"
IMAGE = "image"
LAST_DELIVERY = "last_delivery"
QUEUE = "queue"
# Topics besides: what `last_delivery` has as attributes.
ATTRIBUTES = "last_delivery_attributes"
TOPICS = (STRIKE, CONTACT, TAMPER, PROBLEM, CONNECTIVITY, EVENT, IMAGE, LAST_DELIVERY, QUEUE, ATTRIBUTES)

# Types of events. Residents may read of the first ones, managers of all.
DELIVERY = "delivery"
REFUSED = "refused"
FORCED = "forced"
LATE = "late"
ENTRY = "entry"
EVENT_TYPES = (DELIVERY, REFUSED, FORCED, LATE)
ALL_EVENT_TYPES = (*EVENT_TYPES, ENTRY, "held", "locked_out", "gap", "tamper", "fault")

# How much longer than its pulse a strike is shown as released when nobody says that it is locked again.
STRIKE_GRACE_S = 2.0
# Home Assistant does the same by itself if this side cannot any more, a little later.
_OFF_DELAY_GRACE_S = 5
_ID_HEX = 8
_PREFIX = re.compile(r"[A-Za-z0-9_-]{1,64}(?:/[A-Za-z0-9_-]{1,64}){0,4}")


def check_prefix(prefix: str) -> str:
    """Returns `prefix` if Home Assistant's discovery can go by it. Raises UserError."""
    if not _PREFIX.fullmatch(prefix) or prefix.split("/")[0] in ("lobbylock", ROOT):
        raise UserError("Home Assistant's prefix is made of letters, digits, _ and -, as homeassistant is.")
    return prefix


@dataclass(frozen=True)
class Names:
    """The topics of one collector, told apart from others at the same broker by `collector_key`, its public key."""

    collector_key: bytes
    prefix: str = DEFAULT_PREFIX

    @property
    def id(self) -> str:
        """What tells this collector from others, 8 hex digits."""
        return sha256(self.collector_key).hexdigest()[:_ID_HEX]

    @property
    def root(self) -> str:
        """What all topics of states begin with."""
        return f"{ROOT}/{self.id}"

    @property
    def service(self) -> str:
        """The topic that says whether this side is there; its last will is there too."""
        return f"{self.root}/status"

    @property
    def birth(self) -> str:
        """Where Home Assistant says that it is there."""
        return f"{self.prefix}/status"

    def device(self, door: str) -> str:
        """Returns the id of a door's device. Names of doors have no underscore, so no two doors share one."""
        return f"{self._devices}{door.replace('/', '_')}"

    @property
    def _devices(self) -> str:
        return f"lobbylock_{self.id}_"

    def config(self, door: str) -> str:
        """Returns the topic of a door's discovery message."""
        return f"{self.prefix}/device/{self.device(door)}/config"

    def topic(self, door: str, what: str) -> str:
        """Returns the topic of one of TOPICS."""
        return f"{self.root}/{door}/{what}"

    def door_of_config(self, topic: str) -> str | None:
        """Returns the door whose discovery message has `topic`, None if it is not one of this collector's."""
        start = f"{self.prefix}/device/{self._devices}"
        name = topic[len(start) : -len("/config")] if topic.startswith(start) and topic.endswith("/config") else ""
        building, _, door = name.partition("_")
        return f"{building}/{door}" if building and door and "/" not in name else None

    def door_of_topic(self, topic: str) -> str | None:
        """Returns the door that a topic of a state is about, None if it is not one of this collector's."""
        parts = topic[len(self.root) + 1 :].split("/") if topic.startswith(self.root + "/") else []
        return f"{parts[0]}/{parts[1]}" if len(parts) == 3 else None


def discovery(
    door: Door, names: Names, *, version: str | None = None, page: str | None = None, shows_all: bool = False
) -> dict[str, Any]:
    """Returns the discovery message of `door` as JSON values.

    `version` is that of the lock's firmware, `page` the address of the page of `lobbylock serve`; `shows_all` adds what
    only managers may read.
    """
    device: dict[str, Any] = {
        "ids": [names.device(door.name)],
        "name": door.name,
        "mf": "LobbyLock",
        "mdl": "LobbyLock reader",
    }
    if version:
        device["sw"] = version
    if page:
        device["cu"] = f"{page}/door/{door.name}"
    return {
        "dev": device,
        "o": {"name": "lobbylock", "sw": __version__},
        "availability": [{"topic": names.service}],
        "availability_mode": "all",
        "qos": 1,
        "cmps": _components(door, names, shows_all),
    }


def encode(value: object) -> bytes:
    """Returns JSON in ASCII: what strangers wrote stays text in it."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def without(config: dict[str, Any], former: Collection[str]) -> dict[str, Any] | None:
    """Returns the message that has Home Assistant remove the components `former` that `config` has no more, None if
    there are none. One with nothing but its platform is removed; the whole message has to follow."""
    gone = {key: {"p": _PLATFORMS[key]} for key in former if key not in config["cmps"] and key in _PLATFORMS}
    return {**config, "cmps": {**config["cmps"], **gone}} if gone else None


_PLATFORMS = {
    STRIKE: "binary_sensor",
    CONTACT: "binary_sensor",
    TAMPER: "binary_sensor",
    PROBLEM: "binary_sensor",
    CONNECTIVITY: "binary_sensor",
    EVENT: "event",
    IMAGE: "image",
    LAST_DELIVERY: "sensor",
    QUEUE: "sensor",
}


def _components(door: Door, names: Names, shows_all: bool) -> dict[str, dict[str, Any]]:
    def component(key: str, name: str, **options: Any) -> dict[str, Any]:
        found = {"p": _PLATFORMS[key], "unique_id": f"{names.device(door.name)}_{key}", "name": name}
        if key != IMAGE:
            found["state_topic"] = names.topic(door.name, key)
        return {**found, **options}

    # A lock that is not connected cannot say how its door is.
    present = [{"topic": names.service}, {"topic": names.topic(door.name, CONNECTIVITY)}]
    pulse_s = math.ceil(door.options.release_ms / 1000) + _OFF_DELAY_GRACE_S
    found = {
        STRIKE: component(STRIKE, "Strike", device_class="lock", off_delay=pulse_s, availability=present),
        CONTACT: component(CONTACT, "Door", device_class="door", availability=present),
        TAMPER: component(TAMPER, "Tamper", device_class="tamper"),
        PROBLEM: component(PROBLEM, "Problem", device_class="problem", entity_category="diagnostic"),
        CONNECTIVITY: component(
            CONNECTIVITY,
            "Connection",
            device_class="connectivity",
            entity_category="diagnostic",
            payload_on=ONLINE,
            payload_off=OFFLINE,
        ),
        EVENT: component(EVENT, "Event", event_types=list(ALL_EVENT_TYPES if shows_all else EVENT_TYPES)),
        IMAGE: component(IMAGE, "Last picture", image_topic=names.topic(door.name, IMAGE), content_type="image/jpeg"),
        LAST_DELIVERY: component(
            LAST_DELIVERY,
            "Last delivery",
            device_class="timestamp",
            json_attributes_topic=names.topic(door.name, ATTRIBUTES),
        ),
        QUEUE: component(
            QUEUE, "Events waiting", state_class="measurement", entity_category="diagnostic", icon="mdi:tray-full"
        ),
    }
    if not door.options.has_contact:
        del found[CONTACT]
    if door.options.camera == "off":
        del found[IMAGE]
    return found
