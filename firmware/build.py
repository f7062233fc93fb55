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
from firmware.board.inputs import Input
from firmware.board.lamp import Lamp
from firmware.board.radio import Radio
from firmware.board.strike import Strike
from firmware.core import config, event, keycode
from firmware.core.attention import Attention
from firmware.core.clock import Clock
from firmware.core.door import Door
from firmware.core.errors import SettingsError
from firmware.core.nonces import Nonces
from firmware.core.throttle import Throttle
from firmware.core.uptime import Uptime
from firmware.store import ledger
from firmware.store.photos import Photos
from firmware.store.trail import Trail
from firmware.task.access import Access
from firmware.task.doorway import Doorway
from firmware.task.entry import Entry
from firmware.task.health import Health
from firmware.task.indicate import Indicator
from firmware.task.sealing import Sealing
from firmware.task.supervise import supervise
from firmware.task.timekeeping import Timekeeping

VERSION = "0.1.0"

# What an unconfigured board goes by: exit works, nobody is let in.
_DEFAULT_RELEASE_MS = const(5_000)
_DEFAULT_HELD_MS = const(30_000)
_NO_DOOR = const("unset/unset")

_SEED_BYTES = const(32)
_RTC_UNCERTAINTY_S = const(5)
_RESTART_DELAY_MS = const(2_000)
_COLLECT_BYTES = const(32_768)


def run() -> None:
    """Runs the lock until something ends it, then resets the board: no prompt, no half-alive lock."""
    micropython.kbd_intr(-1)
    strike = Strike(pins.STRIKE)
    try:
        asyncio.run(_live(strike))
    except BaseException as error:  # noqa: BLE001 - the outermost boundary; the only way on is a reset
        sys.print_exception(error)
    # Also what rests the strike at once, in whatever pulse it is.
    chip.reset()


async def _live(strike) -> None:
    if not chip.is_power_on():
        # A board that fails at its start must not wear its flash out by trying.
        await asyncio.sleep_ms(_RESTART_DELAY_MS)
    tasks, trail = _assemble(strike)
    _let_go()
    await supervise(tasks, trail)


def _let_go() -> None:
    """Lets the heap have back what only put the lock together."""
    here = globals()
    for boot_only in (_Parts, _assemble, _open_journal, _settings, _announce):
        del here[boot_only.__name__]
    gc.collect()
    # From here on collections cost a waiting driver more than holes cost the heap. But a heap that is let fill up has
    # what stays scattered all over it: then nothing long finds a place any more.
    gc.threshold(_COLLECT_BYTES)


def _assemble(strike) -> tuple:
    """Returns (tasks as a list of (name, coroutine), the trail)."""
    uptime = Uptime(time.ticks_ms, time.ticks_diff)
    radio = Radio()
    kept = ledger.Ledger(flash.partition("ledger"))
    journal, seed, was_lost = _open_journal(kept)
    signer = ed25519.Signer(seed)
    boot = kept.integer(ledger.BOOT_COUNT) + 1
    kept.put_integer(ledger.BOOT_COUNT, boot)
    settings, refused_field = _settings()
    door_name = settings.full_name if settings else _NO_DOOR

    clock = Clock(kept.integer(ledger.CLOCK_FLOOR))
    trail = Trail(journal, door_name, boot, uptime, clock, signer.sign)
    rtc = chip.Rtc()
    timekeeping = Timekeeping(clock, kept, trail, rtc, uptime)
    trail.record(event.BOOT, {event.CAUSE: chip.reset_cause(), event.VERSION: VERSION})
    if was_lost:
        trail.record(event.JOURNAL_LOST, {})
    if refused_field:
        trail.record(event.SETTINGS_REFUSED, {event.NAME: refused_field})
    kept_s = rtc.now_s()
    if kept_s is not None:
        timekeeping.tell(kept_s, _RTC_UNCERTAINTY_S, 0, "rtc")
    _announce(door_name, signer.public, boot, refused_field)

    photos = Photos(flash.partition("photos"), journal.seq)
    parts = _Parts(settings, strike, uptime, clock, kept, trail, journal, photos, radio, timekeeping, boot)
    return parts.tasks(), trail


