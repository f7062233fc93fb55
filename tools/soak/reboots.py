"""Lives that end by SIGKILL, behind a line that loses packets, before a real mosquitto and the real collector."""

import json
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import IO

from firmware.core import event
from lobbylock.broker import Broker
from lobbylock.store import Entry
from soak.collection import Collection, is_console_line
from soak.interpreter import ROOT, command, environment
from soak.proxy import FaultProxy, Mode

DOOR = "maple-12/front"
_HEAP = "320k"
# The lock's clock: while lives are cut off, and while the last one brings the rest home.
_FACTOR = 100
_LAST_FACTOR = 10
_EVERY_MS = 60_000
_MOST_PENDING = 1_200
# From when a life has opened its journal, or for some from the start of its process, to the kill.
_LIFE_S = (0.05, 4.0)
_FROM_PROCESS_EVERY = 4
_START_S = 120.0
_DRAIN_S = 300.0
# Of what was written but not told when the kill came: one event, and the record of what the ring overwrote.
_UNTOLD = 2


@dataclass
class Reboots:
    """What happened: `appended` maps seq to (head in hex, mark) of every event that `append` acknowledged."""

    lives: int = 0
    # Lives that had no event of their own yet.
    cut_at_start: int = 0
    appended: dict[int, tuple[str, int]] = field(default_factory=dict)
    stored: list[Entry] = field(default_factory=list)
    # Events that a life had so far -> bytes in use after a collection, one for each life, oldest first.
    heap: dict[int, list[int]] = field(default_factory=dict)
    line: Counter[str] = field(default_factory=Counter)
    audit: dict[str, object] = field(default_factory=dict)
    # What lives said that they should not: tracebacks.
    complaints: list[str] = field(default_factory=list)
    # How many were in the store when the line became a clean one.
    stored_before: int = 0
    took_s: float = 0.0

    def problems(self) -> list[str]:
        """Returns what is wrong, one sentence each; nothing if nothing was lost, doubled or said wrongly."""
        heads = {entry.seq: entry.head.hex() for entry in self.stored}
        lost = [seq for seq, (head, _) in self.appended.items() if heads.get(seq) != head]
        seqs = Counter(entry.seq for entry in self.stored)
        twice = [seq for seq, count in seqs.items() if count > 1]
        marks = Counter(event.decode(entry.record).details.get(event.DURATION_S) for entry in self.stored)
        twice += [mark for mark, count in marks.items() if mark is not None and count > 1]
        missing = sorted(set(range(1, max(seqs, default=0) + 1)) - set(seqs))
        untold = sorted(set(seqs) - set(self.appended))
        found = []
        if lost:
            found.append(f"acknowledged and not in the store: {lost[:10]}")
        if twice:
            found.append(f"twice in the store: {twice[:10]}")
        if missing:
            found.append(f"never in the store: {missing[:10]}")
        if len(untold) > _UNTOLD * self.lives:
            found.append(f"in the store and never written: {untold[:10]}")
        for kind, name in ((event.EVENTS_LOST, "events lost"), (event.JOURNAL_LOST, "journal lost")):
            if any(entry.kind == kind for entry in self.stored):
                found.append(f"the lock says: {name}")
        if not self.audit.get("ok"):
            found.append(f"the audit says: {json.dumps(self.audit)[:300]}")
        return found + self.complaints[:5]

    def growth_bytes(self, count: int) -> int:
        """Returns how much more the last quarter of the lives had in use behind their `count`-th event than the first.

        The least of each quarter, since a connection that is up at that moment makes 2 KB.
        """
        looks = self.heap.get(count, [0])
        quarter = max(1, len(looks) // 4)
        return min(looks[-quarter:]) - min(looks[:quarter])


class _Life:
    """A process of board/life.py."""

    def __init__(self, folder: Path, found: Reboots, factor: int, every_ms: int) -> None:
        self._found = found
        self._events = 0
        self.has_begun = threading.Event()
        self.has_drained = threading.Event()
        self.console_line = ""
        arguments = command("life.py", folder, factor, every_ms, _MOST_PENDING, heap=_HEAP)
        self._process = subprocess.Popen(
            arguments,
            env=environment(),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def kill(self) -> None:
        """Kills it and takes in what it said until then."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._reader.join()
        self._found.lives += 1
        self._found.cut_at_start += not self._events

    @property
    def complaints(self) -> list[str]:
        return self._found.complaints

    def _read(self, output: IO[str]) -> None:
        for line in output:
            # The last one may be cut short.
            if line.endswith("\n"):
                self._take(line.strip())
        # Whoever waits for it need not wait any longer.
        self.has_begun.set()

    def _take(self, line: str) -> None:
        words = line.split()
        if is_console_line(line):
            self.console_line = line
            self.has_begun.set()
        elif words[:1] == ["appended"]:
            self._note(int(words[1]), words[2], int(words[3]))
        elif words[:1] == ["heap"]:
            self._found.heap.setdefault(int(words[1]), []).append(int(words[2]))
        elif words[:1] == ["drained"]:
            self.has_drained.set()
        else:
            self._found.complaints.append(line)

    def _note(self, seq: int, head: str, mark: int) -> None:
        if seq in self._found.appended:
            self._found.complaints.append(f"seq {seq} was given twice")
        self._found.appended[seq] = head, mark
        self._events += mark > 0


def run(
    reboots: int,
    *,
    seed: int = 1,
    loss: float = 0.3,
    life_s: tuple[float, float] = _LIFE_S,
    every_ms: int = _EVERY_MS,
) -> Reboots:
    """Runs so many lives, then lets what is left come home over a line without faults. Raises RuntimeError.

    `life_s` is how long a life lasts, `every_ms` how long the longest pause between deliveries is on the lock's clock.
    """
    found = Reboots()
    random = Random(seed)
    start_s = time.monotonic()
    with ExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="lobbylock-soak-")))
        broker = closing.enter_context(Broker("mosquitto"))
        proxy = closing.enter_context(FaultProxy(broker.port, Mode.LOSSY, loss=loss, seed=seed))
        collection = closing.enter_context(Collection(folder))
        lock = folder / "lock"
        collection.make_door(DOOR, proxy.url, lock / "settings.json", "--ntp", "")
        collection.collect(broker.url)
        for number in range(reboots):
            life = _Life(lock, found, _FACTOR, every_ms)
            try:
                if not number:
                    _enrol(life, collection)
                elif number % _FROM_PROCESS_EVERY:
                    life.has_begun.wait(_START_S)
                time.sleep(random.uniform(*life_s))
            finally:
                life.kill()
        found.line = Counter(proxy.counts)
        found.stored_before = len(collection.stored(DOOR))
        proxy.set_mode(Mode.PASS)
        life = _Life(lock, found, _LAST_FACTOR, 0)
        has_drained = life.has_drained.wait(_DRAIN_S)
        life.kill()
        if not has_drained:
            raise RuntimeError(f"what was left did not come home in {_DRAIN_S:.0f} s: {found.complaints[-5:]}")
        found.stored = collection.stored(DOOR)
        found.audit = collection.audit()
    found.took_s = time.monotonic() - start_s
    return found


def _enrol(life: _Life, collection: Collection) -> None:
    if not life.has_begun.wait(_START_S) or not life.console_line:
        raise RuntimeError(f"the first life does not begin: {life.complaints}")
    collection.enrol(DOOR, life.console_line)
