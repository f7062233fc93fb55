"""What a person at the door sees and hears: an LED or a buzzer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from virtualboard.circuit import Circuit


class Indicator:
    """On while its pin is high. `history` is every change as (ms of board time, level)."""

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

    def flashes(self, since_ms: float = 0) -> list[float]:
        """How long (ms) each time was that it was on, for those that began at `since_ms` or later and have ended."""
        lengths = []
        for (start, level), (end, _) in zip(self.history, self.history[1:], strict=False):
            if level and start >= since_ms:
                lengths.append(end - start)
        return lengths
