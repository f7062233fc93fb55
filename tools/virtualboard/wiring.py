"""Which chip hangs on which pin. The defaults are the board that docs/hardware.md describes."""

from dataclasses import dataclass, field

from virtualboard.chip.button import Button
from virtualboard.chip.camera import Camera
from virtualboard.chip.contact import DoorContact
from virtualboard.chip.indicator import Indicator
from virtualboard.chip.keypad import Keypad
from virtualboard.chip.pn532 import Pn532
from virtualboard.chip.strike import Strike
from virtualboard.chip.wiegand import Wiegand
from virtualboard.circuit import Chip


@dataclass
class Wiring:
    """`more` are chips of a test's own. A Wiegand keypad is on the wires of the matrix, which is left alone then.

    `chip` is "esp32" or "esp32c3". `without` has "keypad" or "camera" for a board that has no pins for it: then it is
    connected to nothing.
    """

    keypad: Keypad = field(default_factory=Keypad)
    camera: Camera = field(default_factory=Camera)
    strike: Strike = field(default_factory=Strike)
    contact: DoorContact = field(default_factory=DoorContact)
    exit_button: Button = field(default_factory=Button)
    led: Indicator = field(default_factory=lambda: Indicator(13))
    buzzer: Indicator = field(default_factory=lambda: Indicator(4))
    nfc: Pn532 | None = field(default_factory=Pn532)
    wiegand: Wiegand | None = None
    more: list[Chip] = field(default_factory=list)
    chip: str = "esp32"
    without: frozenset[str] = frozenset()

    def chips(self) -> list[Chip]:
        fitted: list[Chip] = [self.strike, self.contact, self.exit_button]
        fitted += [] if "camera" in self.without else [self.camera]
        fitted += [] if "keypad" in self.without else [self.keypad]
        optional: list[Chip | None] = [self.nfc, self.wiegand]
        return [*fitted, self.led, self.buzzer, *filter(None, optional), *self.more]
