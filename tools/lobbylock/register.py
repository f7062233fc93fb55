"""Which credentials were made: minted.jsonl in the issuer's folder, so that they can be revoked without their files.

One line each, and nothing in it opens a door.
"""

import contextlib
from dataclasses import asdict, dataclass
from pathlib import Path

from firmware.core import bulletin, credential, event_names
from lobbylock.errors import UserError
from lobbylock.files import append_line, read_lines


@dataclass(frozen=True)
class Minted:
    """A credential: `key` is what locks count and revoke it by, `id` its cti, both in hex; `expires_s` is Unix time.

    `role` is empty and `holder` None in records of older versions; `holder` says whether a phone's key is in it.
    """

    subject: str
    building: str
    id: str
    kid: str
    key: str
    expires_s: int
    role: str = ""
    holder: bool | None = None

    def __post_init__(self) -> None:
        # A record from a file may hold anything. Raises ValueError and TypeError.
        texts = (self.subject, self.building, self.id, self.kid, self.key, self.role)
        if not all(isinstance(text, str) for text in texts) or type(self.expires_s) is not int or self.expires_s < 0:
            raise TypeError("no record")
        if self.holder not in (None, True, False):
            raise TypeError("no record")
        if len(bytes.fromhex(self.key)) != bulletin.ID_BYTES or not bytes.fromhex(self.kid):
            raise ValueError("no record")

    @classmethod
    def of(cls, found: credential.Credential) -> "Minted":
        return cls(
            found.subject,
            found.building,
            found.id.hex(),
            found.kid.hex(),
            found.key.hex(),
            found.expires_s,
            event_names.ROLE_NAMES[found.role],
            found.holder is not None,
        )


class Register:
    """The list in the issuer's folder at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path / "minted.jsonl"

    def add(self, data: bytes) -> None:
        """Adds a credential, durably: whoever gets it afterwards can be kept out again. Raises CredentialError."""
        kid, payload, _, _ = credential.unwrap(data)
        append_line(self._path, asdict(Minted.of(credential.parse(kid, payload))))

    def all(self) -> list[Minted]:
        """Returns all of them in the order in which they were made. Lines that are none are passed over."""
        found = []
        for _, value in read_lines(self._path):
            with contextlib.suppress(ValueError, TypeError):
                found.append(Minted(**value))
        return found

    def find(self, *, subject: str | None = None, id: str | None = None) -> list[Minted]:
        """Returns those of a subject, or with an id in hex. Lines that a cut has damaged are passed over.

        Raises UserError for one that is whole, is looked for, and cannot be right.
        """
        found = []
        wanted = ("id", id) if subject is None else ("subject", subject)
        for number, value in read_lines(self._path):
            if value.get(wanted[0]) != wanted[1]:
                continue
            try:
                found.append(Minted(**value))
            except (ValueError, TypeError):
                raise UserError(f"Line {number} of {self._path} is damaged.") from None
        return found
