"""The matrix keypad on its pins: asleep until a key pulls a column low, then scanned by a timer until all are up.

Interrupt and timer callbacks run between the steps of any Python code, so keys are seen while the lock signs or writes;
`next` hands them on when there is time. While a TLS handshake holds the interpreter nothing is scanned; of a key that
was pressed and released meanwhile the chip only keeps that there was an edge.
"""

import time

import keypad_matrix
from machine import Pin, Timer
from micropython import const

_KEYS = const("123456789*0#")
_TIMER = const(0)
# Three looks within the shortest debounce.
_SCAN_MS = const(8)
# No look for so long: a key may have come and gone.
_GAP_MS = const(100)
# Should an interrupt ever get lost, a key that is held is noticed this much later.
_RECHECK_MS = const(2_000)


class Keypad:
    """Rows and columns by their GPIO numbers, top and left first; `interrupts` is a bell.Interrupts."""

    # What `next` returns besides characters.
    TWO_KEYS = keypad_matrix.TWO_KEYS
    STUCK = keypad_matrix.STUCK
    MISSED = 3
    # A key that is held when the board can look again is read; a Wiegand frame would be torn.
    READS_LATE = True

    def __init__(self, rows: tuple, columns: tuple, interrupts) -> None:
        row_pins = [Pin(number, Pin.OPEN_DRAIN, value=1) for number in rows]
        self._columns = [Pin(number, Pin.IN, Pin.PULL_UP) for number in columns]
        self._matrix = keypad_matrix.Matrix(row_pins, self._columns, _KEYS)
        self._interrupts = interrupts
        self._bell = interrupts.bell()
        self._timer = Timer(_TIMER)
        self._scan_ms = None
        self._is_found = self._is_missed = False
        # Somebody presses a key; which one is not known yet.
        self.is_awake = False
        self._error = None
        # Bound once: making a bound method allocates, which an interrupt may not be able to.
        self._on_edge = self._edge
        self._on_tick = self._tick
        self._rest()

    async def next(self, limit_ms: int):
        """Returns the next key: its character, TWO_KEYS, STUCK, or MISSED for one that could not be read.

        Returns None if `limit_ms` pass without any.

        A spike on a column is MISSED, too: whoever knows when nobody looked can tell them apart. Raises what a callback
        raised.
        """
        end_ms = time.ticks_add(time.ticks_ms(), limit_ms)
        while True:
            if self._error:
                raise self._error
            if self._is_missed:
                self._is_missed = False
                return self.MISSED
            key = self._matrix.next_event()
            if key is not None:
                return key
            left_ms = time.ticks_diff(end_ms, time.ticks_ms())
            if left_ms <= 0:
                return None
            if not await self._bell.wait(min(left_ms, _RECHECK_MS)):
                self._look()

    def _look(self) -> bool:
        """Wakes up for a key whose edge was missed; returns whether there is one."""
        for column in self._columns:
            if not column.value():
                self._wake()
                return True
        return False

    # What a callback raises would be shown and forgotten, and the keypad be dead behind it: `next` raises it instead.

    def _edge(self, pin) -> None:
        try:
            self._wake()
        except Exception as error:  # noqa: BLE001 - whatever it is
            self._fail(error)

    def _tick(self, timer) -> None:
        try:
            self._scan()
        except Exception as error:  # noqa: BLE001 - whatever it is
            self._fail(error)

    def _fail(self, error) -> None:
        self._error = error
        self._interrupts.ring(self._bell)

    # Timer and interrupts are never off at the same time: what was left undone is done by whichever comes next.

    def _wake(self) -> None:
        self._scan_ms = None
        self._is_found = False
        self.is_awake = True
        self._timer.init(period=_SCAN_MS, mode=Timer.PERIODIC, callback=self._on_tick)
        for column in self._columns:
            column.irq(None)

    def _scan(self) -> None:
        now_ms = time.ticks_ms()
        if self._scan_ms is not None and time.ticks_diff(now_ms, self._scan_ms) > _GAP_MS:
            self._miss()
        self._scan_ms = now_ms
        if self._matrix.scan(now_ms):
            self._is_found = True
            self._interrupts.ring(self._bell)
        if self._matrix.is_idle:
            if not self._is_found:
                self._miss()
            if self._rest():
                self._timer.deinit()
                self.is_awake = False

    def _miss(self) -> None:
        self._is_missed = True
        self._interrupts.ring(self._bell)

    def _rest(self) -> bool:
        """Waits for an edge; returns False if a key is pressed already."""
        self._matrix.idle()
        for column in self._columns:
            column.irq(self._on_edge, Pin.IRQ_FALLING)
        # Pressed before the interrupt was armed.
        return not self._look()
