"""Anything the ESP32 switches with one pin: on at one of its levels, off when nobody drives it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from virtualboard.circuit import Circuit


class Output:
    """On at the level `on`; a resistor to the other one keeps it off.

    `history` is every change as (ms of board time, 1 for on or 0 for off), whatever made it.
    """

    def __init__(self, gpio: int, on: int = 1) -> None:
        self.gpio = gpio
        self.on = on
        self.history: list[tuple[float, int]] = []

    def attach(self, circuit: Circuit) -> None:
        self._circuit = circuit
        circuit.pins.pull(self.gpio, 1 - self.on)
        circuit.pins.watch(self.gpio, lambda at_us, level: self.history.append((at_us / 1000, int(level == self.on))))

    @property
    def is_on(self) -> bool:
        return self._circuit.pins.level(self.gpio) == self.on
