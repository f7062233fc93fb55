"""Makes the tasks of the lock from its settings. Needed once, then let go (`firmware.build`)."""

import os
import sys
from typing import TYPE_CHECKING

from bell import Interrupts
from micropython import const

from firmware.board import flash, pins
from firmware.board.inputs import Input
from firmware.board.lamp import Lamp
from firmware.core import config
from firmware.core.attention import Attention
from firmware.core.door import Door
from firmware.core.nonces import Nonces
from firmware.keyway import Keyway
from firmware.task.access import Access
from firmware.task.console import Console
from firmware.task.doorway import Doorway
from firmware.task.health import Health
from firmware.task.indicate import Indicator
from firmware.task.sealing import Sealing

if TYPE_CHECKING:
    from typing import Any

# What an unconfigured board goes by: exit works, nobody is let in.
_DEFAULT_RELEASE_MS = const(5_000)
_DEFAULT_HELD_MS = const(30_000)


class Crew:
    """What a lock with these settings is made of. `settings` is None on a board without valid ones.

    `known` are the issuers, None if nothing is to read credentials; `radio` is None in the safe mode. `ble` is the
    Bluetooth radio, None if there is to be none.
    """

    def __init__(
        self, settings, known, strike, uptime, clock, kept, trail, journal, radio, timekeeping, boot, seed
    ) -> None:
        self._settings = settings
        self._known = known
        self._uptime = uptime
        self._clock = clock
        self._ledger = kept
        self._trail = trail
        self._journal = journal
        self._photos = None
        self._radio = radio
        self._timekeeping = timekeeping
        self._boot = boot
        self._seed = seed
        self._access = None
        self.ble: Any = None
        self.attention = Attention()
        self._interrupts = Interrupts()
        self._indicator = Indicator(Lamp(pins.LED, pins.BUZZER))
        self._doorway = self._make_doorway(strike)
        self.console = None

    def tasks(self, making: list, left_out: str, version: str, forget, public: bytes) -> list:
        """Returns the tasks of the lock as (name, coroutine), without the one `left_out`. Makes `console`.

        `making[0]` is kept at the name of what is being made. `public` is the door's key.
        """
        settings = self._settings
        making[0] = "camera"
        is_blind = left_out == "camera"
        photographer = None if is_blind else self._make_photographer()
        camera = self._make_blind() if is_blind else photographer
        self._access = Access(self._ledger, camera, self._trail, self._doorway.release, self._indicator)
        news = self._make_news(forget) if settings else None
        making[0] = "entry"
        entry = self._make_entry(forget, news)
        uplink = tap = None
        health = Health(self._timekeeping, self.attention, self._uptime)
        tasks = [
            ("entry", entry.run()),
            ("door", self._doorway.run()),
            ("exit", self._doorway.watch_exit()),
            ("interrupts", self._interrupts.run()),
            ("indicator", self._indicator.run()),
            ("sealing", Sealing(self._trail, self._journal, self.attention, self._uptime).run()),
            ("health", health.run()),
        ]
        if settings is None or settings.has_contact:
            tasks.append(("contact", self._doorway.watch_contact()))
        if photographer:
            tasks.append(("camera", photographer.run()))
        if settings and self._radio:
            making[0] = "uplink"
            uplink = self._make_uplink(version, news, health)
            tasks.append(("uplink", uplink.run()))
        if self._known is not None:
            making[0] = "reader"
            visit = health.lobby = self._make_visit(news, forget)
            if settings.nfc != config.OFF:
                tap = visit
                tasks.append(("reader", visit.run(*self._open_reader(), self._indicator, self.attention)))
            if self.ble:
                making[0] = "ble"
                tasks.append(("ble", self._make_phones(visit, forget, public).run()))
        making[0] = "console"
        console = self._make_console(forget)
        console.entry, console.photographer, console.uplink, console.tap = entry, photographer, uplink, tap
        console.news = news
        tasks.append(("console", console.run()))
        return tasks

    def _make_console(self, forget) -> Console:
        line = sys.stdin.buffer
        console = Console(line, self.attention, self._uptime, self._trail, self._journal, self._ledger, forget)
        self.console = console
        console.settings = self._settings
        console.clock = self._clock
        console.timekeeping = self._timekeeping
        console.radio = self._radio
        console.boot = self._boot
        console.photos = self._photos
        console.indicator = self._indicator
        console.doorway = self._doorway
        return console

    def _make_doorway(self, strike) -> Doorway:
        settings = self._settings
        release_ms = settings.release_ms if settings else _DEFAULT_RELEASE_MS
        held_ms = settings.held_ms if settings else _DEFAULT_HELD_MS
        contact = Input(pins.DOOR_CONTACT, 1, self._interrupts) if settings is None or settings.has_contact else None
        door = Door(strike, release_ms, held_ms)
        exit_button = Input(pins.EXIT_BUTTON, 0, self._interrupts)
        return Doorway(door, contact, exit_button, self._trail, self.attention, self._uptime)

    # What a door may lack is imported when it is needed: every module takes its share of the heap.

    def _make_photographer(self):
        """Makes the picture ring, and who takes the pictures if the door has a camera."""
        from firmware.store.photos import Photos

        self._photos = Photos(flash.partition("photos"), self._journal.seq)
        policy = self._policy()
        if policy == config.OFF:
            return None
        from firmware.board.camera import PoweredCamera
        from firmware.task.photographer import Photographer

        camera = PoweredCamera(pins.CAMERA_UART, pins.CAMERA_TX, pins.CAMERA_RX, pins.CAMERA_POWER)
        return Photographer(camera, self._photos, policy == config.REQUIRED, self._trail, self._uptime)

    def _make_blind(self):
        from firmware.task.blind import Blind

        policy = self._policy()
        return None if policy == config.OFF else Blind(policy == config.REQUIRED, self._trail)

    def _policy(self) -> str:
        return self._settings.camera if self._settings else config.OFF

    def _make_keys(self):
        # Without settings the keypad only sounds, and is the first that the board has pins for.
        if (self._settings.keypad if self._settings else pins.OFFERS["keypad"][0]) == "wiegand":
            from firmware.board.wiegand import Wiegand
            from firmware.reader.wiegand import WiegandKeys

            return WiegandKeys(Wiegand(*pins.WIEGAND, self._interrupts))
        from firmware.board.keypad import Keypad

        return Keypad(pins.KEYPAD_ROWS, pins.KEYPAD_COLUMNS, self._interrupts)

    def _make_entry(self, forget, news) -> Keyway:
        return Keyway(
            self._make_keys(),
            self._settings,
            self._ledger,
            self._access,
            self._trail,
            self._indicator,
            self.attention,
            self._uptime,
            self._timekeeping,
            forget,
            news,
        )

    def _make_uplink(self, version: str, news, health):
        from firmware.task.courier import Courier
        from firmware.task.uplink import Uplink

        settings = self._settings
        courier = Courier(settings, "lobbylock-" + settings.building + "-" + settings.door, version)
        return Uplink(
            courier,
            self._radio,
            settings,
            self._journal,
            self._photos,
            self._ledger,
            self._timekeeping,
            self.attention,
            self._uptime,
            news,
            health,
        )

    def _make_news(self, forget):
        from firmware.task.news import News

        return News(
            self._settings,
            self._known,
            self._ledger,
            self._trail,
            self._clock,
            self._timekeeping,
            self._uptime,
            self._boot,
            forget,
        )

    def _make_visit(self, news, forget):
        """Makes what serves everybody with a credential, whatever carries it."""
        from firmware.lobby import Lobby

        gate_parts = self._settings, self._known, self._ledger, self._clock, self._timekeeping
        nonces = Nonces(self._seed, self._boot, os.urandom)
        return Lobby(gate_parts, nonces, self._access, self._trail, news, self._uptime, forget)

    def _open_reader(self) -> "tuple[Any, Any]":
        from firmware.board.nfc import open_reader

        return open_reader(self._settings.nfc, self._interrupts)

    def _make_phones(self, visit, forget, public: bytes):
        from firmware.task.ble import Phones

        self.ble.listen(self._interrupts)
        return Phones(
            self.ble,
            visit,
            public,
            os.urandom,
            self._trail,
            self._indicator,
            self.attention,
            self._uptime,
            forget,
        )
