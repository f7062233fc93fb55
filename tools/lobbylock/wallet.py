"""What a reference phone keeps in a file: its credential, where its key is, and the doors that it knows."""

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from firmware.core.credential import CredentialError
from lobbylock.delegation import parse_credential
from lobbylock.door import parse_public_key
from lobbylock.errors import UserError
from lobbylock.files import read_json, write_json
from lobbylock.names import split_door
from lobbylock.phone import holder

_VERSION = 1
_MAX_CREDENTIAL_BYTES = 1_024


@dataclass(frozen=True)
class Wallet:
    """`credential` is one, or a chain of two; `key` the path of its holder's private key; `doors` maps full names to
    public keys, by which a door is found and believed."""

    credential: bytes
    key: Path
    doors: dict[str, bytes]

    def save(self, path: Path) -> None:
        """Writes the wallet, readable by its owner only."""
        doors = {name: key.hex() for name, key in self.doors.items()}
        values = {"version": _VERSION, "credential": self.credential.hex(), "key": str(self.key), "doors": doors}
        write_json(path, values)

    def check(self, key: ec.EllipticCurvePrivateKey) -> None:
        """Raises UserError for what no door would take: no credential, one that names another key than `key` or none,
        a door of another building. Of a chain the visitor's credential counts; no signature is checked."""
        try:
            found = parse_credential(self.credential)
        except CredentialError:
            raise UserError("That is not a credential: give one that `lobbylock credential` made.") from None
        if found.holder is None:
            raise UserError(
                f"That credential names no phone's key, and is for a badge: have one made with --holder {self.key}."
            )
        if found.holder != holder(key):
            raise UserError(
                f"That credential names another key than {self.key}: give its own, or have one made with --holder "
                f"{self.key}."
            )
        others = [name for name in self.doors if split_door(name)[0] != found.building]
        if others:
            raise UserError(f"That credential is for {found.building}: leave out --door {', '.join(others)}.")

    @classmethod
    def load(cls, path: Path) -> "Wallet":
        """Returns the wallet in `path`. Raises UserError if it is none."""
        value = read_json(path, "wallet")
        try:
            if value["version"] != _VERSION:
                raise UserError(f"The wallet {path} is of another version.")
            credential = bytes.fromhex(value["credential"])
            doors = {name: parse_public_key(key) for name, key in value["doors"].items()}
            key = Path(value["key"])
        except (KeyError, TypeError, ValueError, AttributeError):
            raise UserError(f"The wallet {path} is damaged: fields are missing or of another type.") from None
        for name in doors:
            split_door(name)
        return cls(check_size(credential), key, doors)


def check_size(credential: bytes) -> bytes:
    """Returns `credential` if a phone can show it. Raises UserError."""
    if not 0 < len(credential) <= _MAX_CREDENTIAL_BYTES:
        raise UserError(f"A credential has 1 to {_MAX_CREDENTIAL_BYTES} bytes.")
    return credential
