"""A doctor's findings about a lock that says how it is, each with what to do about it."""

import time
from collections.abc import Callable

from lobbylock.console.status import Status
from lobbylock.doctor_finding import NOTE, Finding
from lobbylock.doctor_sight import explain_refused

_LOW_HEAP_BYTES = 8_192
_WEAK_RSSI_DBM = -80
_FULL_PER_CENT = 60
_CLOCK_OFF_S = 120
_RECENT_S = 120

_RESET_CAUSES = {3: "its watchdog reset it", 2: "it reset itself"}


def find_all(status: Status, now_s: Callable[[], float] = time.time) -> list[Finding]:
    """Returns what is wrong with the lock, the gravest first; nothing for a healthy one."""
    found: list[Finding | None] = []
    for look in (_settings, _safe_mode, _clock, _wifi, _uplink, _camera, _reader, _keypad, _contact):
        found.append(look(status))
    for look in (_lost_list, _lockout, _update, _trial, _heap, _journal, _starts):
        found.append(look(status))
    found.append(_clock_off(status, now_s()))
    return [finding for finding in found if finding]


def _settings(status: Status) -> Finding | None:
    refused = status.get("settings", "refused")
    if refused:
        return explain_refused(str(refused))
    if status.get("settings", "running") is False:
        return explain_refused("file")
    return None


def _safe_mode(status: Status) -> Finding | None:
    if not status.get("safe_mode"):
        return None
    part = str(status.get("failed") or "")[:40]
    if not part or part == "start":
        return Finding(
            "safe_mode",
            "The board runs in its safe mode: its starts failed three times. It is without network.",
            "Restart it (`power` off and on). If it comes back here, write its image anew (`make flash`).",
        )
    return Finding(
        "safe_mode",
        f"The board runs in its safe mode, without network and without its {part}: that failed three times.",
        f"Look at the wiring of the {part}, then switch the board off and on. After an hour it tries by itself.",
    )


def _clock(status: Status) -> Finding | None:
    if status.get("time", "known") is not False:
        return None
    return Finding(
        "clock",
        "The lock does not know the time: it refuses codes and credentials until it does; the exit works.",
        "`lobbylock install` sets it. For later, give it a time server (`ntp`) that it reaches.",
    )


def _clock_off(status: Status, now_s: float) -> Finding | None:
    lock_s = status.number("time", "unix_s")
    if lock_s is None or abs(lock_s - now_s) <= _CLOCK_OFF_S:
        return None
    way = "behind" if lock_s < now_s else "ahead of"
    return Finding(
        "clock_off",
        f"The lock's clock is {abs(lock_s - round(now_s))} seconds {way} this machine's.",
        "Find out which is right. If it is this machine's, `lobbylock install` sets the lock's.",
    )


def _wifi(status: Status) -> Finding | None:
    if status.get("wifi") is None:
        return None
    if status.get("wifi", "state") == "off":
        return Finding("wifi_none", "No Wi-Fi is set.", "Write ssid and password into the building's file.", NOTE)
    if status.get("wifi", "up") is False:
        return _explain_wifi(status.get("wifi", "state"))
    rssi = status.number("wifi", "rssi")
    if rssi is not None and rssi < _WEAK_RSSI_DBM:
        return Finding(
            "wifi_weak",
            f"The Wi-Fi is weak: {rssi} dBm.",
            "Bring the access point nearer, or the board's antenna out of the metal.",
            NOTE,
        )
    return None


def _explain_wifi(state: object) -> Finding:
    if state == "wrong_password":
        return Finding(
            "wifi_password",
            "The Wi-Fi refuses the password.",
            "Correct `password` of [wifi] in the building's file and run `lobbylock install`.",
        )
    if state == "not_found":
        return Finding(
            "wifi_not_found",
            "The Wi-Fi of the settings is not there.",
            "Is `ssid` of [wifi] spelled right, and does it send on 2.4 GHz? Nothing else is heard by an ESP32.",
        )
    return Finding(
        "wifi",
        "The board is not in its Wi-Fi.",
        "Look at ssid and password of [wifi], at the access point, and whether it sends on 2.4 GHz.",
    )


def _uplink(status: Status) -> Finding | None:
    if status.get("uplink") is None:
        return None
    if status.get("uplink", "broker") is False:
        return Finding("broker_none", "No broker is set: what the door records stays on it.", "Write [mqtt] url.", NOTE)
    # Without Wi-Fi there is nothing to say about the broker.
    if status.get("uplink", "connected") or not status.get("wifi", "up"):
        return None
    error = str(status.get("uplink", "last_error") or "")[:80]
    if not status.get("time", "known"):
        return Finding(
            "broker_clock",
            "The board does not reach its broker, and does not know the time: without it no certificate is valid.",
            "Set the clock first (`lobbylock install`), then look again.",
        )
    return _explain_broker(error)


def _explain_broker(error: str) -> Finding:
    for words, code, say, do in _BROKER_ERRORS:
        if any(word in error for word in words):
            return Finding(code, say, do)
    told = f": {error}" if error else ""
    return Finding(
        "broker",
        f"The board does not reach its broker{told}.",
        "Is the broker on, is `url` of [mqtt] right, and does a firewall let the board through?",
    )


