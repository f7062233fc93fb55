"""The electric strike: released while its pin is high. A resistor keeps it at rest when nobody drives the pin."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from virtualboard.circuit import Circuit


class Strike:
    """`history` is every change as (ms of board time, level), whether a pin or a pulse of the RMT made it."""

    def __init__(self, gpio: int = 26) -> None:
        self.gpio = gpio
        self.history: list[tuple[float, int]] = []

    def attach(self, circuit: Circuit) -> None:
        self._circuit = circuit
        circuit.pins.pull(self.gpio, 0)
        circuit.pins.watch(self.gpio, lambda at_us, level: self.history.append((at_us / 1000, level)))

    @property
    def is_released(self) -> bool:
        """Whether the door can be pulled open now."""
        return bool(self._circuit.pins.level(self.gpio))

    @property
    def pulses(self) -> list[tuple[float, float | None]]:
        """Every release as (from, to) in ms of board time; None for one that is still going on."""
        starts = [at for at, level in self.history if level]
        ends: list[float | None] = [at for at, level in self.history if not level]
        return list(zip(starts, [*ends, None], strict=False))
