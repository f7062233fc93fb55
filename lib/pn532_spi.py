"""The PN532 on SPI, mode 0, least significant bit first, 5 MHz at most: what `pn532` writes to and reads from.

Each transaction begins with a byte that says what it is (UM0701-02, 6.2.5). A frame is read in one transaction, once
the status says that there is one. The line IRQ is low then.
"""

import asyncio
import time

from micropython import const

_WRITE = const(b"\x01")
_STATUS = const(b"\x02\x00")
_READ = const(b"\x03")
_READY = const(1)

_WAKE_MS = const(4)
_FIRST_PAUSE_MS = const(2)
_LONGEST_PAUSE_MS = const(20)


class Spi:
    """`spi` with the pins `select`, low while it is meant, and `irq`, an input, or None.

    `interrupts`: a bell.Interrupts, if there is an `irq`.
    """

    def __init__(self, spi, select, irq, interrupts=None) -> None:
        self._spi = spi
        self._select = select
        self._irq = irq
        # Whether the line IRQ told of the last frame: it may not be wired after all.
        self._is_told = False
        self._is_reading = False
        self._status = bytearray(2)
        select(1)
        if irq:
            self._interrupts = interrupts
            self._bell = interrupts.bell()
            irq.irq(self._note, irq.IRQ_FALLING)

    def _note(self, pin) -> None:
        self._interrupts.ring(self._bell)

    async def wake(self) -> None:
        self._select(0)
        await asyncio.sleep_ms(_WAKE_MS)
        self._select(1)

    def write(self, buffer) -> None:
        self.end()
        self._select(0)
        self._spi.write(_WRITE)
        self._spi.write(buffer)
        self._select(1)

    def readinto(self, view) -> int:
        """Fills `view` and returns its length, or returns 0 if the chip has no frame. `end` ends the frame."""
        if not self._is_reading:
            if not self._is_ready():
                return 0
            self._is_told = bool(self._irq) and not self._irq()
            self._is_reading = True
            self._select(0)
            self._spi.write(_READ)
        self._spi.readinto(view)
        return len(view)

    def end(self) -> None:
        """Ends the reading of a frame; what was not read of it is gone."""
        if self._is_reading:
            self._select(1)
            self._is_reading = False

    def drain(self, view) -> int:
        """Nothing is on its way here that nobody fetches: returns 0."""
        return 0

    async def wait(self, timeout_ms: int) -> bool:
        """Returns True when a frame is there to read, False after `timeout_ms`."""
        pause_ms = _FIRST_PAUSE_MS
        deadline_ms = time.ticks_add(time.ticks_ms(), timeout_ms)
        while not self._is_ready():
            left_ms = time.ticks_diff(deadline_ms, time.ticks_ms())
            if left_ms <= 0:
                return False
            if self._is_told:
                await self._bell.wait(left_ms)
            else:
                await asyncio.sleep_ms(min(pause_ms, left_ms))
                pause_ms = min(pause_ms * 2, _LONGEST_PAUSE_MS)
        return True

    def _is_ready(self) -> bool:
        self._select(0)
        self._spi.write_readinto(_STATUS, self._status)
        self._select(1)
        return self._status[1] == _READY
