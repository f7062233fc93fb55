"""The matrix keypad on its pins: asleep until a key pulls a column low, then scanned by a timer until all are up.

Interrupt and timer callbacks run between the steps of any Python code, so keys are seen while the lock signs or writes;
`next` hands them on when there is time.
"""

import asyncio
import time

import keypad_matrix
from machine import Pin, Timer
from micropython import const

_KEYS = const("123456789*0#")
_TIMER = const(0)
# Three looks within the shortest debounce.
_SCAN_MS = const(8)
# Should an interrupt ever get lost, a key that is held is noticed this much later.
_RECHECK_MS = const(2_000)


class Keypad:
    """Rows and columns by their GPIO numbers, top and left first."""

    # What `next` returns besides characters.
    TWO_KEYS = keypad_matrix.TWO_KEYS
    STUCK = keypad_matrix.STUCK

    def __init__(self, rows: tuple, columns: tuple) -> None:
        row_pins = [Pin(number, Pin.OPEN_DRAIN, value=1) for number in rows]
        self._columns = [Pin(number, Pin.IN, Pin.PULL_UP) for number in columns]
        self._matrix = keypad_matrix.Matrix(row_pins, self._columns, _KEYS)
        self._flag = asyncio.ThreadSafeFlag()
        self._timer = Timer(_TIMER)
        # Bound once: making a bound method allocates, which an interrupt may not be able to.
        self._on_edge = self._wake
        self._on_tick = self._scan
        self._rest()

    async def next(self):
        """Returns the next key: its character, TWO_KEYS, or STUCK."""
        while True:
            key = self._matrix.next_event()
            if key is not None:
                return key
            try:
                await asyncio.wait_for_ms(self._flag.wait(), _RECHECK_MS)
            except asyncio.TimeoutError:
                self._look()

    def _look(self) -> None:
        """Wakes up for a key whose edge was missed."""
        for column in self._columns:
            if not column.value():
                self._wake(None)
                return

    def _wake(self, pin) -> None:
        for column in self._columns:
            column.irq(None)
        self._timer.init(period=_SCAN_MS, mode=Timer.PERIODIC, callback=self._on_tick)

    def _scan(self, timer) -> None:
        if self._matrix.scan(time.ticks_ms()):
            self._flag.set()
        if self._matrix.is_idle:
            self._timer.deinit()
            self._rest()

    def _rest(self) -> None:
        self._matrix.idle()
        for column in self._columns:
            column.irq(self._on_edge, Pin.IRQ_FALLING)
        # Pressed before the interrupt was armed.
        self._look()
