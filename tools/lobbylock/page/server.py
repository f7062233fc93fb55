"""The web server, in a thread: where it listens, with which certificate, and how it ends."""

import contextlib
import ipaddress
import os
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from lobbylock.errors import UserError

_START_S = 30.0
_STOP_S = 10.0
# How long open requests may take once the server is to end.
_GRACE_S = 3
# uvicorn ticks ten times a second.
_TICKS_BETWEEN_LOOKS = 20
_BACKLOG = 128


@dataclass(frozen=True)
class Listening:
    """Where to listen; port 0 is a free one. `certificate` and `key` are PEM files, both or none.

    Raises UserError for what would send passwords and pictures in the clear.
    """

    host: str = "127.0.0.1"
    port: int = 8480
    certificate: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise UserError("A certificate needs its key: give both --tls-cert and --tls-key.")
        if self.certificate is None and not is_loopback(self.host):
            raise UserError(
                f"{self.host} can be reached by others: give --tls-cert and --tls-key, or listen on 127.0.0.1."
            )

    @property
    def is_tls(self) -> bool:
        return self.certificate is not None

    @property
    def shown_host(self) -> str:
        """The host as it stands in an address."""
        return f"[{self.host}]" if ":" in self.host else self.host


class Certificate:
    """The TLS context of a listening server, which takes up a changed certificate without a restart."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = certificate, key
        # Read before it is stamped: what changes in between is seen the next time.
        self._stamp = self._look()
        self.context = self._load()

    def refresh(self) -> bool:
        """Takes up the files if they changed and belong together. Returns whether it did."""
        stamp = self._look()
        if stamp == self._stamp:
            return False
        try:
            # Half of a renewal, a certificate without its new key, must not reach the context in use.
            self._load()
        except UserError:
            return False
        self._stamp = stamp
        certificate, key = self._files
        self.context.load_cert_chain(certificate, key, password=_refuse_passphrase)
        return True

    def _look(self) -> list[tuple[int, int, int]]:
        found = []
        for path in self._files:
            with contextlib.suppress(OSError):
                state = os.stat(path)
                found.append((state.st_mtime_ns, state.st_size, state.st_ino))
        return found

    def _load(self) -> ssl.SSLContext:
        certificate, key = self._files
        for path in self._files:
            if not path.is_file():
                raise UserError(f"There is no file {path}.")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(certificate, key, password=_refuse_passphrase)
        except (ssl.SSLError, ValueError, OSError):
            raise UserError(
                f"{certificate} and {key} cannot be used: give PEM files that belong together, without a passphrase."
            ) from None
        return context


class Server:
    """Serves `app` at `listening`. `on_stop` is called first of all when it is to end, to let go of what stays open."""

    def __init__(self, app: ASGIApp, listening: Listening, on_stop: Callable[[], None]) -> None:
        self._app = app
        self._listening = listening
        self._on_stop = on_stop
        self._certificate = None
        if listening.certificate is not None and listening.key is not None:
            self._certificate = Certificate(listening.certificate, listening.key)
        self._socket = bind(listening)
        self.port: int = self._socket.getsockname()[1]
        self._server: _Ticking | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The address that it listens at."""
        return f"{'https' if self._certificate else 'http'}://{self._listening.shown_host}:{self.port}"

    def start(self) -> None:
        """Returns when it serves. Raises UserError if it does not come up."""
        certificate = self._certificate
        config = uvicorn.Config(
            self._app,
            lifespan="on",
            # Anybody may write X-Forwarded-For.
            proxy_headers=False,
            server_header=False,
            # Of its lines the log leaves out what is behind a question mark (lobbylock.logs).
            access_log=True,
            log_config=None,
            ws="none",
            timeout_graceful_shutdown=_GRACE_S,
            ssl_certfile=self._listening.certificate,
            ssl_keyfile=self._listening.key,
            ssl_context_factory=(lambda _config, _default: certificate.context) if certificate else None,
        )
        self._server = _Ticking(config, certificate)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="page", daemon=True)
        self._thread.start()
        self._server.is_up.wait(_START_S)
        if not self._server.started:
            self.stop()
            raise UserError("The page does not start; the log says more.")

    def stop(self) -> None:
        """Ends it; from any thread, also more than once."""
        self._on_stop()
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(_STOP_S)
        self._socket.close()


class _Ticking(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, certificate: Certificate | None) -> None:
        super().__init__(config)
        self.is_up = threading.Event()
        self._certificate = certificate

    async def on_tick(self, counter: int) -> bool:
        self.is_up.set()
        if self._certificate is not None and counter % _TICKS_BETWEEN_LOOKS == 0:
            # In the loop, where nobody is shaking hands meanwhile.
            self._certificate.refresh()
        return await super().on_tick(counter)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bind(listening: Listening) -> socket.socket:
    """Returns a listening socket. Raises UserError if the address is taken or not this machine's."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            listening.host, listening.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except OSError:
        raise UserError(f"{listening.host[:80]} is no address of this machine.") from None
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        raise UserError(
            f"The page cannot listen at {listening.shown_host}:{listening.port}: {error.strerror}."
        ) from None
    return bound


def parse_listen(text: str) -> tuple[str, int]:
    """Returns (host, port) of "127.0.0.1:8480" or "[::1]:8480". Raises UserError."""
    host, colon, port = text.rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not port.isascii() or not port.isdigit() or not 0 <= int(port[:6]) < 65536 or not host:
        raise UserError(f"{text[:80]!r} is not where to listen: write HOST:PORT, as in 127.0.0.1:8480.")
    if ":" in host and not is_bracketed:
        raise UserError(f"{text[:80]!r} is not where to listen: write an IPv6 address in brackets, as in [::1]:8480.")
    return host.strip("[]"), int(port)


def _refuse_passphrase() -> str:
    # OpenSSL would ask at the terminal and hang an unattended start.
    raise ValueError("no passphrase")
