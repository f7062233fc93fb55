"""What a reference phone keeps in a file: its credential, where its key is, and the doors that it knows."""

from dataclasses import dataclass
from pathlib import Path

from lobbylock.door import parse_public_key
from lobbylock.errors import UserError
from lobbylock.files import read_json, write_json
from lobbylock.names import split_door

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
