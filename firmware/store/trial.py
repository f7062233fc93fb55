"""New settings on trial: the ones in force are replaced whole, and only once a lock has run well with the new ones.

    settings.json       in force
    settings.new.json   the candidate
    settings.tmp        a candidate that is being written; never read

A start with a candidate is counted in the ledger before the candidate is read: resets in the two low bits of a byte,
starts by power in the others. Invalid, or reset three times (or without power 60 times) before a good run, it is
removed; after a good run it is renamed over the file in force, which littlefs does in one step.
So at any moment either the old or the new settings are there, whole.
"""

import os
from hashlib import sha256

from micropython import const

from firmware.core import event
from firmware.core.errors import SettingsError
from firmware.store import ledger

_IN_FORCE = const("settings.json")
_CANDIDATE = const("settings.new.json")
_UNFINISHED = const("settings.tmp")
_TRIES = const(3)
# Who pulls the plug must not bring the old settings back, which may name fewer revoked credentials.
_POWER_CUTS = const(60)
_DIGEST_BYTES = const(8)
_PIECE_BYTES = const(512)
# One more than the longest settings have: what lies behind makes no difference.
_PIECES = const(17)

# The third start with a candidate was the last one. In the event, in place of a field's name.
_STARTS = const("starts")


def open_settings(kept, is_power_on: bool, offers: dict) -> tuple:
    """Chooses the settings for this start; returns (config, wrong, reverted, is_trial, is_accepted).

    `offers` is what the board has pins for: OFFERS of `firmware.board.pins`. Settings that ask for more are wrong.

    `config` is a config.Config, or None and `wrong` names the field that is wrong with the settings in force.
    `reverted` names what was wrong with a candidate, empty if nothing was. `is_trial`: `config` is a candidate's.
    `is_accepted`: one was accepted, but the power went before that was written down. Raises FlashError.
    """
    trial = kept.get(ledger.TRIAL)
    reverted = ""
    is_accepted = False
    if _is_there(_CANDIDATE):
        digest = _digest(_CANDIDATE)
        tries = trial[0] if trial and trial[1:] == digest else 0
        reverted = _STARTS
        if tries & 3 < _TRIES and tries >> 2 < _POWER_CUTS:
            # Before it is read: whatever it does to this start, the third one is the last.
            kept.put(ledger.TRIAL, bytes([tries + (4 if is_power_on else 1)]) + digest)
            config, reverted = _load(_CANDIDATE, offers)
            if config:
                return config, "", "", True, False
    elif trial:
        is_accepted = trial[1:] == _digest(_IN_FORCE)
        if not is_accepted:
            kept.put(ledger.TRIAL, b"")
    config, wrong = _load(_IN_FORCE, offers)
    return config, wrong, reverted, False, is_accepted


def revert(kept, trail, reverted: str) -> None:
    """Does away with a candidate of which `reverted` was wrong. Raises FlashError."""
    trail.record(event.SETTINGS_REVERTED, {event.NAME: reverted})
    _remove(_CANDIDATE)
    kept.put(ledger.TRIAL, b"")


def note_accepted(kept, trail) -> None:
    """Writes down that the settings in force are those that were on trial. Raises FlashError."""
    trail.record(event.SETTINGS_ACCEPTED, {})
    kept.put(ledger.TRIAL, b"")


def accept(kept, trail) -> None:
    """Puts the candidate in force that this start is running with. Raises FlashError.

    Not one that was put in its place since: that one has its own trial at the next start.
    """
    trial = kept.get(ledger.TRIAL)
    if not trial or trial[1:] != _digest(_CANDIDATE):
        return
    try:
        os.rename(_CANDIDATE, _IN_FORCE)
    except OSError:
        # A file system that takes nothing any more: both files are still there.
        return
    note_accepted(kept, trail)


def propose(text: str, offers: dict) -> None:
    """Makes `text` the candidate for the next start; it is in flash when this returns.

    `offers` as for `open_settings`. Raises SettingsError with the field that is wrong, and OSError; then the candidate
    is the one that it was.
    """
    with open(_UNFINISHED, "w") as file:
        file.write(text)
        file.flush()
    # As the next start will read it.
    _, wrong = _load(_UNFINISHED, offers)
    if wrong:
        _remove(_UNFINISHED)
        raise SettingsError(wrong)
    os.rename(_UNFINISHED, _CANDIDATE)


def _load(path: str, offers: dict) -> tuple:
    """Returns (config.Config, "") or (None, name of the field that is wrong)."""
    # Not above: there is only so much stack for imports inside imports.
    from firmware.store import settings

    try:
        return settings.load(path, offers), ""
    except SettingsError as error:
        return None, error.args[0]


def _is_there(path: str) -> bool:
    try:
        os.stat(path)
        return True
    except OSError:
        return False


def _digest(path: str) -> bytes:
    """Returns what tells one file of settings from another; also something for one that cannot be read."""
    digest = sha256()
    piece = bytearray(_PIECE_BYTES)
    try:
        with open(path, "rb") as file:
            for _ in range(_PIECES):
                digest.update(memoryview(piece)[: file.readinto(piece)])
    except OSError:
        pass
    return digest.digest()[:_DIGEST_BYTES]


def _remove(path: str) -> None:
    try:
        os.remove(path)
    except OSError:
        pass
