"""New settings: checked on the board as the next start will, shown as what they change, and put on trial.

Two files of 8 KB do not fit the heap of a lock that is running. So a file is looked through once for where its fields
are, and a field is read when somebody asks for it.
"""

import asyncio
import gc
import json
import os
from typing import TYPE_CHECKING

from micropython import const

from firmware.console.request import Refusal, hexadecimal, note
from firmware.console.transfer import Upload
from firmware.core import event
from firmware.core.errors import SettingsError

if TYPE_CHECKING:
    from typing import Any

_IN_FORCE = const("settings.json")
_CANDIDATE = const("settings.new.json")
_SECRETS = ("code_key", "mqtt_password", "mqtt_key", "wifi_password")
_SHOWN = const(120)
# Beyond this a text is compared as it is written.
_COMPARED_BYTES = const(512)
_MOST_FIELDS = const(48)
_PIECE_BYTES = const(128)

# What is expected next in a file: the object, a name, a colon, a value (and inside of it), the end.
_OBJECT = const(0)
_NAME = const(1)
_COLON = const(2)
_VALUE = const(3)
_INSIDE = const(4)
_END = const(5)


class _Scan:
    """Takes a file byte by byte; `places` are those of the fields at its top: name -> (offset, size)."""

    def __init__(self) -> None:
        self.places = {}
        self._state = _OBJECT
        self._name = b""
        self._start = 0
        self._depth = 0
        self._quoted = self._escaped = False

    def take(self, byte: int, at: int) -> None:
        """Raises ValueError for what is no JSON object, as far as that shows at its top."""
        state = self._state
        if self._quoted:
            self._in_text(byte)
        elif byte in b" \t\r\n":
            return
        elif state == _INSIDE or state == _VALUE:
            self._in_value(byte, at)
        elif state == _OBJECT and byte == 0x7B or state == _COLON and byte == 0x3A:
            self._state = _NAME if state == _OBJECT else _VALUE
        elif state == _NAME and byte == 0x22:
            self._quoted = True
            self._name = b""
        elif state == _NAME and byte == 0x7D and not self.places:
            self._state = _END
        else:
            raise ValueError

    def _in_text(self, byte: int) -> None:
        is_name = self._state == _NAME
        if self._escaped:
            self._escaped = False
        elif byte == 0x5C:
            self._escaped = True
        elif byte == 0x22:
            self._quoted = False
            if is_name:
                self._state = _COLON
            return
        if is_name:
            if len(self._name) > 64:
                raise ValueError
            self._name += bytes((byte,))

    def _in_value(self, byte: int, at: int) -> None:
        if self._state == _VALUE:
            self._state = _INSIDE
            self._start = at
        if byte == 0x22:
            self._quoted = True
        elif byte in b"{[":
            self._depth += 1
        elif self._depth and byte in b"}]":
            self._depth -= 1
        elif not self._depth and byte in b",}":
            name = json.loads(b'"' + self._name + b'"')
            if len(self.places) >= _MOST_FIELDS or name in self.places:
                raise ValueError
            self.places[name] = (self._start, at - self._start)
            self._state = _NAME if byte == 0x2C else _END

    @property
    def is_whole(self) -> bool:
        return self._state == _END


class Fields:
    """The fields of a file of settings, by name, each read when it is asked for. Raises OSError, ValueError."""

    def __init__(self, path: str) -> None:
        self._path = path
        scan = _Scan()
        at = 0
        piece = bytearray(_PIECE_BYTES)
        with open(path, "rb") as file:
            while True:
                size = file.readinto(piece)
                if not size:
                    break
                for index in range(size):
                    scan.take(piece[index], at + index)
                at += size
        if not scan.is_whole:
            raise ValueError
        self._places = scan.places
        self._given = {}

    def __iter__(self):
        return iter(list(self._places) + list(self._given))

    def __contains__(self, name) -> bool:
        return name in self._places or name in self._given

    def __getitem__(self, name: str):
        if name in self._given:
            return self._given[name]
        return json.loads(self.raw(name))

    def setdefault(self, name: str, value) -> None:
        if name not in self:
            self._given[name] = value

    def raw(self, name: str) -> bytes:
        """Returns how a field's value is written."""
        at, size = self._places[name]
        with open(self._path, "rb") as file:
            file.seek(at)
            return file.read(size).strip()

    def size(self, name: str) -> int:
        """Returns how long a field's value is written; 0 if there is none."""
        return self._places.get(name, (0, 0))[1]


async def _preview(console, request: dict) -> dict:
    path = _checked(console, request)
    return {"changed": await _compare(console, path, request["id"])}


async def _apply(console, request: dict) -> dict:
    path = _checked(console, request)
    digest = hexadecimal(request, "sha256", 32)
    changed = await _compare(console, path, None)
    session = console.session
    upload, session.upload = session.upload, None
    upload.close()
    if not changed:
        os.remove(path)
        return {"changed": 0}
    note(console, event.SETTINGS_PROPOSED, {event.SHA256: digest})
    os.rename(path, _CANDIDATE)
    console.ending = "restart"
    return {"changed": changed}


def _checked(console, request: dict) -> str:
    """Returns the path of the settings that were sent, if they are whole and valid. Raises Refusal."""
    upload = console.session.upload
    digest = hexadecimal(request, "sha256", 32) if "sha256" in request else None
    if not isinstance(upload, Upload):
        raise Refusal("order", "No settings were sent: begin comes first.")
    upload.check(digest)
    gc.collect()
    from firmware.store import settings

    try:
        # What a field's value is taken from makes no difference there.
        fields: Any = Fields(upload.path)
        settings.read(fields, console.offers)
    except SettingsError as error:
        raise _wrong(error.args[0])
    except (ValueError, RuntimeError, TypeError):
        raise _wrong("file")
    return upload.path


def _wrong(field: str) -> Refusal:
    return Refusal("settings", "The settings are refused: %s is wrong." % field)


async def _compare(console, path: str, number) -> int:
    """Returns how many fields the settings at `path` change; says each, for request `number`, unless that is None."""
    new = Fields(path)
    old = None
    # On trial the lock runs with the candidate; once that is accepted there is none any more.
    for running in (_CANDIDATE, _IN_FORCE) if console.is_trial else (_IN_FORCE,):
        try:
            old = old or Fields(running)
        except (OSError, ValueError):
            pass
    names = set(new)
    if old:
        names.update(old)
    changed = 0
    for name in sorted(names):
        gc.collect()
        if _is_same(old, new, name):
            continue
        changed += 1
        if number is not None:
            said = {"field": name, "new": "changed"}
            if name not in _SECRETS:
                said["old"] = _shown(old, name)
                said["new"] = _shown(new, name)
            await console.say({"id": number, "event": said})
        await asyncio.sleep_ms(0)
    return changed


def _is_same(old, new: Fields, name: str) -> bool:
    if not old:
        return False
    if max(old.size(name), new.size(name)) > _COMPARED_BYTES:
        return name in old and name in new and old.raw(name) == new.raw(name)
    # A field that may be left out is an empty one.
    return (old[name] if name in old else "") == (new[name] if name in new else "")


def _shown(fields, name: str):
    """Returns a field's value, or how long it is."""
    if not fields or name not in fields:
        return None
    size = fields.size(name)
    return "%d bytes" % size if size > _SHOWN else fields[name]


WORDS = {"preview": _preview, "apply": _apply}
