"""What an installer said about one door; `store.settings` reads and checks it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from firmware.core.zone import Zone

# Camera policies, and what else may be switched off.
REQUIRED = "required"
BEST_EFFORT = "best-effort"
OFF = "off"


class Config:
    """The settings as attributes, by their names in docs/protocol.md section 6.

    Keys are 32 bytes, `mqtt` and `ntp` (host, port) or None, `zone` is a zone.Zone, `issuers` are (kid, name, public
    key), `revoked` are credential ids; `wifi` is (name, password) and `is_tls` tells of the broker. `mqtt_ca`,
    `mqtt_cert` and `mqtt_key` are DER, empty if there is none.
    """

    building: str
    door: str
    tag: int
    day_start_s: int
    release_ms: int
    held_ms: int
    camera: str
    bearer: str
    bearer_s: int
    nfc: str
    keypad: str
    ble: str
    has_contact: bool
    code_key: bytes
    collector_key: bytes
    issuers: list
    areas: list
    revoked: list
    zone: "Zone"
    wifi: tuple
    is_tls: bool
    mqtt: "tuple | None"
    mqtt_user: str
    mqtt_password: str
    mqtt_ca: bytes
    mqtt_cert: bytes
    mqtt_key: bytes
    ntp: "tuple | None"

    @property
    def full_name(self) -> str:
        return self.building + "/" + self.door
