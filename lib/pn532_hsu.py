"""The PN532's line HSU, a UART at 115,200 baud: what `pn532` writes to and reads from."""

import asyncio

from bell import readable, within
from micropython import const

# Its edges wake the chip; the zeros, noise to it, last until its oscillator is up (UM0701-02, 7.2.11).
_WAKE_UP = const(b"\x55\x55\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
_WAKE_MS = const(4)


class Hsu:
    """`uart`: a stream that does not wait, with `any()` and a receive buffer of 300 bytes or more."""

    def __init__(self, uart) -> None:
        self._uart = uart

    async def wake(self) -> None:
        self._uart.write(_WAKE_UP)
        await asyncio.sleep_ms(_WAKE_MS)

    def write(self, buffer) -> None:
        self._uart.write(buffer)

    def readinto(self, view) -> int:
        """Returns how many bytes of `view` were filled with what is there, possibly none."""
        available = self._uart.any()
        return available and self._uart.readinto(view[:available]) or 0

    def end(self) -> None:
        """Frames follow each other without a gap."""

    def drain(self, view) -> int:
        """Throws away what is there, as far as it fits `view`, and returns how much that was."""
        return self.readinto(view)

    async def wait(self, timeout_ms: int) -> bool:
        """Returns True when something is there to read, False after `timeout_ms`."""
        try:
            await within(timeout_ms, readable(self._uart))
            return True
        except asyncio.TimeoutError:
            return False
