"""Opens what the lock remembers, and has its tasks made: needed once, then let go (`firmware.build`)."""

import json
import os
from collections import OrderedDict

import ed25519
from micropython import const

from firmware.board import chip, flash, pins
from firmware.board.radio import Radio
from firmware.core import config, event
from firmware.core.clock import Clock
from firmware.store import ledger
from firmware.store.trail import Trail
from firmware.task.timekeeping import Timekeeping
from firmware.version import VERSION

# What an unconfigured board goes by.
_NO_DOOR = const("unset/unset")

_BOOT_ONLY = ("store.trial", "store.settings", "store.opening", "core.tz_string")

_SEED_BYTES = const(32)
_RTC_UNCERTAINTY_S = const(5)


def assemble(strike, kept, uptime, begun: tuple, making: list, forget) -> tuple:
    """Returns (tasks as a list of (name, coroutine), trail, attention, whether settings are on trial).

    `begun` is what `store.starts.begin` said, `making[0]` stays at the name of what is being made, `forget(names)`
    has modules loaded no longer. Raises whatever a part raises.
    """
    _, is_safe, count, failed = begun
    if kept.get(ledger.RESETTING):
        _wipe(kept, forget)
    radio = None if is_safe else Radio()
    boot = kept.integer(ledger.BOOT_COUNT) + 1
    kept.put_integer(ledger.BOOT_COUNT, boot)
    settings, wrong, reverted, is_trial, is_accepted = _open_settings(kept)
    door_name = settings.full_name if settings else _NO_DOOR
    ble = _open_ble() if radio and settings and settings.ble != config.OFF else None

    journal, seed, was_lost = _open_journal(kept)
    signer = ed25519.Signer(seed)
    clock = Clock(kept.integer(ledger.CLOCK_FLOOR))
    trail = Trail(journal, door_name, boot, uptime, clock, signer.sign)
    rtc = chip.Rtc()
    timekeeping = Timekeeping(clock, kept, trail, rtc, uptime)
    # Before the first record: then an installer's collector can check all of them.
    _announce(door_name, signer.public, boot, wrong, journal, bool(kept.get(ledger.CLAIM)))
    cause = chip.reset_cause()
    trail.record(event.BOOT, {event.CAUSE: cause, event.VERSION: VERSION})
    if was_lost:
        trail.record(event.JOURNAL_LOST, {})
    if is_safe:
        trail.record(event.SAFE_MODE, {event.COUNT: count, event.NAME: failed})
    if reverted or is_accepted:
        _note_trial(kept, trail, reverted)
    if wrong:
        trail.record(event.SETTINGS_REFUSED, {event.NAME: wrong})
    kept_s = rtc.now_s()
    if kept_s is not None:
        timekeeping.tell(kept_s, _RTC_UNCERTAINTY_S, 0, "rtc")

    forget(_BOOT_ONLY)
    left_out = failed if is_safe else ""
    known = None
    if settings and (ble or settings.nfc != config.OFF) and left_out != "reader":
        # Tables of keys that are not there yet are made: while there is room.
        from firmware.store import issuers

        making[0] = "reader"
        known = issuers.load(settings.issuers)
    making[0] = "start"
    from firmware.crew import Crew

    crew = Crew(settings, known, strike, uptime, clock, kept, trail, journal, radio, timekeeping, boot, seed)
    crew.ble = ble
    if not chip.is_power_on():
        # Whoever was there before the reset may still be.
        crew.attention.touch(uptime.now_ms())
    tasks = crew.tasks(making, left_out, VERSION, forget, signer.public)
    _introduce(crew.console, door_name, signer.public, cause, is_trial, wrong or reverted, failed if is_safe else None)
    forget(("crew",))
    return tasks, trail, crew.attention, is_trial


def _wipe(kept, forget) -> None:
    """Goes on with the factory reset that was ordered."""
    from firmware.store import wiping

    wiping.wipe(kept, (flash.partition("journal"), flash.partition("photos")))
    forget(("store.wiping",))


def _open_ble():
    """Returns the Bluetooth radio, switched on while the chip's own memory still has room for its stack."""
    from firmware.board.ble import Ble

    ble = Ble()
    try:
        ble.start()
    except OSError:
        # Its task tries again, and says so.
        pass
    return ble


# What is imported in a function that returns is let go with `_BOOT_ONLY`; a variable of this module would keep it.


def _open_settings(kept) -> tuple:
    from firmware.store import trial

    return trial.open_settings(kept, chip.is_power_on(), pins.OFFERS)


def _open_journal(kept) -> tuple:
    from firmware.store import opening

    return opening.open_journal(flash.partition("journal"), kept, _make_seed)


def _note_trial(kept, trail, reverted: str) -> None:
    from firmware.store import trial

    if reverted:
        trial.revert(kept, trail, reverted)
    else:
        trial.note_accepted(kept, trail)


def _introduce(console, door_name: str, public: bytes, cause: int, is_trial: bool, refused: str, failed) -> None:
    """Gives the console what only a start knows; `failed` is None unless this is the safe mode."""
    console.version = VERSION
    console.board = pins.BOARD
    console.offers = pins.OFFERS
    console.door = door_name
    console.public = public
    console.cause = cause
    console.is_trial = is_trial
    console.refused_field = refused
    console.failed = failed


def _make_seed() -> bytes:
    # The chip's random numbers are true ones while the radio is on.
    Radio()
    return os.urandom(_SEED_BYTES)


def _announce(door_name: str, public_key: bytes, boot: int, refused_field: str, journal, is_claimed: bool) -> None:
    """Prints the one line that an installer needs to enrol the door."""
    # In this order, so that a reader knows the line by its beginning.
    line = OrderedDict()
    line["lobbylock"] = VERSION
    line["door"] = door_name
    line["public_key"] = public_key.hex()
    line["boot"] = boot
    if refused_field:
        line["settings_refused"] = refused_field
    # Of a lock that has an owner only he is told the key.
    if not (journal.acked_seq or is_claimed):
        line["journal"] = {"seq": journal.seq + 1, "key": bytes(journal.next_key).hex()}
    print(json.dumps(line))
