"""Puts the lock together: settings -> parts -> tasks. The only place that knows the board."""

import asyncio
import gc
import json
import os
import sys
import time

import ed25519
import micropython
from micropython import const

from firmware.board import chip, flash, pins
from firmware.board.camera import PoweredCamera
from firmware.board.inputs import Input
from firmware.board.keypad import Keypad
from firmware.board.lamp import Lamp
from firmware.board.radio import Radio
from firmware.board.strike import Strike
from firmware.core import event, keycode
from firmware.core.attention import Attention
from firmware.core.clock import Clock
from firmware.core.door import Door
from firmware.core.errors import SettingsError
from firmware.core.throttle import Throttle
from firmware.core.uptime import Uptime
from firmware.store import ledger, settings
from firmware.store.journal import Journal
from firmware.store.photos import Photos
from firmware.store.trail import Trail
from firmware.task.access import Access
from firmware.task.courier import Courier
from firmware.task.doorway import Doorway
from firmware.task.entry import Entry
from firmware.task.health import Health
from firmware.task.indicate import Indicator
from firmware.task.photographer import Photographer
from firmware.task.sealing import Sealing
from firmware.task.supervise import supervise
from firmware.task.timekeeping import Timekeeping
from firmware.task.uplink import Uplink

VERSION = "0.1.0"

# What an unconfigured board goes by: exit works, nobody is let in.
_DEFAULT_RELEASE_MS = const(5_000)
_DEFAULT_HELD_MS = const(30_000)
_NO_DOOR = const("unset/unset")

_SEED_BYTES = const(32)
_RTC_UNCERTAINTY_S = const(5)
_RESTART_DELAY_MS = const(2_000)
_COLLECT_BYTES = const(16_384)


def run() -> None:
    """Runs the lock until something ends it, then resets the board: no prompt, no half-alive lock."""
    micropython.kbd_intr(-1)
    # All modules are in: from here on collections cost a waiting driver more than holes cost the heap.
    gc.threshold(_COLLECT_BYTES)
    strike = Strike(pins.STRIKE)
    try:
        asyncio.run(_lock(strike))
    except BaseException as error:  # noqa: BLE001 - the outermost boundary; the only way on is a reset
        sys.print_exception(error)
    # Also what rests the strike at once, in whatever pulse it is.
    chip.reset()


async def _lock(strike) -> None:
    if not chip.is_power_on():
        # A board that fails at its start must not wear its flash out by trying.
        await asyncio.sleep_ms(_RESTART_DELAY_MS)
    uptime = Uptime(time.ticks_ms, time.ticks_diff)
    radio = Radio()
    kept = ledger.Ledger(flash.partition("ledger"))
    signer = ed25519.Signer(_identity(kept))
    boot = kept.integer(ledger.BOOT_COUNT) + 1
    kept.put_integer(ledger.BOOT_COUNT, boot)
    config, refused_field = _settings()
    door_name = config.full_name if config else _NO_DOOR

    journal = Journal(flash.partition("journal"), event.genesis(signer.public), kept.integer(ledger.ACKED_SEQ))
    clock = Clock(kept.integer(ledger.CLOCK_FLOOR))
    trail = Trail(journal, door_name, boot, uptime, clock, signer.sign)
    rtc = chip.Rtc()
    timekeeping = Timekeeping(clock, kept, trail, rtc, uptime)
    trail.record(event.BOOT, {event.CAUSE: chip.reset_cause(), event.VERSION: VERSION})
    if refused_field:
        trail.record(event.SETTINGS_REFUSED, {event.NAME: refused_field})
    kept_s = rtc.now_s()
    if kept_s is not None:
        timekeeping.tell(kept_s, _RTC_UNCERTAINTY_S, 0, "rtc")
    _announce(door_name, signer.public, boot, refused_field)

    photos = Photos(flash.partition("photos"), journal.seq)
    tasks = _tasks(config, strike, uptime, clock, kept, trail, journal, photos, radio, timekeeping)
    await supervise(tasks, trail)


def _tasks(config, strike, uptime, clock, kept, trail, journal, photos, radio, timekeeping) -> list:
    """Returns the tasks of the lock as (name, coroutine)."""
    attention = Attention()
    indicator = Indicator(Lamp(pins.LED, pins.BUZZER))
    throttle = Throttle(kept.throttle(), kept.put_throttle, uptime.now_ms())
    release_ms = config.release_ms if config else _DEFAULT_RELEASE_MS
    held_ms = config.held_ms if config else _DEFAULT_HELD_MS
    contact = Input(pins.DOOR_CONTACT, 1) if config is None or config.has_contact else None
    doorway = Doorway(Door(strike, release_ms, held_ms), contact, Input(pins.EXIT_BUTTON, 0), trail, attention, uptime)
    photographer = checker = None
    if config:
        camera = PoweredCamera(pins.CAMERA_TX, pins.CAMERA_RX, pins.CAMERA_POWER)
        photographer = Photographer(camera, photos, config.camera, trail, uptime)
        checker = keycode.Checker(config.code_key, config.tag, config.day_start_s)
    keypad = Keypad(pins.KEYPAD_ROWS, pins.KEYPAD_COLUMNS)
    access = Access(kept, photographer, trail, doorway.release, indicator)
    entry = Entry(keypad, checker, throttle, kept, access, trail, indicator, attention, uptime, clock)
    tasks = [
        ("entry", entry.run()),
        ("door", doorway.run()),
        ("exit", doorway.watch_exit()),
        ("indicator", indicator.run()),
        ("sealing", Sealing(trail, journal, attention, uptime).run()),
        ("health", Health(chip.watchdog(), timekeeping, uptime).run()),
    ]
    if contact:
        tasks.append(("contact", doorway.watch_contact()))
    if config:
        courier = Courier(config, "lobbylock-" + config.building + "-" + config.door, VERSION)
        uplink = Uplink(courier, radio, config, journal, photos, kept, timekeeping, attention, uptime)
        tasks += [("uplink", uplink.run()), ("camera", photographer.run())]
    return tasks


def _identity(kept) -> bytes:
    """Returns the seed of the door's Ed25519 key, made at the first start. Raises FlashError."""
    seed = kept.get(ledger.IDENTITY)
    if seed is None:
        seed = os.urandom(_SEED_BYTES)
        kept.put(ledger.IDENTITY, seed)
    return seed


def _settings() -> tuple:
    """Returns (Settings, "") or (None, name of the field that is wrong)."""
    try:
        return settings.load(), ""
    except SettingsError as error:
        return None, error.args[0]


def _announce(door_name: str, public_key: bytes, boot: int, refused_field: str) -> None:
    """Prints the one line that an installer needs to enrol the door."""
    line = {"lobbylock": VERSION, "door": door_name, "public_key": public_key.hex(), "boot": boot}
    if refused_field:
        line["settings_refused"] = refused_field
    print(json.dumps(line))
