"""An event in words, and as JSON values.

Names in records come from the lock and drivers' names from people, so both are stripped of control characters and
never read as markup.
"""

from typing import Any

from rich.text import Text

from firmware.core import event, event_names
from lobbylock.door import Door
from lobbylock.moment import format_local, format_utc

# What machine.reset_cause() says.
_START_NAMES = {1: "power on", 2: "reset", 3: "watchdog", 4: "sleep", 5: "restart by itself"}
_CAUSE_NAMES = {event.BY_ACCESS: "access", event.BY_EXIT: "exit", event.BY_TEST: "test"}
_ALARMS = (
    event.DOOR_FORCED,
    event.DOOR_HELD,
    event.LOCKOUT_STARTED,
    event.EVENTS_LOST,
    event.TASK_FAILED,
    event.SETTINGS_REFUSED,
    event.STRIKE_FAILED,
    event.KEYPAD_FAULT,
    event.READER_FAULT,
    event.CAMERA_FAILED,
    event.SAFE_MODE,
    event.JOURNAL_LOST,
    event.SETTINGS_REVERTED,
    event.SESSION_REFUSED,
    event.FACTORY_RESET,
    event.UPDATE_REVERTED,
    event.LIST_REFUSED,
    event.LIST_LOST,
    event.RADIO_FAULT,
)
_TABLES = {
    event.REASON: event_names.REASON_NAMES,
    event.VIA: event_names.VIA_NAMES,
    event.ROLE: event_names.ROLE_NAMES,
    event.RIGHTS: event_names.RIGHTS_NAMES,
}
_MAX_TEXT_CHARACTERS = 80


def printable(text: str, limit: int = _MAX_TEXT_CHARACTERS) -> str:
    """Returns `text` fit for a terminal: control characters become "?", and it ends after `limit` characters."""
    shown = "".join(character if character.isprintable() else "?" for character in text[:limit])
    return shown + "…" if len(text) > limit else shown


def kind_name(kind: int) -> str:
    """Returns the name of an event's kind; kinds of a later version are shown by number."""
    return event_names.KIND_NAMES[kind] if 0 < kind < len(event_names.KIND_NAMES) else f"kind_{kind}"


def driver_name(door: Door, found: event.Event) -> str | None:
    """Returns whose code an event is about, if the code was genuine and the slot is somebody's."""
    slot = found.details.get(event.SLOT)
    if not isinstance(slot, int) or found.time_s is None:
        return None
    return door.driver_at(slot, found.time_s)


def person_name(door: Door, found: event.Event) -> str | None:
    """Returns who came: whose code it was, or whom the credential names; None if neither is known."""
    subject = found.details.get(event.SUBJECT)
    return driver_name(door, found) or (subject if isinstance(subject, str) else None)


def event_values(door: Door, found: event.Event) -> dict[str, Any]:
    """Returns an event as JSON values, bytes written as hex, the signature of a seal left out."""
    values: dict[str, Any] = {
        "door": door.name,
        "seq": found.seq,
        "kind": kind_name(found.kind),
        "boot": found.boot,
        "uptime_ms": found.uptime_ms,
        "time_s": found.time_s,
        "time": None if found.time_s is None else format_utc(found.time_s),
        "details": detail_values(found),
    }
    driver = driver_name(door, found)
    if driver is not None:
        values["driver"] = driver
    return values


def detail_values(found: event.Event) -> dict[str, Any]:
    """Returns an event's details as JSON values by name, numbers that stand for something as its name."""
    details = {}
    for key, value in found.details.items():
        if key == event.SIGNATURE:
            continue
        name = event_names.DETAIL_NAMES[key] if 0 < key < len(event_names.DETAIL_NAMES) else f"detail_{key}"
        if key == event.CAUSE and found.kind == event.UNLOCKED:
            value = _CAUSE_NAMES.get(value, value) if isinstance(value, int) else value
        elif key in _TABLES:
            value = _name_in(_TABLES[key], value)
        details[name] = _json_value(value)
    return details


def spoken_values(found: event.Event) -> dict[str, Any]:
    """Returns an event's details as `detail_values` does, in the words that people read."""
    values = detail_values(found)
    for key, value in found.details.items():
        if key == event.CAUSE or key in _TABLES:
            values[event_names.DETAIL_NAMES[key]] = in_words(found.kind, key, _json_value(value))
    return values


def in_words(kind: int, key: int, value: Any) -> Any:
    """Returns what a detail of an event's kind says for people; what needs no words, or has none yet, as it is."""
    if key == event.CAUSE:
        names = {event.UNLOCKED: _CAUSE_NAMES, event.BOOT: _START_NAMES}.get(kind, {})
        return names.get(value, value) if isinstance(value, int) else value
    name = _name_in(_TABLES[key], value) if key in _TABLES else value
    return name.replace("_", " ") if isinstance(name, str) and name != value else name


def _name_in(names: tuple[str, ...], value: Any) -> Any:
    """Returns what a number stands for; numbers of a later version, and anything else, as they are."""
    is_known = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names)
    return (names[value] or value) if is_known else value


def _json_value(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return [_json_value(item) for item in value]
    if isinstance(value, dict):
        return {str(_json_value(key)): _json_value(item) for key, item in value.items()}
    return value


def event_text(door: Door, found: event.Event) -> Text:
    """Returns one line for people: when, where, number, what, who, and the rest of the details."""
    if found.time_s is None:
        when = f"boot {found.boot} +{found.uptime_ms / 1000:.3f} s"
    else:
        when = format_local(found.time_s)
    details = detail_values(found)
    reason = details.pop("reason", None) if found.kind == event.ACCESS else None
    line = Text(f"{when:<24} {door.name} #{found.seq} ")
    line.append(kind_name(found.kind), _style(found))
    if reason is not None:
        line.append(f" {printable(str(reason))}", _style(found))
    who = person_name(door, found)
    if who is not None:
        line.append(f" {printable(who)}", "bold")
        details.pop("subject", None)
    for name, value in details.items():
        line.append(f" {name}={printable(str(value), 16 if name == 'sha256' else _MAX_TEXT_CHARACTERS)}", "dim")
    return line


def _style(found: event.Event) -> str:
    if found.kind == event.ACCESS:
        return "green" if found.details.get(event.REASON) == event.GRANTED else "yellow"
    if found.kind in _ALARMS:
        return "bold red"
    return "cyan" if found.kind != event.SEAL else "dim"
