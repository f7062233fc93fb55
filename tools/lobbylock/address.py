"""Where a broker is, and how to log in to it."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from lobbylock.errors import UserError
from lobbylock.names import parse_broker_url


@dataclass(frozen=True)
class Address:
    """A broker; `tls` is None for plain MQTT."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @classmethod
    def parse(
        cls,
        url: str,
        *,
        user: str | None = None,
        password: str | None = None,
        ca: Path | None = None,
        cert: Path | None = None,
        key: Path | None = None,
    ) -> "Address":
        """Returns the address that a command's options mean. Raises UserError for one that does not fit the others."""
        host, port, is_tls = parse_broker_url(url)
        if not is_tls and (ca or cert or key):
            raise UserError("Certificates are for an mqtts:// broker.")
        if key and not cert:
            raise UserError("A key needs its certificate: add --cert FILE.")
        if password and not user:
            raise UserError("A password needs a user: add --user NAME.")
        return cls(host, port, _tls_context(ca, cert, key) if is_tls else None, user, password)


def _tls_context(ca: Path | None, cert: Path | None, key: Path | None) -> ssl.SSLContext:
    for path in filter(None, (ca, cert, key)):
        if not path.is_file():
            raise UserError(f"There is no file {path}.")
    try:
        context = ssl.create_default_context(cafile=ca)
        if cert:
            context.load_cert_chain(cert, key, password=_refuse_passphrase)
    except (ssl.SSLError, ValueError):
        raise UserError("The CA, certificate or key cannot be used: give PEM files, without a passphrase.") from None
    return context


def _refuse_passphrase() -> str:
    # OpenSSL would ask at the terminal and hang an unattended start.
    raise ValueError("no passphrase")
