"""The board's settings.json, docs/protocol.md section 6."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from firmware.core import tz_string
from firmware.core.name import is_name
from lobbylock.errors import UserError
from lobbylock.names import check_host_port, parse_broker_url

CAMERA_POLICIES = ("required", "best-effort", "off")
_CHOICES = {
    "camera": CAMERA_POLICIES,
    "bearer": ("off", "single-use", "short"),
    "nfc": ("off", "uart", "spi"),
    "keypad": ("matrix", "wiegand"),
    "ble": ("off", "on"),
}
MAX_ISSUERS = 4
MAX_AREAS = 8
MAX_REVOKED = 64
MAX_ISSUER_NAME_BYTES = 32
MAX_SETTINGS_BYTES = 8192
_TEXT_BYTES = {"mqtt_user": 64, "mqtt_password": 64, "mqtt_ca": 4096, "wifi_ssid": 32, "wifi_password": 63}
RANGES = {"day_start_s": (0, 86_399), "release_ms": (1_000, 10_000), "held_ms": (10_000, 600_000)}
_TEXT_BYTES["mqtt_cert"] = _TEXT_BYTES["mqtt_key"] = 4096
RANGES["bearer_s"] = (300, 604_800)
# WPA2-PSK, IEEE 802.11 annex J.4; without any the network is open.
_MIN_WIFI_PASSWORD_BYTES = 8
_PEMS = frozenset(("mqtt_ca", "mqtt_cert", "mqtt_key"))
# What the building's file and the options of `door new` call it.
_SHOWN = {"bearer_s": "bearer_for, in seconds,"}
# What records of doors made by 0.1.0 lack.
_ADDED = frozenset(("areas", "zone", "bearer", "bearer_s", "revoked", "nfc", "keypad", "ble", "mqtt_cert", "mqtt_key"))


class IssuerKey(NamedTuple):
    """Who may sign credentials: `kid` is 1 to 8 bytes, `public_key` 32 bytes of Ed25519."""

    kid: bytes
    name: str
    public_key: bytes


@dataclass(frozen=True)
class Options:
    """What an installer chooses for one door; the other settings follow from the issuer's keys and the door's name."""

    mqtt_url: str = ""
    mqtt_user: str = ""
    mqtt_password: str = ""
    mqtt_ca: str = ""
    mqtt_cert: str = ""
    mqtt_key: str = ""
    wifi_ssid: str = ""
    wifi_password: str = ""
    ntp: str = ""
    day_start_s: int = 0
    release_ms: int = 5_000
    held_ms: int = 30_000
    camera: str = "best-effort"
    has_contact: bool = True
    areas: list[str] = field(default_factory=lambda: ["lobby"])
    zone: str = "UTC0"
    bearer: str = "single-use"
    bearer_s: int = 86_400
    revoked: list[str] = field(default_factory=list)
    nfc: str = "off"
    keypad: str = "matrix"
    ble: str = "off"

    @classmethod
    def load(cls, value: object) -> "Options":
        """Returns the options in a decoded JSON value. Raises UserError on any field that is not as it should be."""
        names = {each.name for each in fields(cls)}
        if not isinstance(value, dict) or not names - _ADDED <= set(value) <= names:
            raise UserError("fields are missing or unknown in the door's options")
        usual = asdict(cls())
        for name in value:
            if type(value[name]) is not type(usual[name]):
                raise UserError(f"{name} is of another type")
        options = cls(**value)
        options.check_record()
        return options

    def check(self) -> None:
        """Raises UserError for the first option that the lock would refuse or that could not work."""
        if 0 < len(self.wifi_password.encode(errors="replace")) < _MIN_WIFI_PASSWORD_BYTES:
            raise UserError(
                f"The Wi-Fi password has {_MIN_WIFI_PASSWORD_BYTES} to {_TEXT_BYTES['wifi_password']} characters, "
                "or none for an open network."
            )
        self.check_record()

    def check_record(self) -> None:
        """Raises UserError for the first option that the lock would refuse.

        The Wi-Fi password may be too short: locks take that, so doors that are there already may have one.
        """
        for name, limit_bytes in _TEXT_BYTES.items():
            text = getattr(self, name)
            # The board counts in its own way; bytes of UTF-8 are the stricter one.
            if len(text.encode(errors="replace")) > limit_bytes:
                raise UserError(f"{name} is longer than {limit_bytes} bytes.")
            if name not in _PEMS and not text.isprintable():
                raise UserError(f"{name} has a character that cannot be printed.")
        for name, (low, high) in RANGES.items():
            if not low <= getattr(self, name) <= high:
                shown = _SHOWN.get(name, name)
                raise UserError(f"{shown} is {getattr(self, name)}, but must be {low} to {high}.")
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise UserError(f"{name} is one of {', '.join(choices)}.")
        self._check_credentials()
        if self.ntp:
            check_host_port(self.ntp, "The time server")
        self._check_certificates()

    def _check_certificates(self) -> None:
        is_tls = bool(self.mqtt_url) and parse_broker_url(self.mqtt_url)[2]
        if is_tls and not self.mqtt_ca:
            raise UserError(f"An mqtts broker needs its CA certificate: {_give('ca')}.")
        if self.mqtt_ca:
            _load_certificate(self.mqtt_ca, "CA")
        if bool(self.mqtt_cert) != bool(self.mqtt_key):
            raise UserError(f"A client certificate and its key go together: {_give('cert', 'key')}.")
        if self.mqtt_cert:
            _check_pair(self.mqtt_cert, self.mqtt_key)

    def _check_credentials(self) -> None:
        if not 1 <= len(self.areas) <= MAX_AREAS or not all(map(is_name, self.areas)):
            raise UserError(f"A door has 1 to {MAX_AREAS} areas, each 1 to 32 characters of a-z, 0-9 and -.")
        if len(self.revoked) > MAX_REVOKED or not all(map(_is_credential_id, self.revoked)):
            raise UserError(f"A door knows up to {MAX_REVOKED} revoked credentials, each by 16 to 32 hex digits.")
        try:
            tz_string.parse(self.zone)
        except ValueError:
            raise UserError(
                f"{self.zone[:80]!r} is not a TZ string with its own rules, like EST5EDT,M3.2.0,M11.1.0."
            ) from None


def _give(*names: str) -> str:
    """Returns how files of the broker are named: `door new` has options for them, `install` the building's file."""
    options = " and ".join(f"--mqtt-{name} FILE" for name in names)
    keys = " and ".join(f"`{name}`" for name in names)
    return f"give {options}, or {keys} of [mqtt] in the building's file"


