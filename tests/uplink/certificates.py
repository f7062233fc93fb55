"""Certificates of our own for the tests with TLS, made by openssl."""

import subprocess
from pathlib import Path

from lobbylock.broker import TlsFiles


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def make_authority(folder: Path) -> None:
    """Makes ca.pem and ca.key in `folder`."""
    names = ["-keyout", "ca.key", "-out", "ca.pem", "-days", "30", "-subj", "/CN=lobby"]
    _openssl(folder, "req", "-x509", *_CURVE, *names)


def make_tls_files(folder: Path) -> TlsFiles:
    """Makes an authority and a certificate for 127.0.0.1 in `folder`."""
    make_authority(folder)
    _openssl(folder, "req", *_CURVE, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-extfile", "names"]
    _openssl(folder, "x509", "-req", "-in", "server.csr", "-out", "server.pem", *signing)
    return TlsFiles(folder / "ca.pem", folder / "server.pem", folder / "server.key")
