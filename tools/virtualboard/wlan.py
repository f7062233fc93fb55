"""The access point that the board's Wi-Fi may find. Sockets are the machine's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from virtualboard.clock import Clock


class AccessPoint:
    """Set `available` to switch it on and off; with an `ssid` or `password` the board must know them."""

    def __init__(self, clock: Clock, changed: Callable[[], None]) -> None:
        self._clock = clock
        self._changed = changed
        self.since_us = 0
        self.ssid: str | None = None
        self.password: str | None = None

    @property
    def available(self) -> bool:
        return self.since_us >= 0

    @available.setter
    def available(self, is_there: bool) -> None:
        if is_there != self.available:
            self.since_us = self._clock.now_us if is_there else -1
            self._changed()

    def set_name(self, ssid: str, password: str) -> None:
        """Gives the access point a name and a password. The board has to join again."""
        self.ssid, self.password = ssid, password
        self._changed()

    @property
    def data(self) -> bytes:
        """As the link carries it."""
        return b"" if self.ssid is None else f"{self.ssid}\0{self.password}".encode()