def _load_certificate(text: str, whose: str) -> x509.Certificate:
    """Returns the first certificate of a PEM text, the one that the lock takes."""
    try:
        return x509.load_pem_x509_certificates(text.encode())[0]
    except ValueError:
        raise UserError(f"The {whose} file holds no PEM certificate.") from None


def _check_pair(certificate: str, key: str) -> None:
    """Raises UserError if the lock could not show `certificate` with `key`, two PEM texts."""
    shown = _load_certificate(certificate, "client certificate's")
    try:
        private = serialization.load_pem_private_key(key.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UserError("The client key's file holds no PEM private key without a password.") from None
    form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    if private.public_key().public_bytes(*form) != shown.public_key().public_bytes(*form):
        raise UserError("The client key is not the one of the client certificate.")


def _is_credential_id(text: object) -> bool:
    if not isinstance(text, str) or not 16 <= len(text) <= 32 or len(text) % 2:
        return False
    return all(digit in "0123456789abcdefABCDEF" for digit in text)


def compose(
    building: str,
    door: str,
    tag: int,
    code_key: bytes,
    collector_key: bytes,
    options: Options,
    issuers: Sequence[IssuerKey] = (),
) -> bytes:
    """Returns the bytes of settings.json, `code_key` (secret) and `collector_key` (public) being 32 bytes each.

    Raises UserError if they are more than the lock reads.
    """
    if any(len(key.name.encode()) > MAX_ISSUER_NAME_BYTES for key in issuers):
        raise UserError(f"The issuer's name is longer than the {MAX_ISSUER_NAME_BYTES} bytes that locks read.")
    value: dict[str, Any] = {
        "version": 1,
        "building": building,
        "door": door,
        "tag": tag,
        "code_key": code_key.hex(),
        "collector_key": collector_key.hex(),
        "issuers": [{"kid": key.kid.hex(), "name": key.name, "key": key.public_key.hex()} for key in issuers],
        **asdict(options),
    }
    if not options.mqtt_cert:
        del value["mqtt_cert"], value["mqtt_key"]
    if options.ble == "off":
        # Locks from before there was Bluetooth take the file then.
        del value["ble"]
    data = (json.dumps(value, indent=1) + "\n").encode()
    if len(data) > MAX_SETTINGS_BYTES:
        raise UserError(f"The settings take {len(data)} bytes, and the lock reads {MAX_SETTINGS_BYTES}.")
    return data
