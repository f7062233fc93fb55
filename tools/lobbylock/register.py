"""Which credentials were made: minted.jsonl in the issuer's folder, so that they can be revoked without their files.

One line each, and nothing in it opens a door.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from firmware.core import bulletin, credential
from lobbylock.errors import UserError

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

    def __post_init__(self) -> None:
        # A record from a file may hold anything. Raises ValueError and TypeError.
        texts = (self.subject, self.building, self.id, self.kid, self.key)
        if not all(isinstance(text, str) for text in texts) or type(self.expires_s) is not int or self.expires_s < 0:
            raise TypeError("no record")
        if len(bytes.fromhex(self.key)) != bulletin.ID_BYTES or not bytes.fromhex(self.kid):
            raise ValueError("no record")

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
        line = json.dumps(asdict(found), ensure_ascii=False).encode() + b"\n"
        with open(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "a+b") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                # What a cut has left there must not spoil this one as well.
                line = line if file.read(1) == b"\n" else b"\n" + line
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def find(self, *, subject: str | None = None, id: str | None = None) -> list[Minted]:
        """Returns those of a subject, or with an id in hex. Lines that a cut has damaged are passed over.

        Raises UserError for one that is whole, is looked for, and cannot be right.
        """
        found = []
        try:
            lines = self._path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        for number, line in enumerate(lines, 1):
            if not 0 < len(line) <= _MAX_LINE_BYTES:
                continue
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                continue
            wanted = ("id", id) if subject is None else ("subject", subject)
            if not isinstance(value, dict) or value.get(wanted[0]) != wanted[1]:
                continue
            try:
                found.append(Minted(**value))
            except (ValueError, TypeError):
                raise UserError(f"Line {number} of {self._path} is damaged.") from None
        return found
