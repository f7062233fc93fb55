"""A push button to ground: the request-to-exit at the inside of the door."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtualboard.chip.bounce import bounce

if TYPE_CHECKING:
    from virtualboard.board import VirtualBoard
    from virtualboard.clock import Event


class Button:
    """Low while it is pressed; the ESP32 pulls it up."""

    def __init__(self, gpio: int = 14) -> None:
        self.gpio = gpio
        self.bounce_us = 8000
        self._pending: list[Event] = []

    def attach(self, board: VirtualBoard) -> None:
        self._board = board

    def press(self, ms: float | None = None) -> None:
        """Presses it, for `ms` milliseconds if that is given, else until `release`."""
        with self._board.lock:
            self._move(True)
            if ms is not None:
                self._board.at(ms, self.release)

    def release(self) -> None:
        with self._board.lock:
            self._move(False)

    def glitch(self, us: int = 500) -> None:
        """A spike as a long cable picks it up: low for `us` microseconds, without a bounce."""
        with self._board.lock:
            self._set(True)
            self._board.clock.after(us, lambda: self._set(False))

    def _move(self, is_pressed: bool) -> None:
        for event in self._pending:
            event.cancel()
        start_us = self._board.clock.now_us
        moments = bounce(self._board.random, self.bounce_us)
        self._set(is_pressed)
        self._pending = [
            self._board.clock.at(start_us + moment, lambda index=index: self._set(is_pressed == (index % 2 == 0)))
            for index, moment in enumerate(moments)
            if index
        ]

    def _set(self, is_pressed: bool) -> None:
        self._board.pins.drive(self.gpio, 0 if is_pressed else None)
        self._board.cpu.flush()
