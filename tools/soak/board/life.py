"""One life of the parts that remember and send: real stores on a flash of files, sealing, uplink, courier, real MQTT.

Arguments: folder of the flash and settings.json, how many times as fast the clock goes, milliseconds between two events
on that clock at the most (0: none, and it ends when all are acknowledged), how many may wait. Runs on MicroPython until
it is killed. Prints the line for the enrolment, "appended SEQ HEAD MARK" once an event is in flash, "heap BYTES".
"""

import asyncio
import gc
import json
import os
import sys

# Behind asyncio, whose queue is C code with a clock of its own.
sys.path.insert(0, __file__.rpartition("/")[0] + "/quick")

import time

import ed25519
from file_flash import FileFlash

from firmware.core import event
from firmware.core.attention import Attention
from firmware.core.clock import Clock
from firmware.core.uptime import Uptime
from firmware.store import ledger, opening, settings
from firmware.store.photos import Photos
from firmware.store.trail import Trail
from firmware.task.courier import Courier
from firmware.task.news import News
from firmware.task.sealing import Sealing
from firmware.task.timekeeping import Timekeeping
from firmware.task.uplink import Uplink

_VERSION = "soak"
# As in the lock's own partition table.
_JOURNAL_SECTORS = 68
_LEDGER_SECTORS = 16
_PHOTO_SECTORS = 4
_SEED_BYTES = 32
_LOOK_MS = 100
# As many as a delivery has: they come together, and get one seal.
_DELIVERY_EVENTS = 4
# How many events a life has when it tells what is in use.
_HEAP_AT = (0, 20)
_HEAP_EVERY = 500


class Radio:
    """Wi-Fi that is always there."""

    def connect(self, ssid: str, password: str) -> None:
        pass

    def is_up(self) -> bool:
        return True


class Rtc:
    """Forgets."""

    def set(self, time_s: int) -> None:
        pass


class Life:
    def __init__(self, folder: str) -> None:
        config = settings.load(folder + "/settings.json")
        uptime = Uptime(time.ticks_ms, time.ticks_diff)
        kept = ledger.Ledger(FileFlash(folder + "/ledger", _LEDGER_SECTORS))
        self._boot = kept.integer(ledger.BOOT_COUNT) + 1
        kept.put_integer(ledger.BOOT_COUNT, self._boot)
        flash = FileFlash(folder + "/journal", _JOURNAL_SECTORS)
        journal, seed, was_lost = opening.open_journal(flash, kept, lambda: os.urandom(_SEED_BYTES))
        signer = ed25519.Signer(seed)
        self._announce(config.full_name, signer.public, journal)
        clock = Clock(kept.integer(ledger.CLOCK_FLOOR))
        trail = Trail(journal, config.full_name, self._boot, uptime, clock, signer.sign)
        self._journal = journal
        self._trail = trail
        self._mark = 0
        self._append = journal.append
        journal.append = self._append_and_tell
        trail.record(event.BOOT, {event.CAUSE: 1, event.VERSION: _VERSION})
        if was_lost:
            trail.record(event.JOURNAL_LOST, {})
        attention = Attention()
        courier = Courier(config, "soak-" + config.building + "-" + config.door, _VERSION)
        photos = Photos(FileFlash(folder + "/photos", _PHOTO_SECTORS), journal.seq)
        timekeeping = Timekeeping(clock, kept, trail, Rtc(), uptime)
        news = News(config, None, kept, trail, clock, timekeeping, uptime, self._boot, lambda names: None)
        self._tasks = (
            Sealing(trail, journal, attention, uptime).run(),
            Uplink(courier, Radio(), config, journal, photos, kept, timekeeping, attention, uptime, news).run(),
        )

    def _announce(self, door: str, public_key: bytes, journal) -> None:
        line = {"lobbylock": _VERSION, "door": door, "public_key": public_key.hex(), "boot": self._boot}
        if not journal.acked_seq:
            line["journal"] = {"seq": journal.seq + 1, "key": bytes(journal.next_key).hex()}
        print(json.dumps(line))

    def _append_and_tell(self, make_record, make_lost) -> int:
        seq = self._append(make_record, make_lost)
        print("appended", seq, self._journal.head.hex(), self._mark)
        return seq

    async def run(self, every_ms: int, most_pending: int) -> None:
        tasks = [asyncio.create_task(each) for each in self._tasks]
        if every_ms:
            await self._happen(every_ms, most_pending)
        await self._drain()
        for task in tasks:
            task.cancel()

    async def _happen(self, every_ms: int, most_pending: int) -> None:
        """Writes an event now and then, each with a mark of its own."""
        count = 0
        while True:
            if count in _HEAP_AT or count % _HEAP_EVERY == 0:
                gc.collect()
                print("heap", count, gc.mem_alloc())
            while self._journal.seq - self._journal.acked_seq >= most_pending:
                await asyncio.sleep_ms(_LOOK_MS)
            for _ in range(_DELIVERY_EVENTS):
                count += 1
                self._mark = self._boot << 16 | count
                self._trail.record(event.DOOR_CLOSED, {event.DURATION_S: self._mark})
            self._mark = 0
            await asyncio.sleep_ms(1 + every_ms * os.urandom(1)[0] // 256)

    async def _drain(self) -> None:
        """Waits until everything is sealed and acknowledged."""
        while self._trail.unsealed or self._journal.acked_seq < self._journal.seq:
            await asyncio.sleep_ms(_LOOK_MS)
        print("drained", self._journal.seq)


def main(folder: str, factor: str, every_ms: str, most_pending: str) -> None:
    time.factor = int(factor)
    real_sleep_ms = asyncio.sleep_ms
    asyncio.sleep_ms = lambda ms: real_sleep_ms(ms // time.factor)
    gc.threshold(32_768)
    asyncio.run(Life(folder).run(int(every_ms), int(most_pending)))


main(*sys.argv[1:])
