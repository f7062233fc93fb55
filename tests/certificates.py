"""A certificate authority for one test."""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Certificates:
    ca: Path
    other_ca: Path
    cert: Path
    key: Path
    client_cert: Path
    client_key: Path


def make_certificates(folder: Path, server_days: int = 1) -> Certificates:
    """Writes a CA, a server's and a client's certificate, and a CA that signed neither, into `folder`.

    The server's ends in `server_days`, which may be less than none.
    """
    ca_key, ca = _authority("test CA")
    _, other_ca = _authority("other CA")
    files = {"ca": _write(folder / "ca.pem", ca), "other_ca": _write(folder / "other-ca.pem", other_ca)}
    for role, prefix in (("server", ""), ("client", "client_")):
        key = ec.generate_private_key(ec.SECP256R1())
        days = server_days if role == "server" else 1
        builder = _builder(role, key.public_key(), ca.subject, days).add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), False)
        files[f"{prefix}cert"] = _write(folder / f"{role}.pem", builder.sign(ca_key, hashes.SHA256()))
        files[f"{prefix}key"] = folder / f"{role}.key"
        files[f"{prefix}key"].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    return Certificates(**files)


def _authority(name: str):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = _builder(name, key.public_key(), subject).add_extension(x509.BasicConstraints(True, None), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    return key, builder.sign(key, hashes.SHA256())


def _builder(name: str, public_key, issuer: x509.Name, days: int = 1) -> x509.CertificateBuilder:
    now = datetime.now(timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=10))
        .not_valid_after(now + timedelta(days=days))
    )


def _write(path: Path, certificate: x509.Certificate) -> Path:
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return path
