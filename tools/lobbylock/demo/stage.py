"""Everything around one virtual door: broker, collector, time server, issuer, and the lock itself."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from lobbylock.broker import Broker
from lobbylock.demo.timeserver import TimeServer
from lobbylock.errors import UserError
from virtualboard import VirtualBoard
from virtualboard.board import HEAP

DOOR = "maple-12/front"
OTHER_DOOR = "oak-3/front"
RELEASE_MS = 1_000
# Generous: a busy machine delays it, nothing else does.
_START_MS = 60_000
_COMMAND_S = 60
_DAY_S = 86_400
# On a board TLS takes some 35 KB of the chip's other heap; on the unix port they come out of MicroPython's.
TLS_HEAP = f"{int(HEAP[:-1]) + 40}k"


class Stage:
    """Opens in `folder`, which must be empty; `on_line` is told every line of the collector as it comes.

    `broker` is one not yet started, otherwise whichever is installed; the options are added to `lobbylock door new` and
    `lobbylock collect`. `make_collector(stage)` returns what is to run in place of `lobbylock collect`, a context
    manager that is entered once there are a broker and the door's record, and hands its lines to `take`.
    `now_s` tells the time of day at the door, Unix time; otherwise it follows the board's clock, from `start_s` on or,
    without that, from the next noon.
    As a context manager it ends every process it started.
    """

    def __init__(
        self,
        folder: Path,
        on_line: Callable[[dict[str, Any]], None] | None = None,
        *,
        broker: Broker | None = None,
        door_options: Sequence[str] = (),
        collect_options: Sequence[str] = (),
        heap: str = HEAP,
        make_collector: "Callable[[Stage], AbstractContextManager[object]] | None" = None,
        now_s: Callable[[], float] | None = None,
        start_s: float | None = None,
    ) -> None:
        self.home = folder / "home"
        self.store = folder / "store.sqlite"
        # What a driver's phone keeps to itself.
        self.phone_key = folder / "phone.pem"
        self.lines: list[dict[str, Any]] = []
        self._on_line = on_line
        self._log = folder / "collector.log"
        # Which start of the lock it is, and its public key, once it has started.
        self.boot = 0
        self.door_key = b""
        self._queue: queue.Queue[dict[str, Any]] = queue.Queue()
        self._closing = contextlib.ExitStack()
        self._collector: subprocess.Popen[str] | None = None
        self.broker = broker or Broker()
        self._door_options = door_options
        self._collect_options = collect_options
        self._make_collector = make_collector
        self.board = VirtualBoard(folder / "board", use_mpy=True, heap=heap)
        # The lock's time follows the board's clock, which the show may wind forward. It starts at the next noon, so
        # that no window of a code ends in the middle of the show, whatever time of the day it is.
        self._start_s = start_s or (int(time.time()) // _DAY_S + 1) * _DAY_S + _DAY_S // 2
        self._now_s = now_s or self._show_s
        self.time = TimeServer(lambda: self.now_s)

    @property
    def now_s(self) -> float:
        """Unix time as the time server tells it."""
        return self._now_s()

    def _show_s(self) -> float:
        return self._start_s + self.board.now_ms / 1000

    def __enter__(self) -> "Stage":
        try:
            self._closing.enter_context(self.broker)
            self._closing.callback(self.time.close)
            self._closing.callback(self.board.close)
            self._make_home()
            self.start_collector()
            self.start_lock()
        except BaseException:
            self._closing.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    # The command line, as a person would use it.

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs `lobbylock ARGUMENTS` in the demonstration's own home."""
        command = [sys.executable, "-m", "lobbylock", *arguments]
        # Not the terminal: a command that finds one asks for passwords.
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_COMMAND_S,
            env=self._environment,
            check=False,
        )

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "LOBBYLOCK_HOME": str(self.home)}

    def _must(self, *arguments: str) -> str:
        done = self.run(*arguments)
        if done.returncode:
            raise UserError(f"lobbylock {arguments[0]} failed: {done.stderr.strip()}")
        return done.stdout

    def code(self, driver: str, *options: str, ahead_s: int = 0, door: str = DOOR) -> str:
        """Mints a code for a time `ahead_s` seconds from the lock's now, on the command line."""
        start = datetime.fromtimestamp(self.now_s + ahead_s, timezone.utc).isoformat(timespec="seconds")
        return str(json.loads(self._must("code", door, driver, "--json", "--from", start, *options))["code"])

    def credential(self, subject: str, for_s: int, *options: str) -> bytes:
        """Mints a credential for the lobby, from the lock's now on, on the command line."""
        start = datetime.fromtimestamp(self.now_s, timezone.utc).isoformat(timespec="seconds")
        arguments = ["--area", "lobby", "--from", start, "--for", f"{for_s}s", "--json", *options]
        return bytes.fromhex(json.loads(self._must("credential", "mint", subject, *arguments))["hex"])

    def _make_home(self) -> None:
        self._must("issuer", "new")
        self._must("phone", "new", str(self.phone_key))
        options = ["--mqtt", self.broker.url, "--ntp", self.time.address, "--wifi-ssid", "lobby"]
        options += ["--release-ms", str(RELEASE_MS), "--nfc", "uart"]
        settings = self.board.vfs / "settings.json"
        settings.parent.mkdir(parents=True, exist_ok=True)
        self._must("door", "new", DOOR, *options, *self._door_options, "--out", str(settings))
        self._must("door", "new", OTHER_DOOR, *options, *self._door_options, "--out", str(self.home / "other.json"))

    # The collector.

    def start_collector(self) -> None:
        if self._make_collector is not None:
            self._closing.enter_context(self._make_collector(self))
            return
        command = [sys.executable, "-m", "lobbylock", "collect", "--broker", self.broker.url, "--json", "--wait"]
        command += ["--store", str(self.store), *self._collect_options]
        with open(self._log, "a") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self._environment,
                # Ctrl-C in the terminal is for the demonstration, which ends the collector itself.
                start_new_session=True,
            )
        self._collector = process
        self._closing.callback(_end, process)
        threading.Thread(target=self._read, args=(process.stdout,), daemon=True).start()

    def kill_collector(self) -> None:
        """Ends the collector without a chance to tidy up."""
        if self._collector:
            self._collector.kill()
            self._collector.wait()

    def _read(self, output: Iterable[str]) -> None:
        for text in output:
            try:
                line = json.loads(text)
            except ValueError:
                # Cut short by the collector's end.
                return
            self.take(line)

    def take(self, line: dict[str, Any]) -> None:
        """Notes a line of the collector, from whatever thread."""
        self._queue.put(line)
        if self._on_line:
            self._on_line(line)

    def _collect(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self.lines.append(self._queue.get_nowait())

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Returns the events that the collector has verified and stored, oldest first."""
        self._collect()
        found = [line for line in self.lines if line["type"] == "event"]
        return [line for line in found if kind in (None, line["kind"])]

    def pictures(self) -> list[dict[str, Any]]:
        """Returns the pictures that the collector has checked and stored."""
        self._collect()
        return [line for line in self.lines if line["type"] == "picture"]

    # The lock.

    def start_lock(self) -> None:
        """Switches the lock on and waits until it serves; enrols its key at the first start."""
        before = len(self.board.console)
        self.board.set_pace("real")
        self.board.power_on()
        if not self.wait(lambda: len(self.board.console) > before):
            raise UserError("The virtual board does not start: " + " / ".join(self.board.console[-3:]))
        line = self.board.console[before]
        if not self.door_key:
            self._must("door", "enrol", DOOR, "--console-line", line)
        self.hear(line)

    def hear(self, line: str) -> None:
        """Notes which start of the lock it is, from the line that it prints then. Raises ValueError for another one."""
        said = json.loads(line)
        if not isinstance(said, dict) or type(said.get("boot")) is not int:
            raise ValueError("the lock says something else")
        self.boot = said["boot"]
        self.door_key = bytes.fromhex(said["public_key"])

    def wait_for_time(self) -> bool:
        """Waits until the lock knows the time since its last start; returns whether it does."""
        # A time server that is asked in vain is asked again after 15 s, and the event has to come all the way.
        return self.wait(lambda: any(found["boot"] == self.boot for found in self.events("clock_set")), 2 * _START_MS)

    def wait(self, condition: Callable[[], bool], limit_ms: int = _START_MS) -> bool:
        """Runs the board until `condition` holds; returns whether it came to hold."""
        return bool(self.board.run_until(condition, limit_ms))

    def skip(self, duration_ms: float) -> None:
        """Lets time pass on the board's own clock, which costs little; the network stands still meanwhile."""
        self.board.set_pace("fast")
        self.board.run_for(duration_ms)
        self.board.set_pace("real")


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
