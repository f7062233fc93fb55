"""The door's settings: one JSON file, taken whole or not at all. Fields and ranges: docs/protocol.md, section 6."""

import json
from binascii import a2b_base64, unhexlify
from os import stat

from constant import const

from firmware.core import tz_string
from firmware.core.config import BEST_EFFORT, OFF, REQUIRED, Config
from firmware.core.errors import SettingsError
from firmware.core.name import is_name

_PATH = const("settings.json")
_MAX_BYTES = const(8192)

# Field -> what it may say. `bearer` is read by core.decision, `nfc` and `keypad` by build.
_CHOICES = {
    "camera": (REQUIRED, BEST_EFFORT, OFF),
    "bearer": (OFF, "single-use", "short"),
    "nfc": (OFF, "uart", "spi"),
    "keypad": ("matrix", "wiegand"),
    "ble": (OFF, "on"),
}
_TEXTS = {"mqtt_url": 128, "mqtt_user": 64, "mqtt_password": 64, "mqtt_ca": 4096, "wifi_ssid": 32, "wifi_password": 63}
# What the PEM block is called that each of them holds.
_PEMS = {"mqtt_ca": "CERTIFICATE", "mqtt_cert": "CERTIFICATE", "mqtt_key": "PRIVATE KEY"}
# Boards whose settings were written before there were these go on with them.
_OPTIONAL = const(("mqtt_cert", "mqtt_key"))
_TEXTS["mqtt_cert"] = _TEXTS["mqtt_key"] = 4096
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


def load(path: str = _PATH, offers: dict | None = None) -> Config:
    """Returns the settings in the file. Raises SettingsError: "file" when it is missing, too long or not JSON.

    `offers` is what the board has pins for, as OFFERS in `firmware.board.pins`; None is a board that has all.
    """
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
    return read(fields, offers)


def read(fields: dict, offers: dict | None = None) -> Config:
    """Returns the settings in the parsed JSON object. Raises SettingsError with the first field that is wrong."""
    _check_form(fields)
    if offers:
        _require(fields["nfc"] in (OFF,) + offers["nfc"], "nfc")
        _require(fields["keypad"] in offers["keypad"], "keypad")
        _require(fields["camera"] == OFF or offers["camera"], "camera")
        _require(fields["ble"] == OFF or offers["ble"], "ble")
    return _config(fields)


def _check_form(fields: dict) -> None:
    """Looks at names, types and ranges; fills in what may be left out."""
    expected = set(_TEXTS) | set(_NUMBERS) | set(_KEYS) | set(_NAMES) | set(_CHOICES) | set(_LISTS)
    expected.add("has_contact")
    for name in _OPTIONAL:
        fields.setdefault(name, "")
    fields.setdefault("ble", OFF)
    for name in fields:
        if name not in expected:
            raise SettingsError(str(name)[:32])
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


def _config(fields: dict) -> Config:
    config = Config()
    config.building = fields["building"]
    config.door = fields["door"]
    config.tag = fields["tag"]
    config.day_start_s = fields["day_start_s"]
    config.release_ms = fields["release_ms"]
    config.held_ms = fields["held_ms"]
    config.camera = fields["camera"]
    config.bearer = fields["bearer"]
    config.bearer_s = fields["bearer_s"]
    config.nfc = fields["nfc"]
    config.keypad = fields["keypad"]
    config.ble = fields["ble"]
    config.has_contact = fields["has_contact"]
    config.code_key = _hex(fields["code_key"], 32, 32, "code_key")
    config.collector_key = _hex(fields["collector_key"], 32, 32, "collector_key")
    config.issuers = _issuers(fields["issuers"])
    config.areas = fields["areas"]
    for name in config.areas:
        _require(is_name(name), "areas")
    config.revoked = [_hex(text, 8, 16, "revoked") for text in fields["revoked"]]
    try:
        config.zone = tz_string.parse(fields["zone"])
    except ValueError:
        raise SettingsError("zone")
    config.wifi = (fields["wifi_ssid"], fields["wifi_password"])
    config.is_tls, config.mqtt = _broker(fields["mqtt_url"])
    config.mqtt_user = fields["mqtt_user"]
    config.mqtt_password = fields["mqtt_password"]
    config.mqtt_ca = _der(fields, "mqtt_ca")
    config.mqtt_cert = _der(fields, "mqtt_cert")
    config.mqtt_key = _der(fields, "mqtt_key")
    _require(bool(config.mqtt_ca) or not config.is_tls, "mqtt_ca")
    _require(bool(config.mqtt_cert) == bool(config.mqtt_key), "mqtt_key" if config.mqtt_cert else "mqtt_cert")
    config.ntp = _address(fields["ntp"], 123, "ntp") if fields["ntp"] else None
    return config


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


def _der(fields: dict, name: str) -> bytes:
    """Returns what is in the first fitting block of a PEM text, nothing for an empty one."""
    if not fields[name]:
        return b""
    # Text before, then in turn a block's label, its content, its end, and text behind.
    parts = fields[name].split("-----")
    for at in range(1, len(parts) - 2, 4):
        label = parts[at]
        if label.endswith(_PEMS[name]) and "ENCRYPTED" not in label + parts[at + 1]:
            try:
                der = a2b_base64(parts[at + 1])
            except ValueError:
                break
            _require(der[:1] == b"\x30", name)
            return der
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
