"""Power cuts of whole boards behind a line that loses packets: what their flash holds at the end is in the store."""

import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from firmware.core import event
from firmware.store.journal import Journal
from lobbylock.broker import Broker
from soak.brokers import Lock
from soak.collection import Collection, is_console_line
from soak.proxy import FaultProxy, Mode

_NOON_S = 1_789_992_000
_DRAIN_MS = 300_000
_DELIVERIES = 2
# From a delivery's end to the cut.
_CUT_MS = (0, 4_000)
_LOOK_S = 0.5


@dataclass
class Cuts:
    """`kept` are the records in the flash at the end, `stored` those in the store, both by seq."""

    kept: dict[int, bytes] = field(default_factory=dict)
    stored: dict[int, bytes] = field(default_factory=dict)
    boots: int = 0
    audit: dict[str, object] = field(default_factory=dict)
    took_s: float = 0.0

    def problems(self) -> list[str]:
        """Returns what is wrong, one sentence each."""
        found = []
        if self.kept != self.stored:
            differing = [
                seq for seq in sorted({*self.kept, *self.stored}) if self.kept.get(seq) != self.stored.get(seq)
            ]
            found.append(f"flash and store differ: {differing[:10]}")
        if not self.audit.get("ok"):
            found.append(f"the audit says: {self.audit}")
        return found


class _Image:
    """The bytes of a partition, read only, for the firmware's own journal."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def readblocks(self, block: int, buffer: bytearray, offset: int = 0) -> None:
        at = block * 4096 + offset
        buffer[:] = self._data[at : at + len(buffer)]

    def ioctl(self, operation: int, argument: int) -> int:
        return len(self._data) // 4096 if operation == 4 else 4096


def _records(lock: Lock) -> dict[int, bytes]:
    with lock.board.lock:
        image = _Image(lock.board.flash.partition("journal"))
    journal = Journal(image, bytes(32), 0, 0, None)
    return {seq: record for seq, _, record, _ in journal._events_from(1)}


def run(reboots: int, *, seed: int = 1) -> Cuts:
    """Cuts the power of one board so many times, with deliveries in between. Raises RuntimeError."""
    found = Cuts()
    random = Random(seed)
    start_s = time.monotonic()
    with ExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="lobbylock-soak-")))
        broker = closing.enter_context(Broker("mosquitto"))
        proxy = closing.enter_context(FaultProxy(broker.port, Mode.LOSSY, seed=seed))
        collection = closing.enter_context(Collection(folder))
        lock = Lock(folder, "front", proxy, lambda: _NOON_S + time.monotonic() - start_s)
        closing.callback(lock.close)
        collection.make_door(lock.door, proxy.url, lock.settings, "--ntp", lock.time.address)
        for number in range(reboots + 1):
            lock.start()
            lock.wait()
            if not number:
                collection.enrol(lock.door, next(filter(is_console_line, lock.board.console)))
                collection.collect(broker.url)
            for _ in range(_DELIVERIES):
                lock.deliver(0, random.uniform(*_CUT_MS))
            if number < reboots:
                lock.board.power_off()
        proxy.set_mode(Mode.PASS)
        end_ms = lock.board.now_ms + _DRAIN_MS
        while lock.board.now_ms < end_ms:
            found.kept = _records(lock)
            found.stored = {entry.seq: entry.record for entry in collection.stored(lock.door)}
            if found.kept == found.stored and event.kind_of(found.kept[max(found.kept)]) == event.SEAL:
                break
            time.sleep(_LOOK_S)
        found.boots = sum(event.kind_of(record) == event.BOOT for record in found.stored.values())
        found.audit = collection.audit()
    found.took_s = time.monotonic() - start_s
    return found
