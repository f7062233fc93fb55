"""Contacts and buttons to ground, with the chip's pull-up."""

from machine import Pin


class Input:
    """GPIO `number`; `active_level` is what it reads when the contact is open or the button pressed.

    `interrupts` is a bell.Interrupts, which somebody runs.
    """

    def __init__(self, number: int, active_level: int, interrupts) -> None:
        self._pin = Pin(number, Pin.IN, Pin.PULL_UP)
        self._active_level = active_level
        self._interrupts = interrupts
        self._edge = interrupts.bell()
        self._pin.irq(self._note, Pin.IRQ_FALLING | Pin.IRQ_RISING)

    def _note(self, pin) -> None:
        self._interrupts.ring(self._edge)

    def is_active(self) -> bool:
        """Reads the level now, bounces and all."""
        return self._pin.value() == self._active_level

    async def changed(self, limit_ms: int) -> bool:
        """Waits for the next edge, or `limit_ms`; returns whether there was one since the last call."""
        has_edge = await self._edge.wait(limit_ms)
        if not has_edge:
            self._interrupts.nudge()
        return has_edge
