"""Keys that open a board's console: the owner's in the home, an installer's in a file of his own."""

import os
from pathlib import Path

from lobbylock.errors import UserError
from lobbylock.files import check_writable, read_json, write_json
from lobbylock.home import Home
from lobbylock.signature import Signer

_SEED_BYTES = 32


def owner_path(home: Home) -> Path:
    """Returns where the owner's key lies; it is secret."""
    return home.path / "owner.json"


def find_owner(home: Home) -> Signer | None:
    """Returns the owner's key, None if this home has none. Raises UserError if its file is damaged."""
    path = owner_path(home)
    return load_key(path) if path.exists() else None


def make_owner(home: Home) -> Signer:
    """Returns the owner's key, which is made if there is none."""
    with home.locked():
        return find_owner(home) or _write_key(owner_path(home))


def new_key(path: Path) -> Signer:
    """Makes a key in a new file. Raises UserError if there is something already."""
    if path.exists():
        raise UserError(f"{path} exists already; a key is never overwritten.")
    check_writable(path)
    return _write_key(path)


def _write_key(path: Path) -> Signer:
    seed = os.urandom(_SEED_BYTES)
    signer = Signer(seed)
    write_json(path, {"version": 1, "ed25519_seed": seed.hex(), "public_key": signer.public_key.hex()})
    return signer


def load_key(path: Path) -> Signer:
    """Returns the key in the file of an owner or an installer. Raises UserError if it is none."""
    value = read_json(path, "console key")
    text = value.get("ed25519_seed")
    try:
        seed = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        seed = b""
    if value.get("version") != 1 or len(seed) != _SEED_BYTES:
        raise UserError(f"{path} is damaged: it holds no key of an owner or installer.")
    return Signer(seed)
