"""A keypad of 12 keys in a matrix: each joins a row and a column while it is pressed, and bounces."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from virtualboard.chip.bounce import bounce
from virtualboard.clock import Event

if TYPE_CHECKING:
    from virtualboard.circuit import Circuit

KEYS = ("123", "456", "789", "*0#")


class Keypad:
    """The ESP32 drives `rows` low one at a time and reads `columns`, which it pulls up.

    There are no diodes: three keys at the corners of a rectangle show the fourth as well, as on the real part.
    """

    def __init__(self, rows: Iterable[int] = (16, 17, 18, 19), columns: Iterable[int] = (21, 22, 23)) -> None:
        self.rows = tuple(rows)
        self.columns = tuple(columns)
        self.bounce_us = 8000
        self._stuck: set[str] = set()
        self._pending: dict[str, list[Event]] = {}
        self._closed: set[str] = set()

    def attach(self, circuit: Circuit) -> None:
        self._circuit = circuit
        for gpio in self.rows:
            circuit.pins.matrix |= 1 << gpio

    def press(self, keys: str, hold_ms: float | None = None) -> None:
        """Presses keys, several at once if there are several; releases them after `hold_ms` if that is given."""
        with self._circuit.lock:
            for key in keys:
                self._move(key, True)
            if hold_ms is not None:
                self._circuit.at(hold_ms, lambda: self.release(keys))

    def release(self, keys: str) -> None:
        with self._circuit.lock:
            for key in keys:
                if key not in self._stuck:
                    self._move(key, False)

    def stick(self, key: str) -> None:
        """The key goes down and stays there, whoever releases it, until `loosen`."""
        self._stuck.add(key)
        self.press(key)

    def loosen(self, key: str) -> None:
        self._stuck.discard(key)
        self.release(key)

    def type(self, keys: str, key_ms: float = 80, gap_ms: float = 60) -> float:
        """Presses keys one after the other from now on. Returns in how many milliseconds the last is released."""
        at_ms = 0.0
        for key in keys:
            self._place(key)
            self._circuit.at(at_ms, lambda key=key: self.press(key, key_ms))
            at_ms += key_ms + gap_ms
        return at_ms - gap_ms if keys else 0.0

    def _place(self, key: str) -> tuple[int, int]:
        for row, keys in zip(self.rows, KEYS, strict=True):
            if key in keys and len(key) == 1:
                return row, self.columns[keys.index(key)]
        raise ValueError(f"{key!r} is not a key")

    def _move(self, key: str, is_down: bool) -> None:
        self._place(key)
        for event in self._pending.pop(key, ()):
            event.cancel()
        if (key in self._closed) == is_down:
            return
        clock = self._circuit.clock
        start_us = clock.now_us
        moments = bounce(self._circuit.random, self.bounce_us)
        self._set(key, is_down)
        self._pending[key] = [
            clock.at(start_us + moment, lambda index=index: self._set(key, is_down == (index % 2 == 0)))
            for index, moment in enumerate(moments)
            if index
        ]

    def _set(self, key: str, is_closed: bool) -> None:
        if is_closed:
            self._closed.add(key)
        else:
            self._closed.discard(key)
        row, column = self._place(key)
        self._circuit.pins.switch(row, column, is_closed)
