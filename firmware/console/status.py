"""How the lock is, in some event lines: each part by its own name, null where the door lacks it."""

import gc
import os
from binascii import hexlify
from hashlib import sha256

from micropython import const

from firmware.store import slots

_PIECE_BYTES = const(512)
_IN_FORCE = const("settings.json")
_CANDIDATE = const("settings.new.json")
_OFF = const("off")


async def _status(console, request: dict) -> dict:
    for tell in (_tell_board, _tell_network, _tell_parts, _tell_kept):
        said = tell(console)
        await console.line.say({"id": request["id"], "event": said})
    return {}


def _tell_board(console) -> dict:
    now_ms = console.uptime.now_ms()
    now_s = console.clock.now_s(now_ms)
    gc.collect()
    return {
        "version": console.version,
        "slot": slots.running(),
        "uptime_s": now_ms // 1000,
        "boot": console.boot,
        "reset_cause": console.cause,
        "safe_mode": console.failed is not None,
        "failed": console.failed,
        "free_heap": gc.mem_free(),
        "time": {
            "unix_s": now_s,
            "uncertainty_s": None if now_s is None else console.clock.uncertainty_s(now_ms),
            "known": now_s is not None,
        },
    }


def _tell_network(console) -> dict:
    radio, uplink, journal, settings = console.radio, console.uplink, console.journal, console.settings
    wifi = sent = None
    if radio:
        state = radio.state() if settings and settings.wifi[0] else _OFF
        wifi = {"state": state, "up": radio.is_up(), "rssi": radio.strength()}
    if uplink:
        sent = {
            "broker": bool(settings.mqtt),
            "connected": uplink.courier.is_connected,
            "queue": journal.seq - journal.acked_seq,
            "acked": journal.acked_seq,
            "last_error": uplink.courier.last_error,
        }
    return {"wifi": wifi, "uplink": sent}


def _tell_parts(console) -> dict:
    settings, doorway, entry = console.settings, console.doorway, console.entry
    contact = None
    if doorway.contact:
        contact = "open" if doorway.contact.is_active() else "closed"
    # Not loaded while there is no lock-out to end.
    throttle = entry.throttle
    left_ms = throttle.remaining_ms(console.uptime.now_ms()) if throttle else 0
    return {
        "camera": {
            "policy": settings.camera if settings else _OFF,
            "state": _state(settings and settings.camera, console.photographer),
        },
        "reader": {
            "line": settings.nfc if settings else _OFF,
            "state": _state(settings and settings.nfc, console.tap),
        },
        "keypad": {"kind": settings.keypad if settings else None, "stuck": entry.is_stuck},
        "contact": contact,
        "strike": "released" if doorway.door.is_released else "rests",
        "throttle": {"locked": bool(throttle and throttle.is_locked), "left_s": left_ms // 1000},
    }


def _state(wanted, part) -> str:
    """Returns what becomes of a part that the settings want, or do not."""
    if not wanted or wanted == _OFF:
        return _OFF
    if not part:
        return "left_out"
    return "ready" if part.is_ready else "silent"


def _tell_kept(console) -> dict:
    journal, news = console.journal, console.news
    block, _, _, free = os.statvfs(".")[:4]
    state, version, reason = slots.state()
    return {
        "settings": {
            "sha256": _digest(_IN_FORCE),
            "trial": _digest(_CANDIDATE) if console.is_trial else None,
            "refused": console.refused_field,
            "running": console.settings is not None,
        },
        "journal": {"seq": journal.seq, "acked": journal.acked_seq, "unsealed": journal.unsealed, "full": journal.full},
        "pictures": console.photos.count if console.photos else 0,
        "files": {"free_bytes": block * min(free, 1 << 12)},
        "update": {"state": state, "version": version, "reason": reason},
        "list": {"version": news.version, "lost": bool(news.floor and not news.file)} if news else None,
    }


def _digest(path: str):
    """Returns the SHA-256 of a file in hex, None if there is none."""
    digest = sha256()
    piece = bytearray(_PIECE_BYTES)
    try:
        with open(path, "rb") as file:
            while True:
                size = file.readinto(piece)
                if not size:
                    return hexlify(digest.digest()).decode()
                digest.update(memoryview(piece)[:size])
    except OSError:
        return None


WORDS = {"status": _status}
