"""Contacts and buttons to ground, with the chip's pull-up."""

import asyncio

from machine import Pin


class Input:
    """GPIO `number`; `active_level` is what it reads when the contact is open or the button pressed."""

    def __init__(self, number: int, active_level: int) -> None:
        self._pin = Pin(number, Pin.IN, Pin.PULL_UP)
        self._active_level = active_level
        self._flag = asyncio.ThreadSafeFlag()
        self._pin.irq(self._note, Pin.IRQ_FALLING | Pin.IRQ_RISING)

    def _note(self, pin) -> None:
        self._flag.set()

    def is_active(self) -> bool:
        """Reads the level now, bounces and all."""
        return self._pin.value() == self._active_level

    async def changed(self) -> None:
        """Returns at the next edge, or at once if there was one since the last call."""
        await self._flag.wait()