# What the board's last error has in it.
_BROKER_ERRORS = (
    (
        ("MQTTException(4", "MQTTException(5"),
        "broker_refused",
        "The broker refuses the lock: user or password are wrong, or the user may not do this.",
        "Correct `user` and `password` of [mqtt], and the broker's list of users.",
    ),
    (
        ("certificate", "CERT", "X509", "-9984", "-0x2700"),
        "broker_certificate",
        "The broker's certificate does not hold: it chains to another CA, names another host, or is out of its time.",
        "Is `ca` of [mqtt] the broker's, does its certificate name the host in `url`, and is the lock's clock right?",
    ),
    (
        ("(111,", "(104,", "ECONNREFUSED", "ECONNRESET"),
        "broker_closed",
        "Nobody listens at the broker's address, or closes the door at once.",
        "Is the broker running, and is the port of `url` in [mqtt] the right one?",
    ),
    (
        ("(-202", "(-2,", "(-3,", "(-5,"),
        "broker_name",
        "The broker's name is not known in the board's network.",
        "Look at the name in `url` of [mqtt], or write its address.",
    ),
)


def _camera(status: Status) -> Finding | None:
    if status.get("camera", "state") != "silent":
        return None
    if status.get("camera", "policy") == "required":
        effect = "nobody but residents is let in, for the door asks for a picture"
    else:
        effect = "people come in without a picture"
    return Finding(
        "camera",
        f"The camera does not answer: {effect}.",
        "Look at its supply (5 V, switched), and at RX and TX, which are easily swapped: `lobbylock boards` draws it.",
    )


def _reader(status: Status) -> Finding | None:
    if status.get("reader", "state") != "silent":
        return None
    line = "SPI" if status.get("reader", "line") == "spi" else "HSU (its switches say so)"
    return Finding(
        "reader",
        "The card reader does not answer; codes still work.",
        f"Is it set to {line}, and is its supply on? `lobbylock boards` draws the wires. A PN532 that hangs wants its"
        " power off and on.",
    )


def _keypad(status: Status) -> Finding | None:
    if not status.get("keypad", "stuck"):
        return None
    return Finding(
        "keypad",
        "A key of the keypad is stuck, or two of its lines touch: no code can be typed.",
        "Free the key; look for water behind the keypad and for wires that touch.",
    )


def _contact(status: Status) -> Finding | None:
    if status.get("contact") != "open":
        return None
    return Finding(
        "contact",
        "The door contact says that the door is open.",
        "If it is closed: the magnet is too far away, or a wire of the contact is off. If there is no contact, say"
        " `contact = false` in the building's file.",
        NOTE,
    )


def _lost_list(status: Status) -> Finding | None:
    if status.get("list", "lost") is not True:
        return None
    return Finding(
        "list_lost",
        "The list of revoked credentials is lost: the door refuses every badge and phone until it has one again.",
        "Bring it: `lobbylock news push`, a phone that carries it, or the broker.",
    )


def _lockout(status: Status) -> Finding | None:
    if not status.get("throttle", "locked"):
        return None
    return Finding(
        "lockout",
        f"The keypad is locked out for another {status.number('throttle', 'left_s') or 0} seconds.",
        "Somebody typed five wrong codes in a row. It ends by itself; badges and phones work meanwhile.",
        NOTE,
    )


def _update(status: Status) -> Finding | None:
    state, version = status.get("update", "state"), str(status.get("update", "version"))[:20]
    if state == "trial":
        return Finding(
            "update",
            f"LobbyLock {version} runs on trial.",
            "Leave it on for some minutes: it then stays, or the version before comes back by itself.",
            NOTE,
        )
    if state == "reverted":
        reason = str(status.get("update", "reason"))[:40]
        return Finding(
            "update_reverted",
            f"LobbyLock {version} did not start well here ({reason}): the version before runs again.",
            "Tell the project; try `lobbylock update` again with a newer package.",
            NOTE,
        )
    return None


def _trial(status: Status) -> Finding | None:
    if status.get("settings", "trial"):
        return Finding(
            "trial",
            "The settings are on trial, for two minutes from the start on.",
            "Leave the board on: then they are in force.",
            NOTE,
        )
    return None


def _heap(status: Status) -> Finding | None:
    free = status.number("free_heap")
    if free is None or free >= _LOW_HEAP_BYTES:
        return None
    return Finding(
        "heap",
        f"The board has {free} bytes of memory left: it may soon restart.",
        "Restart it. If it comes back to this, tell its version and settings (without secrets) to the project.",
    )


def _journal(status: Status) -> Finding | None:
    full = status.number("journal", "full")
    if full is None or full < _FULL_PER_CENT:
        return None
    return Finding(
        "journal",
        f"The board's journal is {full} % full of events that no collector has acknowledged; then the oldest go.",
        "Is `lobbylock collect` running with the right broker, and is this door enrolled there?",
    )


def _starts(status: Status) -> Finding | None:
    cause = _RESET_CAUSES.get(status.number("reset_cause") or 0)
    uptime_s = status.number("uptime_s")
    if cause is None or uptime_s is None or uptime_s > _RECENT_S:
        return None
    return Finding(
        "restarted",
        f"The board started {uptime_s} seconds ago because {cause}.",
        "After settings or an update that is as it should be; otherwise `lobbylock audit events` names what ended.",
        NOTE,
    )
