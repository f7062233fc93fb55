"""The pulse player of the RMT peripheral: it goes on by its own clock while the CPU hangs, and ends with a reset."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from virtualboard.clock import Clock, Event
    from virtualboard.pins import Pins

# Stopping a sequence of more than this panics an ESP32 under MicroPython 1.27 (ESP-IDF issue 17692).
LONGEST_STOPPABLE_US = 300_000


class PulsePlayer:
    def __init__(self, clock: Clock, pins: Pins) -> None:
        self._clock = clock
        self._pins = pins
        self._event: dict[int, Event] = {}
        self._length_us: dict[int, int] = {}

    def open(self, gpio: int) -> None:
        """A new channel takes the pin and holds it low, whatever its idle level."""
        self._pins.pulse(gpio, 0)

    def play(self, gpio: int, pulses: list[tuple[int, int]], idle: int, loops: int, hz: int) -> None:
        """Plays (units of 1/hz, level) pulses, `loops` times over (0 is once, -1 for ever), then rests at `idle`."""
        if not self._pins.is_pulsed(gpio):
            # Another user took the pin: the peripheral plays, nobody hears.
            return
        self._cancel(gpio)
        self._length_us[gpio] = sum(units for units, _ in pulses) * 1_000_000 // hz
        self._round(gpio, self._clock.now_us, pulses, idle, loops, hz)

    def _round(
        self, gpio: int, start_us: int, pulses: list[tuple[int, int]], idle: int, loops: int, hz: int, units: int = 0
    ) -> None:
        """One step of the sequence: its first `units` have passed."""
        passed = 0
        for duration, level in pulses:
            if passed == units:
                self._set(gpio, level)
                after = units + duration
                rest = partial(self._round, gpio, start_us, pulses, idle, loops, hz, after)
                self._event[gpio] = self._clock.at(start_us + after * 1_000_000 // hz, rest)
                return
            passed += duration
        if loops == -1 or loops > 1:
            end_us = start_us + passed * 1_000_000 // hz
            self._round(gpio, end_us, pulses, idle, loops if loops < 0 else loops - 1, hz)
        else:
            self._event.pop(gpio, None)
            self._set(gpio, idle)

    def _set(self, gpio: int, level: int) -> None:
        if self._pins.is_pulsed(gpio):
            self._pins.pulse(gpio, level)

    def stop(self, gpio: int, is_released: bool) -> bool:
        """Ends what is being played, at level low. Returns False if that would have panicked the chip."""
        is_safe = gpio not in self._event or self._length_us[gpio] <= LONGEST_STOPPABLE_US
        self._cancel(gpio)
        if self._pins.is_pulsed(gpio):
            self._pins.pulse(gpio, None if is_released else 0)
        return is_safe

    def _cancel(self, gpio: int) -> None:
        event = self._event.pop(gpio, None)
        if event:
            event.cancel()

    def reset(self) -> None:
        for gpio in list(self._event):
            self._cancel(gpio)
