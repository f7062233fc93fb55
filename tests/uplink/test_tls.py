"""The lock's own TLS against mosquitto, which wants a certificate: who comes through, and who does not."""

import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from certificates import make_certificates
from lobbylock.broker import Broker, TlsFiles
from lobbylock.house import ROOT

MICROPYTHON = Path(sys.executable).with_name("micropython")


def as_der(path: Path) -> str:
    """Writes a certificate or key as the settings keep it; returns the file's name."""
    pem = path.read_text()
    if "CERTIFICATE" in pem:
        data = ssl.PEM_cert_to_DER_cert(pem)
    else:
        key = serialization.load_pem_private_key(pem.encode(), None)
        form = serialization.PrivateFormat.PKCS8
        data = key.private_bytes(serialization.Encoding.DER, form, serialization.NoEncryption())
    target = path.with_suffix(path.suffix + ".der")
    target.write_bytes(data)
    return str(target)


def connect(port: int, ca: Path, cert: Path | None, key: Path | None, host: str = "127.0.0.1") -> list[str]:
    """Returns what tls_client.py printed."""
    files = [as_der(path) if path else "-" for path in (ca, cert, key)]
    folders = (ROOT, ROOT / "lib", ROOT / "build" / "micropython-lib", ".frozen")
    command = [str(MICROPYTHON), "-X", "heapsize=400k", str(ROOT / "tests" / "unit" / "tls_client.py")]
    done = subprocess.run(
        [*command, host, str(port), *files],
        env={**os.environ, "MICROPYPATH": ":".join(map(str, folders))},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0 and not done.stderr, done
    return done.stdout.splitlines()


@pytest.fixture
def serve(tmp_path):
    """Returns a function that starts mosquitto with certificates of its own; all are stopped at the end."""
    brokers = []

    def start(server_days: int = 1):
        folder = tmp_path / f"tls{len(brokers)}"
        folder.mkdir()
        files = make_certificates(folder, server_days)
        broker = Broker("mosquitto", tls=TlsFiles(files.ca, files.cert, files.key, client_ca=True))
        brokers.append(broker)
        broker.__enter__()
        return broker.port, files

    yield start
    for broker in brokers:
        broker.__exit__()


def test_only_the_right_certificates_connect(serve, tmp_path):
    port, files = serve()
    other = tmp_path / "other"
    other.mkdir()
    stranger = make_certificates(other)
    connected = ["connected", "True False"]
    assert connect(port, files.ca, files.client_cert, files.client_key) == connected
    for ca, cert, key, host in (
        (files.ca, None, None, "127.0.0.1"),
        (files.ca, stranger.client_cert, stranger.client_key, "127.0.0.1"),
        (files.other_ca, files.client_cert, files.client_key, "127.0.0.1"),
        (files.ca, files.client_cert, files.client_key, "localhost"),
    ):
        said = connect(port, ca, cert, key, host)
        assert said[0] != "connected" and said[-1] == "True False", (cert, host, said)
    # Still there for whoever is right.
    assert connect(port, files.ca, files.client_cert, files.client_key) == connected


def test_a_server_whose_certificate_has_expired_is_refused(serve):
    port, files = serve(server_days=-1)
    said = connect(port, files.ca, files.client_cert, files.client_key)
    assert said[0].startswith(("OSError", "ValueError")) and said[-1] == "True False", said
