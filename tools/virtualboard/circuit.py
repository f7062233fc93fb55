"""What the chips are wired to: the ESP32's pins and lines, and the board's time."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Protocol

from virtualboard.bus import Buses
from virtualboard.clock import Clock
from virtualboard.pins import Pins
from virtualboard.serial import SerialPorts


class Circuit:
    """A chip takes `lock` for what others may call, and `random` for what it does by chance."""

    def __init__(self, clock: Clock, pins: Pins, serial: SerialPorts, buses: Buses, seed: int) -> None:
        self.lock = threading.RLock()
        self.random = random.Random(seed)
        self.clock = clock
        self.pins = pins
        self.serial = serial
        self.buses = buses

    @property
    def now_ms(self) -> float:
        """Board time in milliseconds."""
        return self.clock.now_us / 1000

    def at(self, delay_ms: float, action: Callable[[], object]) -> None:
        """Calls `action` in `delay_ms` milliseconds of board time."""
        with self.lock:
            self.clock.after(int(delay_ms * 1000), action)


class Chip(Protocol):
    """Anything that can be wired to the board."""

    def attach(self, circuit: Circuit) -> None:
        """Called once, before the power comes: register at the pins, serial ports or buses."""
        ...
