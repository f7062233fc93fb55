"""The host's side of a run: an issuer's folder, doors, and `lobbylock collect` with its store, as commands."""

import contextlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

from lobbylock.store import Entry, Store

_COMMAND = [sys.executable, "-m", "lobbylock"]
_COMMAND_S = 60
_CONNECTION_S = 60.0
_STOP_S = 10.0


class Collection:
    """Works in `folder`, which must be empty. `close` ends the collector."""

    def __init__(self, folder: Path) -> None:
        self.store = folder / "store.sqlite"
        self._environment = {**os.environ, "LOBBYLOCK_HOME": str(folder / "home")}
        self._log = folder / "collector.log"
        self._process: subprocess.Popen[str] | None = None
        self.run("issuer", "new")

    def run(self, *arguments: object) -> str:
        """Returns what `lobbylock ARGUMENTS` prints. Raises RuntimeError if it fails."""
        done = self._run(*arguments)
        if done.returncode:
            raise RuntimeError(f"lobbylock {arguments[0]} failed: {(done.stdout + done.stderr).strip()[-500:]}")
        return done.stdout

    def _run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*_COMMAND, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_COMMAND_S,
            env=self._environment,
            check=False,
        )

    def make_door(self, name: str, broker_url: str, settings: Path, *options: object) -> None:
        """Writes the settings of a lock that sends to `broker_url`."""
        settings.parent.mkdir(parents=True, exist_ok=True)
        given = ["--mqtt", broker_url, "--wifi-ssid", "lobby", "--release-ms", 1_000, "--camera", "off", *options]
        self.run("door", "new", name, *given, "--out", settings)

    def enrol(self, name: str, console_line: str) -> None:
        self.run("door", "enrol", name, "--console-line", console_line)

    def collect(self, broker_url: str, *options: object) -> None:
        """Starts the collector and waits until it is connected. Raises RuntimeError if it does not come to that."""
        command = [*_COMMAND, "collect", "--broker", broker_url, "--store", str(self.store), "--json", "--wait"]
        with open(self._log, "a") as log:
            self._process = process = subprocess.Popen(
                [*command, *map(str, options)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self._environment,
            )
        if process.stdout is None:
            raise RuntimeError("no pipe")
        connected = threading.Event()
        threading.Thread(target=_drain, args=(process.stdout, connected), daemon=True).start()
        if not connected.wait(_CONNECTION_S):
            raise RuntimeError("the collector does not connect: " + self._log.read_text()[-500:])

    def kill_collector(self) -> None:
        """Ends the collector without a chance to tidy up."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.kill_collector()
        self._process = None

    def __enter__(self) -> "Collection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def stored(self, door: str) -> list[Entry]:
        """Returns what is in the store of `door`, board by board in the order of seq."""
        with Store.open_to_read(self.store) as opened:
            opened.snapshot()
            return [entry for chain in opened.chains(door) for entry in opened.events(chain)]

    def audit(self) -> dict[str, object]:
        """Returns what `lobbylock audit verify --json` says: "ok" and why not."""
        return json.loads(self._run("audit", "verify", "--json", "--store", self.store).stdout)


def _drain(output: IO[str], connected: threading.Event) -> None:
    """Reads the collector's lines, so that its pipe is never full."""
    with contextlib.suppress(ValueError):
        for line in output:
            if not connected.is_set() and json.loads(line).get("type") == "connection":
                connected.set()


def is_console_line(line: str) -> bool:
    """Whether it is what a lock prints for its enrolment."""
    return line.startswith("{") and '"public_key"' in line
