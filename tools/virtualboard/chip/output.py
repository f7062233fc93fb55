"""Anything the ESP32 switches with one pin: on while the pin is high, off when nobody drives it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from virtualboard.circuit import Circuit


class Output:
    """`history` is every change as (ms of board time, level), whatever made it."""

    def __init__(self, gpio: int) -> None:
        self.gpio = gpio
        self.history: list[tuple[float, int]] = []

    def attach(self, circuit: Circuit) -> None:
        self._circuit = circuit
        circuit.pins.pull(self.gpio, 0)
        circuit.pins.watch(self.gpio, lambda at_us, level: self.history.append((at_us / 1000, level)))

    @property
    def is_on(self) -> bool:
        return bool(self._circuit.pins.level(self.gpio))
