"""Which credentials were made: minted.jsonl in the issuer's folder, so that they can be revoked without their files.

One line each, and nothing in it opens a door.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from firmware.core import credential

_MAX_LINE_BYTES = 1_024


@dataclass(frozen=True)
class Minted:
    """A credential: `key` is what locks count and revoke it by, `id` its cti, both in hex; `expires_s` is Unix time."""

    subject: str
    building: str
    id: str
    kid: str
    key: str
    expires_s: int

    @classmethod
    def of(cls, found: credential.Credential) -> "Minted":
        return cls(found.subject, found.building, found.id.hex(), found.kid.hex(), found.key.hex(), found.expires_s)


class Register:
    """The list in the issuer's folder at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path / "minted.jsonl"

    def add(self, data: bytes) -> None:
        """Adds a credential, durably: whoever gets it afterwards can be kept out again. Raises CredentialError."""
        kid, payload, _, _ = credential.unwrap(data)
        found = Minted.of(credential.parse(kid, payload))
        line = json.dumps(asdict(found), ensure_ascii=False) + "\n"
        with open(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as file:
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())

    def find(self, *, subject: str | None = None, id: str | None = None) -> list[Minted]:
        """Returns those of a subject, or with an id in hex. Lines that a cut has damaged are passed over."""
        found = []
        try:
            lines = self._path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        for line in lines:
            if not 0 < len(line) <= _MAX_LINE_BYTES:
                continue
            try:
                minted = Minted(**json.loads(line))
            except (ValueError, TypeError):
                continue
            if minted.subject == subject or minted.id == id:
                found.append(minted)
        return found
