"""A board's file: its form, before anybody judges the pins in it."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lobbylock.errors import UserError
from lobbylock.pin_rules import USES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports]

_MAX_BYTES = 65_536
_MAX_TEXT = 200
_MAX_NOTES = 16
_MAX_GPIO = 99

# Parts with a section of their own, and the peripheral that each needs.
PARTS = {"keypad.matrix": "", "keypad.wiegand": "", "camera.vc0706": "uart", "nfc.uart": "uart", "nfc.spi": "spi"}
_TOP = frozenset(("title", "chip", "module", "notes", "strike", "door", "indicator", "keypad", "camera", "nfc"))
_REASONS = ("taken", "pulled_up", "strapping")
_LEVELS = {"low": 0, "high": 1}
LOCKS = {"fail-secure strike": "strike", "fail-safe maglock": "maglock"}


def read_toml(path: Path) -> dict[str, Any]:
    """Returns what is in a TOML file. Raises UserError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError:
        # With a NUL in it, which a building's file can write.
        raise UserError(f"{str(path)[:80]!r} is no path that a file can have.") from None
    if len(data) > _MAX_BYTES:
        raise UserError(f"{path} is longer than the {_MAX_BYTES} bytes that are read.")
    try:
        return tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{path} is not TOML: {error}.") from None


@dataclass(frozen=True)
class BoardFile:
    """What stands in the file. `pins` by use, `peripherals` by part, `reasons` by section and GPIO number."""

    title: str
    chip: str
    module: str
    notes: tuple[str, ...]
    strike_on: int
    lock: str
    pins: dict[str, tuple[int, ...]]
    peripherals: dict[str, int]
    reasons: dict[str, dict[int, str]]


def read_board_file(path: Path) -> BoardFile:
    """Returns what is in a board's file. Raises UserError for what is missing, unknown or of another type."""
    value = read_toml(path)
    _check_names("the file", value, _TOP | frozenset(_REASONS), _TOP - {"notes", "keypad", "camera", "nfc"})
    strike = _table(value, "strike")
    _check_names("strike", strike, *[frozenset(("pin", "active", "lock"))] * 2)
    pins = {"strike.pin": _numbers("strike.pin", strike["pin"])}
    for section in ("door", "indicator"):
        pins |= _lines(section, _table(value, section))
    peripherals = {}
    for section in ("keypad", "camera", "nfc"):
        kinds = _table(value, section)
        for kind in kinds:
            part = f"{section}.{kind}"
            if part not in PARTS:
                known = [name for name in PARTS if name.startswith(section + ".")]
                raise UserError(f"{part} is not known here, but {', '.join(known)}")
            lines = dict(_table(kinds, kind, f"{section}."))
            name = PARTS[part]
            if name:
                peripherals[part] = _number(f"{part}.{name}", lines.pop(name, None))
            pins |= _lines(part, lines)
    if not any(use.startswith("keypad.") for use in pins):
        raise UserError("keypad.matrix or keypad.wiegand has to be there, since a door has a keypad")
    notes = value.get("notes", [])
    if not isinstance(notes, list) or len(notes) > _MAX_NOTES:
        raise UserError(f"notes is a list of up to {_MAX_NOTES} sentences")
    return BoardFile(
        title=_text("title", value["title"]),
        chip=_text("chip", value["chip"]),
        module=_text("module", value["module"]),
        notes=tuple(_text("notes", note) for note in notes),
        strike_on=_LEVELS[_choice("strike.active", strike["active"], _LEVELS)],
        lock=LOCKS[_choice("strike.lock", strike["lock"], LOCKS)],
        pins=pins,
        peripherals=peripherals,
        reasons={section: _by_pin(section, _table(value, section)) for section in _REASONS},
    )


def _table(value: dict[str, Any], name: str, where: str = "") -> dict[str, Any]:
    found = value.get(name, {})
    if not isinstance(found, dict):
        raise UserError(f"{where}{name} is a section of its own")
    return found


def _check_names(where: str, value: dict[str, Any], known: frozenset[str], needed: frozenset[str]) -> None:
    for name in value:
        if name not in known:
            raise UserError(f"{where} has {name[:40]!r}, which is not known here, but {', '.join(sorted(known))}")
    for name in sorted(needed):
        if name not in value:
            raise UserError(f"{where} lacks {name}")


def _lines(part: str, lines: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Returns the pins of a part, all of them, by use."""
    known = frozenset(use.rpartition(".")[2] for use in USES if use.rpartition(".")[0] == part)
    _check_names(part, lines, known, known)
    return {f"{part}.{line}": _numbers(f"{part}.{line}", lines[line]) for line in lines}


def _numbers(use: str, value: Any) -> tuple[int, ...]:
    count = USES[use].size
    if count == 1:
        return (_number(use, value),)
    if not isinstance(value, list) or len(value) != count:
        raise UserError(f"{use} is a list of {count} GPIO numbers")
    return tuple(_number(use, one) for one in value)


def _number(name: str, value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _MAX_GPIO:
        raise UserError(f"{name} is a number from 0 to {_MAX_GPIO}")
    return value


def _text(name: str, value: Any) -> str:
    # They go into tables and into a Python source.
    if not isinstance(value, str) or not value.strip() or len(value) > _MAX_TEXT or not value.isprintable():
        raise UserError(f"{name} is a text of 1 to {_MAX_TEXT} characters that can be printed")
    if any(character in value for character in '|"\\'):
        raise UserError(f'{name} has none of the characters | " and \\')
    return value


def _choice(name: str, value: Any, choices: dict[str, Any]) -> str:
    if not isinstance(value, str) or value not in choices:
        raise UserError(f"{name} is one of {', '.join(choices)}")
    return value


def _by_pin(section: str, value: dict[str, Any]) -> dict[int, str]:
    found = {}
    for number, why in value.items():
        if not number.isascii() or not number.isdigit() or len(number) > 2:
            raise UserError(f"{section} has {number[:40]!r}, which is not the number of a GPIO")
        found[int(number)] = _text(f"{section}.{number}", why)
    return found
