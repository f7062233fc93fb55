"""A push button to ground: the request-to-exit at the inside of the door."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtualboard.chip.bounce import bounce

if TYPE_CHECKING:
    from virtualboard.circuit import Circuit
    from virtualboard.clock import Event


class Button:
    """Low while it is pressed; the ESP32 pulls it up."""

    def __init__(self, gpio: int = 14) -> None:
        self.gpio = gpio
        self.bounce_us = 8000
        self._pending: list[Event] = []

    def attach(self, circuit: Circuit) -> None:
        self._circuit = circuit

    def press(self, ms: float | None = None) -> None:
        """Presses it, for `ms` milliseconds if that is given, else until `release`."""
        with self._circuit.lock:
            self._move(True)
            if ms is not None:
                self._circuit.at(ms, self.release)

    def release(self) -> None:
        with self._circuit.lock:
            self._move(False)

    def glitch(self, us: int = 500) -> None:
        """A spike as a long cable picks it up: low for `us` microseconds, without a bounce."""
        with self._circuit.lock:
            self._set(True)
            self._circuit.clock.after(us, lambda: self._set(False))

    def _move(self, is_pressed: bool) -> None:
        for event in self._pending:
            event.cancel()
        start_us = self._circuit.clock.now_us
        moments = bounce(self._circuit.random, self.bounce_us)
        self._set(is_pressed)
        self._pending = [
            self._circuit.clock.at(start_us + moment, lambda index=index: self._set(is_pressed == (index % 2 == 0)))
            for index, moment in enumerate(moments)
            if index
        ]

    def _set(self, is_pressed: bool) -> None:
        self._circuit.pins.drive(self.gpio, 0 if is_pressed else None)
