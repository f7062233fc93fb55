"""A door's decision on a credential, made on the host by the code that the lock runs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firmware.core import chain, credential, event, tz_string
from firmware.core.decision import judge
from firmware.core.zone import Zone
from lobbylock.delegation import is_signed_es256
from lobbylock.door import Door
from lobbylock.errors import UserError
from lobbylock.files import read_json
from lobbylock.grant import Grant
from lobbylock.settings import IssuerKey, Options
from lobbylock.signature import is_signed

# How a credential can come to a door.
VIAS = {"badge": event.BADGE, "phone": event.PHONE, "ble": event.BLE}


@dataclass(frozen=True)
class KnownIssuer:
    """What `core.credential` asks of an issuer."""

    name: str
    public_key: bytes

    def verify(self, message: bytes, signature: bytes) -> bool:
        return is_signed(self.public_key, message, signature)


@dataclass(frozen=True)
class TrialDoor:
    """What `core.decision` asks of a door, and who may issue credentials for it, by kid."""

    building: str
    areas: Sequence[str]
    zone: Zone
    bearer: str
    bearer_s: int
    revoked: Sequence[bytes]
    issuers: dict[bytes, KnownIssuer]

    @classmethod
    def of(cls, building: str, options: Options, keys: Sequence[IssuerKey]) -> "TrialDoor":
        options.check()
        return cls(
            building,
            options.areas,
            tz_string.parse(options.zone),
            options.bearer,
            options.bearer_s,
            [bytes.fromhex(text) for text in options.revoked],
            {key.kid: KnownIssuer(key.name, key.public_key) for key in keys},
        )

    @classmethod
    def load(cls, path: Path) -> "TrialDoor":
        """Returns the door of a board's settings.json. Raises UserError; not all that a lock refuses is refused."""
        value = read_json(path, "settings file")
        try:
            usual = Options()
            names = ("areas", "zone", "bearer", "bearer_s", "revoked")
            options = Options(**{name: _of_type(type(getattr(usual, name)), value[name]) for name in names})
            keys = [
                IssuerKey(bytes.fromhex(item["kid"]), _of_type(str, item["name"]), bytes.fromhex(item["key"]))
                for item in _of_type(list, value["issuers"])
            ]
            return cls.of(_of_type(str, value["building"]), options, keys)
        except (KeyError, TypeError, ValueError):
            raise UserError(f"{path} is not a board's settings: fields are missing or of another type.") from None


def _of_type(kind: type, value: Any) -> Any:
    # Not isinstance: JSON's true would pass as a number.
    if type(value) is not kind:
        raise TypeError
    return value


def judge_at(
    data: bytes, door: TrialDoor, time_s: int, via: str | None, used: int
) -> tuple[int, credential.Credential | None]:
    """Returns (reason of `core.event`, the credential if it is genuine).

    `via` is one of VIAS, None for what the credential is made for; `used` is how often it has opened.
    """
    try:
        if data[:1] == credential.CHAIN:
            found = chain.read(data, door.issuers, is_signed_es256)
        else:
            found = credential.read(data, door.issuers)
    except credential.CredentialError as error:
        return error.args[0], error.args[1] if len(error.args) > 1 else None
    if via is None:
        via = "badge" if found.holder is None else "phone"
    # Of a chain it is the visitor's that was used.
    decision = judge(found, door, time_s, VIAS[via], lambda key: used if key == found.key else 0)
    return decision.reason, found


def takes_bearer(options: Options, grant: Grant) -> bool:
    """Whether a door set so opens to `grant` as far as its `bearer` is concerned, as protocol.md section 8 has it."""
    if grant.holder is not None:
        return True
    if options.bearer == "off":
        return False
    return grant.uses == 1 or (options.bearer == "short" and grant.until_s - grant.from_s <= options.bearer_s)


def refusing_doors(doors: Iterable[Door], grant: Grant) -> tuple[list[str], bool]:
    """Returns which doors of a grant's areas refuse it because it can be copied, each with what it takes, and whether
    no door is left. If its areas are no door's, all doors of its building refuse it."""
    there = [door for door in doors if door.building == grant.building]
    meant = [door for door in there if set(door.options.areas) & set(grant.areas)]
    if not meant:
        return [f"{door.name} (of {', '.join(door.options.areas)})" for door in there], bool(there)
    refusing = [door for door in meant if not takes_bearer(door.options, grant)]
    return [f"{door.name} (takes {_taken(door.options)})" for door in refusing], len(refusing) == len(meant)


def _taken(options: Options) -> str:
    if options.bearer == "off":
        return "phones only"
    return "1 use" if options.bearer == "single-use" else f"1 use, or {options.bearer_s / 3_600:g} hours at most"