class _Parts:
    """What a lock with these settings is made of. `settings` is None on a board without valid ones."""

    def __init__(self, settings, strike, uptime, clock, kept, trail, journal, photos, radio, timekeeping, boot) -> None:
        self._settings = settings
        self._uptime = uptime
        self._clock = clock
        self._ledger = kept
        self._trail = trail
        self._journal = journal
        self._photos = photos
        self._radio = radio
        self._timekeeping = timekeeping
        self._boot = boot
        self._attention = Attention()
        self._indicator = Indicator(Lamp(pins.LED, pins.BUZZER))
        self._doorway = self._make_doorway(strike)
        self._photographer = self._make_photographer() if settings and settings.camera != config.OFF else None
        release = self._doorway.release
        self._access = Access(kept, self._photographer, trail, release, self._indicator)

    def tasks(self) -> list:
        """Returns the tasks of the lock as (name, coroutine)."""
        settings = self._settings
        tasks = [
            ("entry", self._make_entry().run()),
            ("door", self._doorway.run()),
            ("exit", self._doorway.watch_exit()),
            ("indicator", self._indicator.run()),
            ("sealing", Sealing(self._trail, self._journal, self._attention, self._uptime).run()),
            ("health", Health(chip.watchdog(), self._timekeeping, self._attention, self._uptime).run()),
        ]
        if settings is None or settings.has_contact:
            tasks.append(("contact", self._doorway.watch_contact()))
        if self._photographer:
            tasks.append(("camera", self._photographer.run()))
        if settings:
            tasks.append(("uplink", self._make_uplink().run()))
            if settings.nfc != config.OFF:
                tasks.append(("reader", self._make_tap().run()))
        return tasks

    def _make_doorway(self, strike) -> Doorway:
        settings = self._settings
        release_ms = settings.release_ms if settings else _DEFAULT_RELEASE_MS
        held_ms = settings.held_ms if settings else _DEFAULT_HELD_MS
        contact = Input(pins.DOOR_CONTACT, 1) if settings is None or settings.has_contact else None
        door = Door(strike, release_ms, held_ms)
        return Doorway(door, contact, Input(pins.EXIT_BUTTON, 0), self._trail, self._attention, self._uptime)

    # What a door may lack is imported when it is needed: every module takes its share of the heap.

    def _make_photographer(self):
        from firmware.board.camera import PoweredCamera
        from firmware.task.photographer import Photographer

        camera = PoweredCamera(pins.CAMERA_TX, pins.CAMERA_RX, pins.CAMERA_POWER)
        is_required = self._settings.camera == config.REQUIRED
        return Photographer(camera, self._photos, is_required, self._trail, self._uptime)

    def _make_keys(self):
        if self._settings and self._settings.keypad == "wiegand":
            from firmware.board.wiegand import Wiegand
            from firmware.reader.wiegand import WiegandKeys

            return WiegandKeys(Wiegand(*pins.WIEGAND))
        from firmware.board.keypad import Keypad

        return Keypad(pins.KEYPAD_ROWS, pins.KEYPAD_COLUMNS)

    def _make_entry(self) -> Entry:
        settings = self._settings
        checker = keycode.Checker(settings.code_key, settings.tag, settings.day_start_s) if settings else None
        throttle = Throttle(self._ledger.throttle(), self._ledger.put_throttle, self._uptime.now_ms())
        return Entry(
            self._make_keys(),
            checker,
            throttle,
            self._ledger,
            self._access,
            self._trail,
            self._indicator,
            self._attention,
            self._uptime,
            self._clock,
        )

    def _make_uplink(self):
        from firmware.task.courier import Courier
        from firmware.task.uplink import Uplink

        settings = self._settings
        courier = Courier(settings, "lobbylock-" + settings.building + "-" + settings.door, VERSION)
        return Uplink(
            courier,
            self._radio,
            settings,
            self._journal,
            self._photos,
            self._ledger,
            self._timekeeping,
            self._attention,
            self._uptime,
        )

    def _make_tap(self):
        import p256

        from firmware.board.nfc import open_reader
        from firmware.reader.card import CardReader
        from firmware.store import issuers
        from firmware.task.gate import Gate
        from firmware.task.tap import Tap

        settings = self._settings
        chip_reader = open_reader(settings.nfc)
        known = issuers.load(settings.issuers)
        return Tap(
            chip_reader,
            CardReader(chip_reader, self._uptime),
            Gate(settings, known, self._ledger, self._clock, self._timekeeping, self._uptime),
            Nonces(self._ledger.get(ledger.IDENTITY), self._boot, os.urandom),
            p256.verify,
            self._access,
            self._trail,
            self._indicator,
            self._attention,
            self._uptime,
        )


def _open_journal(kept) -> tuple:
    """Returns (journal, seed of the door's Ed25519 key, whether an earlier journal was lost). Raises FlashError."""
    from firmware.store import opening

    try:
        return opening.open_journal(flash.partition("journal"), kept, lambda: os.urandom(_SEED_BYTES))
    finally:
        del sys.modules["firmware.store.opening"]
        del sys.modules["firmware.store"].opening


def _settings() -> tuple:
    """Returns (config.Config, "") or (None, name of the field that is wrong).

    What reads them is needed once, so it is let go again.
    """
    from firmware.store import settings

    try:
        return settings.load(), ""
    except SettingsError as error:
        return None, error.args[0]
    finally:
        for name in ("firmware.store.settings", "firmware.core.tz_string"):
            del sys.modules[name]
            package, _, attribute = name.rpartition(".")
            delattr(sys.modules[package], attribute)


def _announce(door_name: str, public_key: bytes, boot: int, refused_field: str) -> None:
    """Prints the one line that an installer needs to enrol the door."""
    line = {"lobbylock": VERSION, "door": door_name, "public_key": public_key.hex(), "boot": boot}
    if refused_field:
        line["settings_refused"] = refused_field
    print(json.dumps(line))
