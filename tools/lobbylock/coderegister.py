"""Which codes were made: codes.jsonl in the issuer's folder, so that they can be revoked.

One line each, without the digits: nothing in it opens a door.
"""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firmware.core import keycode
from lobbylock.files import append_line, read_lines
from lobbylock.names import is_door

_NUMBERS = ("class", "slot", "window", "from_s", "until_s", "made_s")


@dataclass(frozen=True)
class Code:
    """A code for `person` at `door`, valid from `from_s` to before `until_s`. Times are Unix seconds."""

    door: str
    person: str
    role: str
    code_class: int
    slot: int
    window: int
    from_s: int
    until_s: int
    made_s: int
    single_use: bool

    @property
    def building(self) -> str:
        return self.door.partition("/")[0]

    @property
    def key(self) -> str:
        """What locks revoke it by, in hex: docs/protocol.md section 16."""
        return keycode.code_id(self.door, self.code_class, self.slot, self.window).hex()

    def values(self) -> dict[str, Any]:
        """Returns the code as JSON values."""
        return {
            "door": self.door,
            "person": self.person,
            "role": self.role,
            "class": self.code_class,
            "slot": self.slot,
            "window": self.window,
            "from_s": self.from_s,
            "until_s": self.until_s,
            "made_s": self.made_s,
            "single_use": self.single_use,
        }

    @classmethod
    def load(cls, value: dict[str, Any]) -> "Code":
        """Returns the code in JSON values. Raises KeyError, TypeError and ValueError if they are not one."""
        door, person, role = value["door"], value["person"], value["role"]
        code_class, slot, window, from_s, until_s, made_s = (value[name] for name in _NUMBERS)
        if not all(isinstance(text, str) for text in (door, person, role)) or type(value["single_use"]) is not bool:
            raise TypeError("no code")
        if any(type(number) is not int or number < 0 for number in (code_class, slot, window, from_s, until_s, made_s)):
            raise TypeError("no code")
        if not is_door(door) or code_class not in keycode.WINDOW_S or slot >= keycode.SLOTS or window >= 1 << 32:
            raise ValueError("no code")
        return cls(
            door, person, role, code_class, slot, window, from_s, until_s, made_s, single_use=value["single_use"]
        )


class CodeRegister:
    """The list in the issuer's folder at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path / "codes.jsonl"

    def add(self, code: Code) -> None:
        """Adds a code, durably; to be called before anybody is shown its digits."""
        append_line(self._path, code.values())

    def all(self, door: str | None = None, person: str | None = None) -> list[Code]:
        """Returns the codes of a door, of a person, or of all, each once, in the order in which they were made.

        Lines that are none are passed over.
        """
        found: dict[tuple[str, int, int, int], Code] = {}
        for _, value in read_lines(self._path):
            if door not in (None, value.get("door")) or person not in (None, value.get("person")):
                continue
            with contextlib.suppress(KeyError, TypeError, ValueError):
                code = Code.load(value)
                # The same window again gives the same digits.
                found[code.door, code.code_class, code.slot, code.window] = code
        return list(found.values())

    def live(self, now_s: int, door: str | None = None, person: str | None = None) -> list[Code]:
        """Returns those whose window has not ended, also if it has not begun."""
        return [code for code in self.all(door, person) if code.until_s > now_s]
