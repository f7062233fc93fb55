"""New settings: checked on the board as the next start will, shown as what they change, and put on trial."""

import asyncio
import gc
import os
from typing import TYPE_CHECKING

from micropython import const

from firmware.console.fields import WHOLE_BYTES, Fields
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


async def _preview(console, request: dict) -> dict:
    new = await _checked(console, request)
    return {"changed": await _compare(console, new, request["id"])}


async def _apply(console, request: dict) -> dict:
    new = await _checked(console, request)
    digest = hexadecimal(request, "sha256", 32)
    changed = await _compare(console, new, None)
    session = console.session
    upload, session.upload = session.upload, None
    upload.close()
    if not changed:
        os.remove(upload.path)
        return {"changed": 0}
    note(console, event.SETTINGS_PROPOSED, {event.SHA256: digest})
    os.rename(upload.path, _CANDIDATE)
    console.ending = "restart"
    return {"changed": changed}


async def _checked(console, request: dict) -> Fields:
    """Returns the settings that were sent, if they are whole and valid. Raises Refusal."""
    upload = console.session.upload
    digest = hexadecimal(request, "sha256", 32) if "sha256" in request else None
    if not isinstance(upload, Upload):
        raise Refusal("order", "No settings were sent: begin comes first.")
    upload.check(digest)
    gc.collect()
    from firmware.store import settings

    # What a field's value is taken from makes no difference there.
    fields: Any = Fields(upload.path)
    try:
        await fields.load(console)
        settings.read(fields, console.offers)
    except SettingsError as error:
        raise _wrong(error.args[0])
    except (ValueError, RuntimeError, TypeError):
        raise _wrong("file")
    return fields


def _wrong(field: str) -> Refusal:
    return Refusal("settings", "The settings are refused: %s is wrong." % field)


async def _compare(console, new: Fields, number) -> int:
    """Returns how many fields `new` settings change; says each, for request `number`, unless that is None."""
    old = None
    # On trial the lock runs with the candidate; once that is accepted there is none any more.
    for running in (_CANDIDATE, _IN_FORCE) if console.is_trial else (_IN_FORCE,):
        try:
            if not old:
                fields = Fields(running)
                await fields.load(console)
                old = fields
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
    if new.size(name) > WHOLE_BYTES or old and old.size(name) > WHOLE_BYTES:
        return bool(old) and name in old and name in new and old.digest(name) == new.digest(name)
    # A field that may be left out is an empty one.
    return (old[name] if old and name in old else "") == (new[name] if name in new else "")


def _shown(fields, name: str):
    """Returns a field's value, or how long it is."""
    if not fields or name not in fields:
        return None
    size = fields.size(name)
    return "%d bytes" % size if size > _SHOWN else fields[name]


WORDS = {"preview": _preview, "apply": _apply}
