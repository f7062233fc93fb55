"""New settings: checked on the board as the next start will, shown as what they change, and put on trial."""

import asyncio
import gc
import os
from hashlib import sha256
from typing import TYPE_CHECKING

from micropython import const

from firmware.console.fields import WHOLE_BYTES, Fields
from firmware.console.request import Refusal, hexadecimal, note
from firmware.core import event
from firmware.core.errors import SettingsError

if TYPE_CHECKING:
    from typing import Any

_IN_FORCE = const("settings.json")
_CANDIDATE = const("settings.new.json")
_SECRETS = ("code_key", "mqtt_password", "mqtt_key", "wifi_password")
_SHOWN = const(120)
_PIECE_BYTES = const(256)


async def _preview(console, request: dict) -> dict:
    new = await _checked(console, request)
    return {"changed": await _compare(console, new, request["id"])}


async def _apply(console, request: dict) -> dict:
    from firmware.store import slots

    if slots.state()[0] == slots.TRIAL:
        # Two trials at once would not tell which of them failed.
        raise Refusal("trial", "A version is on trial: wait until it is accepted, two minutes after the start.")
    del slots
    console.forget(("store.slots",))
    new = await _checked(console, request)
    digest = hexadecimal(request, "sha256", 32)
    changed = await _compare(console, new, None)
    path = console.session.sent[0]
    console.session.sent = None
    if not changed:
        os.remove(path)
        return {"changed": 0}
    note(console, event.SETTINGS_PROPOSED, {event.SHA256: digest})
    os.rename(path, _CANDIDATE)
    console.ending = "restart"
    return {"changed": changed}


async def _checked(console, request: dict) -> Fields:
    """Returns the settings that were sent, if they are whole and valid. Raises Refusal."""
    session = console.session
    if not session.sent:
        raise Refusal("order", "No settings were sent: begin comes first.")
    path, size, digest = session.sent
    if "sha256" in request and hexadecimal(request, "sha256", 32) != digest:
        raise Refusal("sha256", "Other settings were sent.")
    # One thing after the other: all of it together has no room beside a lock.
    if session.upload:
        if session.upload.have < size:
            raise Refusal("order", "Only %d of %d bytes are there." % (session.upload.have, size))
        session.upload.close()
        session.upload = None
    console.forget(("console.transfer",))
    _check(path, size, digest)
    # What a field's value is taken from makes no difference there.
    fields: Any = Fields(path)
    try:
        await fields.load(console)
        console.forget(("console.pem",))
        from firmware.store import settings

        settings.read(fields, console.offers)
    except SettingsError as error:
        raise _wrong(error.args[0])
    except (ValueError, RuntimeError, TypeError):
        raise _wrong("file")
    del settings
    console.forget(("store.trial", "store.settings", "core.tz_string"))
    return fields


def _check(path: str, size: int, digest: bytes) -> None:
    """Raises Refusal unless all of it is there as announced."""
    found = sha256()
    have = 0
    piece = bytearray(_PIECE_BYTES)
    with open(path, "rb") as file:
        while True:
            count = file.readinto(piece)
            if not count:
                break
            found.update(memoryview(piece)[:count])
            have += count
    if have < size:
        raise Refusal("order", "Only %d of %d bytes are there." % (have, size))
    if found.digest() != digest:
        os.remove(path)
        raise Refusal("sha256", "What arrived is something else: send it again.")


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
                for name in fields:
                    if fields.size(name) <= WHOLE_BYTES:
                        # What is wrong with a value shows when it is read.
                        fields[name]
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
            await console.line.say({"id": number, "event": said})
        await asyncio.sleep_ms(0)
    return changed


def _is_same(old, new: Fields, name: str) -> bool:
    if new.size(name) > WHOLE_BYTES or old and old.size(name) > WHOLE_BYTES:
        return bool(old) and name in old and name in new and old.digest(name) == new.digest(name)
    # A field that may be left out is an empty one, or as it was before there was Bluetooth.
    left_out = "off" if name == "ble" else ""
    return (old[name] if old and name in old else left_out) == (new[name] if name in new else left_out)


def _shown(fields, name: str):
    """Returns a field's value, or how long it is."""
    if not fields or name not in fields:
        return None
    size = fields.size(name)
    return "%d bytes" % size if size > _SHOWN else fields[name]


WORDS = {"preview": _preview, "apply": _apply}
