"""`network` with one Wi-Fi station. Whether the access point is there is the host's word; sockets are the machine's."""

import _virtual
from micropython import const

STA_IF = 0
AP_IF = 1
STAT_IDLE = 1000
STAT_CONNECTING = 1001
STAT_GOT_IP = 1010
STAT_NO_AP_FOUND = 201
STAT_WRONG_PASSWORD = 202

# From connect() to an address.
_JOIN_US = const(100000)


class WLAN:
    IF_STA = STA_IF
    IF_AP = AP_IF
    PM_NONE = 0
    PM_PERFORMANCE = 1
    PM_POWERSAVE = 2

    def __new__(cls, interface: int = STA_IF):
        if interface not in _interfaces:
            if interface not in (STA_IF, AP_IF):
                raise ValueError("invalid WLAN interface identifier")
            made = object.__new__(cls)
            made._is_station = interface == STA_IF
            made._is_active = False
            made._wanted = None
            made._settings = {"hostname": "mpy-esp32", "pm": 1, "reconnects": -1, "channel": 6}
            _interfaces[interface] = made
        return _interfaces[interface]

    def active(self, value=None) -> bool:
        if value is not None:
            self._is_active = bool(value)
            if not value:
                self._wanted = None
        return self._is_active

    def connect(self, ssid=None, key=None, *, bssid=None) -> None:
        if not self._is_active:
            raise OSError("Wifi Not Started")
        # Names without a key go to an open network.
        self._wanted = (_text(ssid), _text(key), _virtual.clock())

    def disconnect(self) -> None:
        self._wanted = None

    def isconnected(self) -> bool:
        return self._is_station and self.status() == STAT_GOT_IP

    def status(self, what=None):
        if what is not None:
            if what == "rssi":
                return -58
            raise ValueError("unknown status param")
        wanted = self._wanted
        since_us, ssid, key = _virtual.wlan
        if not wanted:
            return STAT_IDLE
        if since_us < 0 or (ssid is not None and ssid != wanted[0]):
            return STAT_NO_AP_FOUND
        if key is not None and key != wanted[1]:
            return STAT_WRONG_PASSWORD
        return STAT_GOT_IP if _virtual.clock(1) >= max(since_us, wanted[2]) + _JOIN_US else STAT_CONNECTING

    def config(self, *names, **settings):
        if settings:
            self._settings.update(settings)
            return None
        if names[0] == "mac":
            return b"\x24\x0a\xc4\x10\x20\x30"
        if names[0] in ("ssid", "essid"):
            return self._wanted[0] if self._wanted else ""
        if names[0] not in self._settings:
            raise ValueError("unknown config param")
        return self._settings[names[0]]

    def ifconfig(self, addresses=None):
        if addresses is None:
            local = "127.0.0.1" if self.isconnected() else "0.0.0.0"
            return (local, "255.0.0.0", local, local)

    def scan(self) -> list:
        since_us, ssid, _ = _virtual.wlan
        return [((ssid or "").encode(), b"\x02\0\0\0\0\x01", 6, -58, 3, False)] if since_us >= 0 else []


_interfaces = {}


def _text(value) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else value.decode()


def hostname(name=None):
    station = WLAN(STA_IF)
    if name is None:
        return station.config("hostname")
    station.config(hostname=name)


def country(code=None):
    return "XX" if code is None else None
