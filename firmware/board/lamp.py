"""Indicator LED and buzzer, both on while their pin is high."""

from machine import Pin


class Lamp:
    def __init__(self, led: int, buzzer: int) -> None:
        self._led = Pin(led, Pin.OUT, value=0)
        self._buzzer = Pin(buzzer, Pin.OUT, value=0)

    def set(self, is_lit: bool, is_sounding: bool) -> None:
        self._led.value(1 if is_lit else 0)
        self._buzzer.value(1 if is_sounding else 0)
