"""The board's settings.json, docs/protocol.md section 6."""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from cryptography import x509

from lobbylock.errors import UserError
from lobbylock.names import check_host_port, parse_broker_url

CAMERA_POLICIES = ("required", "best-effort", "off")
MAX_SETTINGS_BYTES = 8192
_TEXT_BYTES = {"mqtt_user": 64, "mqtt_password": 64, "mqtt_ca": 4096, "wifi_ssid": 32, "wifi_password": 63}
_RANGES = {"day_start_s": (0, 86_399), "release_ms": (1_000, 10_000), "held_ms": (10_000, 600_000)}


@dataclass(frozen=True)
class Options:
    """What an installer chooses for one door; the other settings follow from the issuer's keys and the door's name."""

    mqtt_url: str = ""
    mqtt_user: str = ""
    mqtt_password: str = ""
    mqtt_ca: str = ""
    wifi_ssid: str = ""
    wifi_password: str = ""
    ntp: str = ""
    day_start_s: int = 0
    release_ms: int = 5_000
    held_ms: int = 30_000
    camera: str = "best-effort"
    has_contact: bool = True

    @classmethod
    def load(cls, value: object) -> "Options":
        """Returns the options in a decoded JSON value. Raises UserError on any field that is not as it should be."""
        if not isinstance(value, dict) or set(value) != {field.name for field in fields(cls)}:
            raise UserError("fields are missing or unknown in the door's options")
        for field in fields(cls):
            if type(value[field.name]) is not type(field.default):
                raise UserError(f"{field.name} is of another type")
        options = cls(**value)
        options.check()
        return options

    def check(self) -> None:
        """Raises UserError for the first option that the lock would refuse."""
        for name, limit_bytes in _TEXT_BYTES.items():
            text = getattr(self, name)
            # The board counts in its own way; bytes of UTF-8 are the stricter one.
            if len(text.encode(errors="replace")) > limit_bytes:
                raise UserError(f"{name} is longer than {limit_bytes} bytes.")
            if name != "mqtt_ca" and not text.isprintable():
                raise UserError(f"{name} has a character that cannot be printed.")
        for name, (low, high) in _RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise UserError(f"{name} is {getattr(self, name)}, but must be {low} to {high}.")
        if self.camera not in CAMERA_POLICIES:
            raise UserError(f"The camera policy is one of {', '.join(CAMERA_POLICIES)}.")
        if self.ntp:
            check_host_port(self.ntp, "The time server")
        is_tls = bool(self.mqtt_url) and parse_broker_url(self.mqtt_url)[2]
        if is_tls and not self.mqtt_ca:
            raise UserError("An mqtts broker needs its CA certificate: give it with --mqtt-ca FILE.")
        if self.mqtt_ca:
            _check_pem(self.mqtt_ca)


def _check_pem(text: str) -> None:
    try:
        x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        raise UserError("The CA file holds no PEM certificate.") from None


def compose(building: str, door: str, tag: int, code_key: bytes, collector_key: bytes, options: Options) -> bytes:
    """Returns the bytes of settings.json, `code_key` (secret) and `collector_key` (public) being 32 bytes each.

    Raises UserError if they are more than the lock reads.
    """
    value: dict[str, Any] = {
        "version": 1,
        "building": building,
        "door": door,
        "tag": tag,
        "code_key": code_key.hex(),
        "collector_key": collector_key.hex(),
        **asdict(options),
    }
    data = (json.dumps(value, indent=1) + "\n").encode()
    if len(data) > MAX_SETTINGS_BYTES:
        raise UserError(f"The settings take {len(data)} bytes, and the lock reads {MAX_SETTINGS_BYTES}.")
    return data
