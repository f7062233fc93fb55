"""The wiring of a board as rows for people: which GPIO goes where, what feeds the part, what pulls the line."""

from collections.abc import Mapping
from typing import NamedTuple


class Wire(NamedTuple):
    """`use` is what the board's file calls it. `line` is what the part calls it, one word for each of several `gpios`;
    `pull` is the resistor on it, empty for none.
    """

    use: str
    part: str
    line: str
    gpios: tuple[int, ...]
    supply: str
    pull: str
    note: str


class _Line(NamedTuple):
    part: str
    line: str
    supply: str
    pull: str
    note: str


_INSIDE = "inside the chip, to 3.3 V"
_MATRIX = "keypad 3x4, matrix"
_WIEGAND = "keypad, Wiegand"
_CAMERA = "camera VC0706"
_HSU = "card reader PN532, HSU"
_SPI = "card reader PN532, SPI"
_ON_MODULE = "on the module, to 3.3 V"
_TEN_UP = "10 kOhm to 3.3 V"

_LINES = {
    "keypad.matrix.rows": _Line(_MATRIX, "R1 R2 R3 R4", "", "", "rows 123 456 789 *0#"),
    "keypad.matrix.columns": _Line(_MATRIX, "C1 C2 C3", "", _INSIDE, ""),
    "keypad.wiegand.d0": _Line(_WIEGAND, "D0", "its own, 12 V mostly", _INSIDE, "5 V outputs need a level shifter"),
    "keypad.wiegand.d1": _Line(_WIEGAND, "D1", "its own, 12 V mostly", _INSIDE, "grounds joined"),
    "camera.vc0706.tx": _Line(_CAMERA, "RX", "5 V, switched", "", ""),
    "camera.vc0706.rx": _Line(_CAMERA, "TX", "5 V, switched", "100 kOhm to 3.3 V", "3.3 V level"),
    "camera.vc0706.power": _Line("camera's supply switch", "gate", "5 V", "10 kOhm to ground", "high is on"),
    "door.contact": _Line("door contact", "to ground", "", _INSIDE, "closed with the door"),
    "door.exit_button": _Line("exit button", "to ground", "", _INSIDE, "closed while pressed"),
    "indicator.led": _Line("indicator LED", "anode, 330 Ohm", "", "", "high is on"),
    "indicator.buzzer": _Line("buzzer, active", "transistor's base, 1 kOhm", "5 V", "10 kOhm to ground", "high is on"),
    "nfc.uart.tx": _Line(_HSU, "RX", "3.3 V", _ON_MODULE, ""),
    "nfc.uart.rx": _Line(_HSU, "TX", "3.3 V", "", ""),
    "nfc.uart.reset": _Line(_HSU, "RSTPD", "3.3 V", _ON_MODULE, "low is reset"),
    "nfc.spi.select": _Line(_SPI, "NSS", "3.3 V", _ON_MODULE, ""),
    "nfc.spi.clock": _Line(_SPI, "SCK", "3.3 V", "", ""),
    "nfc.spi.mosi": _Line(_SPI, "MOSI", "3.3 V", _ON_MODULE, ""),
    "nfc.spi.miso": _Line(_SPI, "MISO", "3.3 V", "", ""),
    "nfc.spi.irq": _Line(_SPI, "IRQ", "3.3 V", _TEN_UP, "low when there is an answer"),
    "nfc.spi.reset": _Line(_SPI, "RSTPD", "3.3 V", _ON_MODULE, "low is reset"),
}
# The resistor that keeps the lock at rest, by the level that releases.
_RESTS = {
    1: ("10 kOhm to ground", "high releases"),
    0: (_TEN_UP, "low releases; the relay board's inputs are for 3.3 V, or its JD-VCC jumper is open"),
}
_LOCKS = {
    "strike": ("strike, fail-secure", "lock on COM and NO"),
    "maglock": ("maglock, fail-safe", "lock on COM and NC"),
}
_SECOND_CONTACT = "a second contact of it cuts the maglock's supply"

# How the lock hangs on the relay, and what that means without power.
LOCK_DRAWINGS = {
    "strike": "12 V + ---- COM  / NO ---- strike ---- 12 V -",
    "maglock": "12 V + ---- COM --- NC ---- maglock ---- 12 V -",
}
LOCK_SENTENCES = {
    "strike": (
        "Fail-secure strike: without power it stays locked, whether the board's or its own fails; people get out by"
        " the handle.",
        "It is fed for the pulse only. A diode (1N4007) across it, cathode to +, takes what it induces.",
    ),
    "maglock": (
        "Fail-safe maglock: without power it opens, as fire codes want it. The relay rests in both cases: at rest NC"
        " feeds the magnet, and the pulse takes its supply away.",
        "A board that fails leaves it locked as long as its supply lasts. So exit button and fire alarm have to cut"
        " that supply by contacts of their own as well, which fire codes ask for.",
    ),
}


def draw_wires(
    pins: Mapping[str, tuple[int, ...]],
    strike_on: int,
    lock: str,
    remarks: Mapping[int, str],
    soldered: frozenset[int],
) -> list[Wire]:
    """Returns a row for each use in `pins`, the lock first.

    `lock` is "strike" or "maglock", `remarks` are notes on pins, `soldered` those with a pull-up on the board.
    """
    found = []
    for use, gpios in pins.items():
        line = _lock_line(strike_on, lock) if use == "strike.pin" else _LINES[use]
        second = _SECOND_CONTACT if (use, lock) == ("door.exit_button", "maglock") else ""
        notes = [line.note, second, *(remarks[gpio] for gpio in gpios if gpio in remarks)]
        pull = "on the board, to 3.3 V" if line.pull == _INSIDE and soldered.issuperset(gpios) else line.pull
        found.append(Wire(use, line.part, line.line, gpios, line.supply, pull, "; ".join(filter(None, notes))))
    return found


def _lock_line(strike_on: int, lock: str) -> _Line:
    part, contacts = _LOCKS[lock]
    pull, note = _RESTS[strike_on]
    return _Line(part, "relay board, input", "12 V of its own", pull, f"{note}; {contacts}")
