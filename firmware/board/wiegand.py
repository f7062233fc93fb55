"""A Wiegand keypad or card reader: pulses on two lines, collected in interrupts."""

import asyncio
import time

import wiegand
from machine import Pin


class Wiegand:
    """`d0` and `d1` are GPIO numbers; both lines rest high and a pulse is low. `interrupts`: a bell.Interrupts."""

    # What `next` returns besides keys and cards.
    NOISE = wiegand.NOISE

    def __init__(self, d0: int, d1: int, interrupts) -> None:
        self._collector = wiegand.Collector(time.ticks_diff)
        self._interrupts = interrupts
        self._bell = interrupts.bell()
        self._error = None
        Pin(d0, Pin.IN, Pin.PULL_UP).irq(self._zero, Pin.IRQ_FALLING)
        Pin(d1, Pin.IN, Pin.PULL_UP).irq(self._one, Pin.IRQ_FALLING)

    async def next(self, limit_ms: int):
        """Returns the next key, a character, card, (facility, number), or NOISE; None if `limit_ms` pass without any.

        Raises what an interrupt raised.
        """
        end_ms = time.ticks_add(time.ticks_ms(), limit_ms)
        while True:
            if self._error:
                raise self._error
            now_ms = time.ticks_ms()
            found = self._collector.take(now_ms)
            if found is not None:
                return found
            left_ms = time.ticks_diff(end_ms, now_ms)
            if left_ms <= 0:
                return None
            wait_ms = self._collector.wait_ms(now_ms)
            if wait_ms:
                await asyncio.sleep_ms(min(wait_ms, left_ms))
            else:
                await self._bell.wait(left_ms)

    def _zero(self, pin) -> None:
        self._note(0)

    def _one(self, pin) -> None:
        self._note(1)

    def _note(self, bit: int) -> None:
        try:
            self._collector.edge(bit, time.ticks_ms())
        except Exception as error:  # noqa: BLE001 - shown and forgotten otherwise, and the keypad dead behind it
            self._error = error
        self._interrupts.ring(self._bell)
