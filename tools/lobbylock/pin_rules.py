"""What a pin of a chip may not be, as sentences: the one place where a pin map is judged."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from lobbylock.errors import UserError

# What the firmware does with a line: drives it, reads it, or reads it with the chip's pull-up on.
OUT = "an output"
IN = "an input"
PULLED = "an input with a pull-up"


class Line(NamedTuple):
    """`way` is OUT, IN or PULLED; `size` how many pins it takes; `is_counted` whether edges on it count."""

    way: str
    size: int = 1
    is_counted: bool = False


# Every use that a pin can have, by its name in the file: section, kind of part, line.
USES = {
    "strike.pin": Line(OUT),
    "door.contact": Line(PULLED, is_counted=True),
    "door.exit_button": Line(PULLED, is_counted=True),
    "indicator.led": Line(OUT),
    "indicator.buzzer": Line(OUT),
    "keypad.matrix.rows": Line(OUT, 4),
    "keypad.matrix.columns": Line(PULLED, 3, is_counted=True),
    "keypad.wiegand.d0": Line(PULLED, is_counted=True),
    "keypad.wiegand.d1": Line(PULLED, is_counted=True),
    "camera.vc0706.tx": Line(OUT),
    "camera.vc0706.rx": Line(IN),
    "camera.vc0706.power": Line(OUT),
    "nfc.uart.tx": Line(OUT),
    "nfc.uart.rx": Line(IN),
    "nfc.uart.reset": Line(OUT),
    "nfc.spi.select": Line(OUT),
    "nfc.spi.clock": Line(OUT),
    "nfc.spi.mosi": Line(OUT),
    "nfc.spi.miso": Line(IN),
    "nfc.spi.irq": Line(IN),
    "nfc.spi.reset": Line(OUT),
}
# One of a group is fitted, never two: they may have pins in common.
_EITHER = (("keypad.matrix.", "keypad.wiegand."), ("nfc.uart.", "nfc.spi."))


@dataclass(frozen=True)
class Chip:
    """A chip's pins by GPIO number.

    `input_only` have no output and no pull resistor, `pulled_up` and `pulled_down` a weak one from reset until boot.py,
    `dips` short pulses of their own. `refused` are in use by the chip or its modules, with what for. `straps` are
    read at reset: what that does, and the uses that cannot hurt. `modules` refuse more. `has_ble`: there is room for
    Bluetooth beside Wi-Fi.
    """

    name: str
    title: str
    arch: str
    has_ble: bool
    pins: frozenset[int]
    input_only: frozenset[int]
    pulled_up: frozenset[int]
    pulled_down: frozenset[int]
    dips: frozenset[int]
    uarts: tuple[int, ...]
    spis: tuple[int, ...]
    refused: Mapping[int, str]
    straps: Mapping[int, tuple[str, frozenset[str]]]
    modules: Mapping[str, Mapping[int, str]]


@dataclass(frozen=True)
class PinMap:
    """What is to be judged: `pins` by use, `strike_on` the level that releases, `reasons` why a strapping pin may be
    used, `taken` and `pulled_up` what the board itself has on a pin."""

    pins: Mapping[str, tuple[int, ...]]
    strike_on: int
    module: str
    reasons: Mapping[int, str]
    taken: Mapping[int, str]
    pulled_up: Mapping[int, str]


def check_pins(found: PinMap, chip: Chip) -> None:
    """Raises UserError, one sentence, for the first pin that is used for what it cannot be or must not be."""
    for use, numbers in found.pins.items():
        for number in numbers:
            _check_pin(f"{use} is GPIO {number}", use, number, found, chip)
    _check_strike(found, chip)
    _check_twice(found.pins)
    resets = {found.pins[use] for use in ("nfc.uart.reset", "nfc.spi.reset") if use in found.pins}
    if len(resets) > 1:
        raise UserError("nfc.uart.reset and nfc.spi.reset are two pins, and the firmware has one for both")
    used = {number for numbers in found.pins.values() for number in numbers}
    for number in found.reasons:
        if number not in used or number not in chip.straps:
            raise UserError(f"strapping has a reason for GPIO {number}, which is no strapping pin that is used")


def _check_pin(subject: str, use: str, number: int, found: PinMap, chip: Chip) -> None:
    line = USES[use]
    if number not in chip.pins:
        raise UserError(f"{subject}, which an {chip.title} does not have")
    for why in (chip.refused.get(number), chip.modules[found.module].get(number), found.taken.get(number)):
        if why:
            raise UserError(f"{subject}, which {why}")
    if number in chip.input_only and line.way == OUT:
        raise UserError(f"{subject}, which can only be an input, and this is {OUT}")
    if number in chip.input_only and line.way == PULLED and number not in found.pulled_up:
        raise UserError(f"{subject}, which has no pull-up, and this is {PULLED}")
    if number in chip.dips and line.is_counted:
        raise UserError(f"{subject}, which reads low for a moment whenever the radio wakes, and edges count here")
    if number in chip.straps:
        _check_strap(subject, use, number, found, chip)


def _check_strap(subject: str, use: str, number: int, found: PinMap, chip: Chip) -> None:
    what, harmless = chip.straps[number]
    if use not in harmless:
        others = f"; it may be {_either(harmless)}" if harmless else ""
        raise UserError(f"{subject}, a strapping pin: {what}{others}")
    if number not in found.reasons:
        raise UserError(f"{subject}, a strapping pin: {what}; why that cannot hurt has to stand under strapping")


def _check_strike(found: PinMap, chip: Chip) -> None:
    """No resistor may pull towards a release while nothing drives the pin, from reset until boot.py."""
    (number,) = found.pins["strike.pin"]
    if found.strike_on and (number in chip.pulled_up or number in found.pulled_up):
        raise UserError(f"strike.pin is GPIO {number}, which is pulled up at reset, and high releases")
    if not found.strike_on and number in chip.pulled_down:
        raise UserError(f"strike.pin is GPIO {number}, which is pulled down at reset, and low releases")


def _check_twice(pins: Mapping[str, tuple[int, ...]]) -> None:
    first: dict[int, list[str]] = {}
    for use, numbers in pins.items():
        if len(set(numbers)) < len(numbers):
            raise UserError(f"{use} has a GPIO twice")
        for number in numbers:
            for other in first.setdefault(number, []):
                if not _are_alternatives(use, other):
                    raise UserError(f"{use} is GPIO {number}, and so is {other}")
            first[number].append(use)


def _are_alternatives(one: str, other: str) -> bool:
    """Whether the two belong to parts of which a door has one."""
    for group in _EITHER:
        parts = [part for use in (one, other) for part in group if use.startswith(part)]
        if len(parts) == 2 and parts[0] != parts[1]:
            return True
    return False


def _either(words: Iterable[str]) -> str:
    *most, last = sorted(words)
    return f"{', '.join(most)} or {last}" if most else last


def check_peripherals(numbers: Mapping[str, int], chip: Chip) -> None:
    """Raises UserError for a UART or SPI that the chip has not free, or that two parts of one door would share.

    `numbers` by part: {"camera.vc0706": 1, "nfc.uart": 2, "nfc.spi": 1}.
    """
    for part, number in numbers.items():
        what, free = ("SPI", chip.spis) if part == "nfc.spi" else ("UART", chip.uarts)
        if number not in free:
            shown = " and ".join(f"{what} {one}" for one in free)
            raise UserError(f"{part} is on {what} {number}, and an {chip.title} has {shown} free")
    if "camera.vc0706" in numbers and numbers["camera.vc0706"] == numbers.get("nfc.uart"):
        raise UserError(f"camera.vc0706 and nfc.uart are both on UART {numbers['nfc.uart']}")
