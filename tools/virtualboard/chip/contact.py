"""The reed contact at the door: closed to ground while the door is closed, so that a cut wire reads as open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtualboard.chip.button import Button

if TYPE_CHECKING:
    from virtualboard.circuit import Circuit


class DoorContact(Button):
    """Low while the door is closed, which it is at first; the ESP32 pulls it up."""

    def __init__(self, gpio: int = 27) -> None:
        super().__init__(gpio)
        self.is_open = False

    def attach(self, circuit: Circuit) -> None:
        super().attach(circuit)
        self._set(True)

    def open(self) -> None:
        """Opens the door."""
        self.is_open = True
        self.release()

    def close(self) -> None:
        """Closes the door."""
        self.is_open = False
        self.press()
