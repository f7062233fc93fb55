"""The Wi-Fi station. It reconnects by itself; nobody waits for it."""

import network


class Radio:
    def __init__(self) -> None:
        self._station = network.WLAN(network.STA_IF)
        # Also what makes the chip's random numbers true ones: on before the first key is made.
        self._station.active(True)

    def connect(self, ssid: str, password: str) -> None:
        """Starts connecting and returns. An empty `ssid` leaves the radio alone."""
        if ssid and not self._station.isconnected():
            self._station.connect(ssid, password)

    def is_up(self) -> bool:
        return self._station.isconnected()

    def strength(self):
        """Returns how well the access point is received in dBm, None without a connection."""
        return self._station.status("rssi") if self.is_up() else None

    def state(self) -> str:
        """Returns "up", "wrong_password", "not_found" or "connecting"."""
        status = self._station.status()
        if status == network.STAT_WRONG_PASSWORD:
            return "wrong_password"
        if status == network.STAT_NO_AP_FOUND:
            return "not_found"
        return "up" if self.is_up() else "connecting"
