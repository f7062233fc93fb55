"""The camera module: its UART, its power switch, and the driver in between."""

import asyncio

from machine import UART, Pin
from micropython import const
from vc0706 import Camera

_RX_BUFFER_BYTES = const(2048)
_OFF_MS = const(200)
_BOOT_MS = const(50)


class PoweredCamera:
    """A VC0706 whose supply the board can cut: what no command wakes, that does."""

    def __init__(self, uart: int, tx: int, rx: int, power: int) -> None:
        self._power = Pin(power, Pin.OUT, value=1)
        self._camera = Camera(UART(uart, 38_400, tx=tx, rx=rx, rxbuf=_RX_BUFFER_BYTES))

    async def start(self) -> None:
        """Cuts the power for a moment and sets the camera up. Raises CameraError."""
        self._power.value(0)
        await asyncio.sleep_ms(_OFF_MS)
        self._power.value(1)
        await asyncio.sleep_ms(_BOOT_MS)
        await self._camera.start()

    async def freeze(self) -> int:
        return await self._camera.freeze()

    async def read(self, offset: int, buffer) -> None:
        await self._camera.read(offset, buffer)

    async def resume(self) -> None:
        await self._camera.resume()
