"""The door's settings: one JSON file, taken whole or not at all. Fields and ranges: docs/protocol.md, section 6."""

import json
from binascii import unhexlify
from os import stat

from constant import const

from firmware.core.errors import SettingsError
from firmware.core.name import is_name
from firmware.core.zone import Zone

_PATH = const("settings.json")
_MAX_BYTES = const(8192)

# Camera policies.
REQUIRED = "required"
BEST_EFFORT = "best-effort"
OFF = "off"

# Field -> what it may say. `bearer` is read by core.decision, `nfc` and `keypad` by build.
_CHOICES = {
    "camera": (REQUIRED, BEST_EFFORT, OFF),
    "bearer": (OFF, "single-use", "short"),
    "nfc": (OFF, "uart", "spi"),
    "keypad": ("matrix", "wiegand"),
}
_TEXTS = {"mqtt_url": 128, "mqtt_user": 64, "mqtt_password": 64, "mqtt_ca": 4096, "wifi_ssid": 32, "wifi_password": 63}
_TEXTS["ntp"] = 128
_TEXTS["zone"] = 64
_NUMBERS = {
    "version": (1, 1),
    "tag": (0, 9),
    "day_start_s": (0, 86_399),
    "release_ms": (1_000, 10_000),
    "held_ms": (10_000, 600_000),
    "bearer_s": (300, 604_800),
}
_KEYS = const(("code_key", "collector_key"))
_NAMES = const(("building", "door"))
# Field -> how few and how many items it has.
_LISTS = {"issuers": (0, 4), "areas": (1, 8), "revoked": (0, 64)}


class Settings:
    """Validated settings as attributes: keys as 32 bytes, `mqtt` and `ntp` as (host, port) or None, `zone` as a Zone,
    `issuers` as [(kid, name, public key)], `areas` as names and `revoked` as credential ids, bytes.
    """

    def __init__(self, fields: dict) -> None:
        """Takes the parsed JSON object. Raises SettingsError with the name of the first field that is wrong."""
        expected = set(_TEXTS) | set(_NUMBERS) | set(_KEYS) | set(_NAMES) | set(_CHOICES) | set(_LISTS)
        expected.add("has_contact")
        for name in fields:
            if name not in expected:
                raise SettingsError(name[:32])
        for name in expected:
            if name not in fields:
                raise SettingsError(name)
        for name in _NAMES:
            _require(is_name(fields[name]), name)
        for name in _NUMBERS:
            _require(_is_in_range(fields[name], _NUMBERS[name]), name)
        for name in _TEXTS:
            _require(isinstance(fields[name], str) and len(fields[name]) <= _TEXTS[name], name)
        for name in _CHOICES:
            _require(fields[name] in _CHOICES[name], name)
        for name in _LISTS:
            _require(isinstance(fields[name], list) and _is_in_range(len(fields[name]), _LISTS[name]), name)
        _require(isinstance(fields["has_contact"], bool), "has_contact")
        self.building = fields["building"]
        self.door = fields["door"]
        self.tag = fields["tag"]
        self.day_start_s = fields["day_start_s"]
        self.release_ms = fields["release_ms"]
        self.held_ms = fields["held_ms"]
        self.camera = fields["camera"]
        self.bearer = fields["bearer"]
        self.bearer_s = fields["bearer_s"]
        self.nfc = fields["nfc"]
        self.keypad = fields["keypad"]
        self.has_contact = fields["has_contact"]
        self.code_key = _hex(fields["code_key"], 32, 32, "code_key")
        self.collector_key = _hex(fields["collector_key"], 32, 32, "collector_key")
        self.issuers = _issuers(fields["issuers"])
        self.areas = fields["areas"]
        for name in self.areas:
            _require(is_name(name), "areas")
        self.revoked = [_hex(text, 8, 16, "revoked") for text in fields["revoked"]]
        try:
            self.zone = Zone(fields["zone"])
        except ValueError:
            raise SettingsError("zone")
        self.wifi = (fields["wifi_ssid"], fields["wifi_password"])
        self.is_tls, self.mqtt = _broker(fields["mqtt_url"])
        self.mqtt_user = fields["mqtt_user"]
        self.mqtt_password = fields["mqtt_password"]
        self.mqtt_ca = fields["mqtt_ca"]
        _require(bool(self.mqtt_ca) or not self.is_tls, "mqtt_ca")
        self.ntp = _address(fields["ntp"], 123, "ntp") if fields["ntp"] else None

    @property
    def full_name(self) -> str:
        return self.building + "/" + self.door


def load(path: str = _PATH) -> Settings:
    """Returns the settings in the file. Raises SettingsError: "file" when it is missing, too long or not JSON."""
    try:
        if stat(path)[6] > _MAX_BYTES:
            raise SettingsError("file")
        with open(path) as file:
            fields = json.loads(file.read())
    except (OSError, ValueError, RuntimeError, MemoryError):
        # ValueError also covers a file cut in half and bytes that are not UTF-8; MemoryError, thousands of brackets.
        raise SettingsError("file")
    if not isinstance(fields, dict):
        raise SettingsError("file")
    return Settings(fields)


def _require(is_right: bool, name: str) -> None:
    if not is_right:
        raise SettingsError(name)


def _is_in_range(value, bounds: tuple) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and bounds[0] <= value <= bounds[1]


def _hex(text, low: int, high: int, name: str) -> bytes:
    """Returns the `low` to `high` bytes that `text` writes in hex."""
    _require(isinstance(text, str) and 2 * low <= len(text) <= 2 * high, name)
    try:
        return unhexlify(text)
    except ValueError:
        raise SettingsError(name)


def _issuers(items: list) -> list:
    """Returns [(kid, name, public key)]; several may have one name, while one key follows another."""
    found = []
    for item in items:
        _require(isinstance(item, dict) and len(item) == 3, "issuers")
        name = item.get("name")
        _require(isinstance(name, str) and 1 <= len(name.encode()) <= 32, "issuers")
        kid = _hex(item.get("kid"), 1, 8, "issuers")
        _require(kid not in [known[0] for known in found], "issuers")
        found.append((kid, name, _hex(item.get("key"), 32, 32, "issuers")))
    return found


def _broker(url: str) -> tuple:
    """Returns (is TLS, (host, port) or None)."""
    if not url:
        return False, None
    scheme, separator, rest = url.partition("://")
    _require(bool(separator) and scheme in ("mqtt", "mqtts"), "mqtt_url")
    is_tls = scheme == "mqtts"
    return is_tls, _address(rest, 8883 if is_tls else 1883, "mqtt_url")


def _address(text: str, default_port: int, name: str) -> tuple:
    host, separator, port = text.partition(":")
    _require(bool(host) and "/" not in text, name)
    if not separator:
        return host, default_port
    _require(port.isdigit() and len(port) <= 5 and 0 < int(port) < 65_536, name)
    return host, int(port)
