"""Throw-away MQTT brokers on the loopback interface, for the demo and the tests.

`Broker` runs mosquitto where it is installed and amqtt, in the same Python, otherwise. `StalledBroker` takes
connections and never says a word.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from lobbylock.errors import UserError

HOST = "127.0.0.1"
KINDS = ("mosquitto", "amqtt")
_START_S = 60.0
_STOP_S = 5.0
# Between choosing a free port and listening on it somebody else may take it.
_ATTEMPTS = 3
# MQTT 3.1.1 CONNECT: clean session, keep-alive 5 s, no client identifier. The answer begins with 0x20.
_CONNECT = bytes.fromhex("100c00044d5154540402000500") + b"\0"
_CONNACK = 0x20


def find_mosquitto() -> str | None:
    """Returns the path of mosquitto, which Debian keeps outside of a plain user's PATH, or None."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin")


@dataclass(frozen=True)
class TlsFiles:
    """PEM files of a TLS listener; with `client_ca`, clients must show a certificate that chains to it."""

    ca: Path
    cert: Path
    key: Path
    client_ca: bool = False


class Broker:
    """A broker process on a port of its own, that keeps the port when it is stopped and started again.

    `kind` is "mosquitto", "amqtt", or None for whichever is there. It remembers nothing across a stop.
    """

    def __init__(self, kind: str | None = None, *, tls: TlsFiles | None = None) -> None:
        if kind is None:
            kind = "mosquitto" if find_mosquitto() else "amqtt"
        if kind not in KINDS:
            raise ValueError(f"kind is one of {KINDS}")
        self.kind = kind
        self.port = 0
        self._tls = tls
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._hold: socket.socket | None = None

    @property
    def url(self) -> str:
        return f"{'mqtts' if self._tls else 'mqtt'}://{HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> "Broker":
        """Starts it and waits until it serves. Raises UserError if it does not."""
        if self._process is not None:
            return self
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="lobbylock-broker-")
        attempts = _ATTEMPTS if self.port == 0 else 1
        for attempt in range(attempts):
            if attempt or self.port == 0:
                self.port = free_port()
            self._hold_port()
            if self._spawn(Path(self._folder.name)):
                return self
            self.stop()
        self._release_port()
        raise UserError(f"{self.kind} does not start: {self._last_words(Path(self._folder.name))}")

    def stop(self) -> None:
        """Ends it; its clients lose their connections."""
        if self._process is None:
            return
        # A frozen process takes no signal but these.
        self.thaw()
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def freeze(self) -> None:
        """Makes it accept connections (the kernel does) and answer nothing, until `thaw`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> "Broker":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._release_port()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _hold_port(self) -> None:
        """Keeps the port from everybody who asks the system for a free one, also while the broker is stopped."""
        if sys.platform != "linux":
            # Elsewhere the broker itself could not listen on it.
            return
        self._release_port()
        hold = socket.socket()
        # As the brokers do: two such sockets may have one port, and one of them listen.
        hold.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            hold.bind((HOST, self.port))
        except OSError:
            # Somebody has it: the broker will say so.
            hold.close()
        else:
            self._hold = hold

    def _release_port(self) -> None:
        if self._hold is not None:
            self._hold.close()
            self._hold = None

    def _spawn(self, folder: Path) -> bool:
        command = self._mosquitto(folder) if self.kind == "mosquitto" else self._amqtt(folder)
        with open(folder / "log", "wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            if self._serves():
                return True
            time.sleep(0.02)
        return False

    def _serves(self) -> bool:
        try:
            with socket.create_connection((HOST, self.port), timeout=1) as probe:
                if self._tls is not None:
                    # A listener that wants client certificates would not let a probe in.
                    return True
                probe.sendall(_CONNECT)
                return probe.recv(1)[:1] == bytes([_CONNACK])
        except OSError:
            return False

    def _mosquitto(self, folder: Path) -> list[str]:
        path = find_mosquitto()
        if path is None:
            raise UserError("mosquitto is not installed; `apt-get install mosquitto` does that on Debian.")
        # No bound on what waits for a slow subscriber, which is dropped silently otherwise.
        lines = [f"listener {self.port} {HOST}", "allow_anonymous true", "persistence false", "max_queued_messages 0"]
        if os.geteuid() == 0:
            # Started by root it would become another user, who cannot read a private folder.
            lines.append("user root")
        if self._tls is not None:
            lines += [f"certfile {self._tls.cert}", f"keyfile {self._tls.key}"]
            if self._tls.client_ca:
                lines += [f"cafile {self._tls.ca}", "require_certificate true"]
        config = folder / "mosquitto.conf"
        config.write_text("\n".join(lines) + "\n")
        return [path, "-c", str(config)]

    def _amqtt(self, folder: Path) -> list[str]:
        if self._tls is not None:
            raise ValueError("only mosquitto is run with TLS here")
        config = {
            "listeners": {"default": {"type": "tcp", "bind": f"{HOST}:{self.port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
        # JSON is YAML.
        path = folder / "amqtt.yaml"
        path.write_text(json.dumps(config))
        return [sys.executable, "-c", "from amqtt.scripts.broker_script import main; main()", "-c", str(path)]

    def _last_words(self, folder: Path) -> str:
        words = (folder / "log").read_text(errors="replace").split("\n")
        return next((line.strip()[:200] for line in reversed(words) if line.strip()), "it says nothing") + "."


class StalledBroker:
    """Accepts every connection on `port` (0: a free one), reads nothing and never answers."""

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.accepted = 0
        self._listener: socket.socket | None = None
        self._held: list[socket.socket] = []
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"mqtt://{HOST}:{self.port}"

    def start(self) -> "StalledBroker":
        """Listens. Raises OSError if the port is taken."""
        listener = socket.create_server((HOST, self.port))
        self.port = listener.getsockname()[1]
        self._listener = listener
        self._thread = threading.Thread(target=self._accept, args=(listener,), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Closes the listener and all connections."""
        if self._listener is None:
            return
        # close() alone would leave accept() waiting.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._listener = None
        if self._thread is not None:
            self._thread.join()
        for connection in self._held:
            connection.close()
        self._held.clear()

    def __enter__(self) -> "StalledBroker":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            # Held and not read: what the client sends fills the buffers, as with a broker whose process hangs.
            self._held.append(connection)
            self.accepted += 1


def free_port() -> int:
    """Returns a loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]
