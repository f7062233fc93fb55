"""The issuer's folder: keys, doors and drivers.

issuer.json               code secret and seeds of issuer keys   (secret)
collector.json            the collector's seed and public key    (secret)
buildings.json            which tag each building was given
doors/BUILDING/DOOR.json  one record a door, with its passwords  (secret)
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from firmware.core import keycode
from lobbylock.door import Door
from lobbylock.errors import UserError
from lobbylock.files import make_folder, read_json, write_json
from lobbylock.grant import key_id
from lobbylock.names import is_door, split_door
from lobbylock.settings import MAX_ISSUERS, IssuerKey, Options
from lobbylock.signature import Signer

_SEED_BYTES = 32
TAGS = 10


@dataclass(frozen=True, repr=False)
class Issuer:
    """Who makes codes and credentials: `code_secret` and each of `seeds` are 32 secret bytes.

    The newest seed is the last and the one that signs; doors know the keys of all of them.
    """

    name: str
    code_secret: bytes
    seeds: tuple[bytes, ...]

    @property
    def signer(self) -> Signer:
        return Signer(self.seeds[-1])

    @property
    def keys(self) -> list[IssuerKey]:
        """What doors know of this issuer, the oldest key first."""
        public_keys = [Signer(seed).public_key for seed in self.seeds]
        return [IssuerKey(key_id(public_key), self.name, public_key) for public_key in public_keys]


class Home:
    """One issuer's folder at `path`. Methods raise UserError when a file is missing or damaged."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other commands from changing records meanwhile, so that two cannot give out one slot."""
        if not self.path.is_dir():
            raise UserError(f"There is no issuer at {self.path}; `lobbylock issuer new` makes one.")
        with open(os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o600), "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def new_issuer(self, name: str) -> Issuer:
        """Makes the issuer's and the collector's keys. Raises UserError if there are some already."""
        make_folder(self.path)
        with self.locked():
            for file in ("issuer.json", "collector.json"):
                if (self.path / file).exists():
                    raise UserError(f"{self.path} has an issuer already; its keys are never overwritten.")
            issuer = Issuer(name, os.urandom(_SEED_BYTES), (os.urandom(_SEED_BYTES),))
            seed = os.urandom(_SEED_BYTES)
            public_key = Signer(seed).public_key.hex()
            write_json(
                self.path / "collector.json", {"version": 1, "ed25519_seed": seed.hex(), "public_key": public_key}
            )
            # Last, because its presence is what makes the folder an issuer's.
            self._write_issuer(issuer)
        return issuer

    def _write_issuer(self, issuer: Issuer) -> None:
        write_json(
            self.path / "issuer.json",
            {
                "version": 1,
                "name": issuer.name,
                "code_secret": issuer.code_secret.hex(),
                "ed25519_seeds": [seed.hex() for seed in issuer.seeds],
            },
        )

    def rotate_issuer(self) -> Issuer:
        """Adds a key that signs from now on. Raises UserError if doors could not know all of them."""
        with self.locked():
            issuer = self.issuer()
            if len(issuer.seeds) >= MAX_ISSUERS:
                raise UserError(f"A door knows {MAX_ISSUERS} keys at most; `issuer retire` the oldest one first.")
            issuer = replace(issuer, seeds=(*issuer.seeds, os.urandom(_SEED_BYTES)))
            self._write_issuer(issuer)
        return issuer

    def retire_issuer(self, kid: str) -> Issuer:
        """Forgets the key with `kid`, hex. Raises UserError if it is the one that signs, or none of the issuer's."""
        with self.locked():
            issuer = self.issuer()
            kids = [key.kid.hex() for key in issuer.keys]
            if kid.lower() not in kids:
                raise UserError(f"The issuer has no key {kid[:16]!r}; `issuer keys` shows them.")
            at = kids.index(kid.lower())
            if at == len(kids) - 1:
                raise UserError("That is the key that signs; `issuer rotate` makes another one first.")
            issuer = replace(issuer, seeds=issuer.seeds[:at] + issuer.seeds[at + 1 :])
            self._write_issuer(issuer)
        return issuer

    def issuer(self) -> Issuer:
        """Returns the issuer with its secrets."""
        path = self.path / "issuer.json"
        if not path.exists():
            raise UserError(f"There is no issuer at {self.path}; `lobbylock issuer new` makes one.")
        value = read_json(path, "issuer file")
        # 0.1.0 kept one seed, with nothing to sign yet.
        seeds = value.get("ed25519_seeds", [value.get("ed25519_seed")])
        if not isinstance(seeds, list) or not 1 <= len(seeds) <= MAX_ISSUERS:
            raise UserError(f"{path} is damaged: its list of keys is not one.")
        secret = _secret(value.get("code_secret"), path)
        return Issuer(str(value.get("name", "")), secret, tuple(_secret(seed, path) for seed in seeds))

    def collector(self) -> Signer:
        """Returns the key that acknowledgements are signed with. Needs only collector.json and doors/."""
        path = self.path / "collector.json"
        return Signer(_secret(read_json(path, "collector key").get("ed25519_seed"), path))

    def door_path(self, name: str) -> Path:
        building, door = split_door(name)
        return self.path / "doors" / building / f"{door}.json"

    def new_door(self, name: str, options: Options) -> Door:
        """Makes the record of a door, giving its building a tag if it has none. Raises UserError if there is one."""
        building, door = split_door(name)
        path = self.door_path(name)
        with self.locked():
            if path.exists():
                raise UserError(f"{name} exists already; `door settings` writes its settings again.")
            record = Door(building, door, self._building_tag(building), options)
            make_folder(path.parent)
            write_json(path, record.dump())
        return record

    def _building_tag(self, building: str) -> int:
        path = self.path / "buildings.json"
        value = read_json(path, "list of buildings") if path.exists() else {"version": 1, "tags": {}}
        tags = value.get("tags")
        if not isinstance(tags, dict) or any(type(tag) is not int or not 0 <= tag < TAGS for tag in tags.values()):
            raise UserError(f"The list of buildings {path} is damaged.")
        if building not in tags:
            tags[building] = len(tags) % TAGS
            write_json(path, value)
        return tags[building]

    def door(self, name: str) -> Door:
        """Returns the record of the door `name`, "building/door"."""
        path = self.door_path(name)
        if not path.exists():
            raise UserError(f"There is no door {name} at {self.path}; `door list` shows them.")
        return Door.load(read_json(path, "door record"), name)

    def save_door(self, door: Door) -> None:
        """Writes a changed record back; call it inside `locked()`."""
        write_json(self.door_path(door.name), door.dump())

    def door_names(self) -> list[str]:
        """Returns the full names of all doors, sorted."""
        found = (f"{path.parent.name}/{path.stem}" for path in self.path.glob("doors/*/*.json"))
        return sorted(name for name in found if is_door(name))

    def code_key(self, door: Door) -> bytes:
        """Returns the 32-byte secret that makes and checks the codes of one door, docs/protocol.md section 1."""
        return keycode.door_key(self.issuer().code_secret, door.building, door.door)


def _secret(text: object, path: Path) -> bytes:
    with contextlib.suppress(ValueError, TypeError):
        secret = bytes.fromhex(text)  # pyright: ignore[reportArgumentType] a TypeError is suppressed
        if len(secret) == _SEED_BYTES:
            return secret
    raise UserError(f"{path} is damaged: a key in it is not 64 hex digits.")
