"""A Wiegand keypad or card reader: two lines that rest high, a short low pulse on D0 for a zero, on D1 for a one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from virtualboard.circuit import Circuit

KEYS = "0123456789*#"


class Wiegand:
    """`pulse_us` and `period_us` are those of the pulses, `gap_ms` what comes between two keys that are typed."""

    def __init__(self, d0: int = 21, d1: int = 22) -> None:
        self.d0, self.d1 = d0, d1
        self.pulse_us = 80
        self.period_us = 1_500
        self.gap_ms = 120.0

    def attach(self, circuit: Circuit) -> None:
        self._circuit = circuit

    def send(self, bits: str, delay_ms: float = 0) -> float:
        """Sends ones and zeros in `delay_ms`. Returns in how many milliseconds the last pulse is over."""
        with self._circuit.lock:
            clock = self._circuit.clock
            at_us = clock.now_us + int(delay_ms * 1000)
            for bit in bits:
                pin = self.d1 if bit == "1" else self.d0
                clock.at(at_us, lambda pin=pin: self._circuit.pins.drive(pin, 0))
                clock.at(at_us + self.pulse_us, lambda pin=pin: self._circuit.pins.drive(pin, None))
                at_us += self.period_us
            return delay_ms + (len(bits) * self.period_us) / 1000

    def type(self, keys: str, bits: int = 4) -> float:
        """Presses keys, 4 or 8 bits each, one after the other. Returns in how many milliseconds the last is sent."""
        at_ms = 0.0
        for key in keys:
            code = KEYS.index(key)
            text = f"{code:04b}" if bits == 4 else f"{code ^ 15:04b}{code:04b}"
            at_ms = self.send(text, at_ms) + self.gap_ms
        return at_ms

    def card(self, facility: int, number: int, bits: int = 26) -> float:
        """Reads a card of 26 or 34 bits. Returns in how many milliseconds it is sent."""
        data = f"{facility:08b}{number:016b}" if bits == 26 else f"{facility:016b}{number:016b}"
        if len(data) != bits - 2:
            raise ValueError("facility or number too large for the card")
        half = len(data) // 2
        even, odd = data[:half].count("1") % 2, 1 - data[half:].count("1") % 2
        return self.send(f"{even}{data}{odd}")
