"""What the issuer keeps about one door: its options, its enrolled key and its list of drivers."""

from dataclasses import asdict, dataclass, field
from typing import Any

from firmware.core import keycode
from lobbylock.errors import UserError
from lobbylock.journalkey import JournalKey
from lobbylock.names import check_person, split_door
from lobbylock.settings import Options

PUBLIC_KEY_BYTES = 32
# So long after a code's end its slot stays the name's.
_REST_S = 30 * 86_400


@dataclass
class Driver:
    """Who a slot of the door belongs to, also if they live or work there. Times are Unix seconds; `valid_until_s` ends
    the last code made so far."""

    name: str
    slot: int
    since_s: int
    valid_until_s: int = 0
    single_use_until_s: int = 0
    removed_s: int | None = None
    role: str = "driver"

    @classmethod
    def load(cls, value: dict[str, Any]) -> "Driver":
        """Returns the driver in JSON values. Raises TypeError if they are not one."""
        driver = cls(**value)
        times = (driver.since_s, driver.valid_until_s, driver.single_use_until_s, driver.removed_s or 0)
        if not isinstance(driver.name, str) or not isinstance(driver.role, str):
            raise TypeError("a driver's name or role is no text")
        if any(type(number) is not int for number in (driver.slot, *times)):
            raise TypeError("a driver's field is of another type")
        return driver

    def holds(self, slot: int, time_s: int) -> bool:
        """Whether an event with `slot` at `time_s` was this driver's."""
        if self.slot != slot:
            return False
        # Codes outlive the removal, so the name goes with the slot until the last one has ended.
        return self.removed_s is None or time_s < max(self.removed_s, self.valid_until_s)

    def is_free(self, now_s: int) -> bool:
        """Whether the slot can be given to somebody else without two people sharing its events."""
        return self.removed_s is not None and now_s >= max(self.removed_s, self.valid_until_s)


@dataclass
class Door:
    """One door's record. `public_key` is the board's Ed25519 key, None before enrolment; older ones stay readable.

    `journal_keys` holds, by public key, the first key of each board's tags that is known.
    """

    building: str
    door: str
    tag: int
    options: Options
    public_key: bytes | None = None
    former_public_keys: list[bytes] = field(default_factory=list)
    drivers: list[Driver] = field(default_factory=list)
    journal_keys: dict[bytes, JournalKey] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.building}/{self.door}"

    @property
    def journal_key(self) -> JournalKey | None:
        """The first known key of the present board's tags."""
        return self.journal_keys.get(self.public_key or b"")

    @property
    def public_keys(self) -> list[bytes]:
        """The keys of all boards that were ever enrolled here, the present one last."""
        former = [key for key in self.former_public_keys if key != self.public_key]
        return former if self.public_key is None else [*former, self.public_key]

    def enrol(self, public_key: bytes, journal_key: JournalKey | None = None, *, may_replace: bool) -> None:
        """Takes the board's key and, if it is given, that of its journal.

        Raises UserError if that replaces another one and nobody said so. A later journal key of the same board is
        checked against the known one, which stays.
        """
        if len(public_key) != PUBLIC_KEY_BYTES:
            raise UserError("A public key is 64 hex digits.")
        if self.public_key is not None and self.public_key != public_key:
            if not may_replace:
                raise UserError(f"{self.name} has another key enrolled; if its board was changed, add --replace.")
            if self.public_key not in self.former_public_keys:
                self.former_public_keys.append(self.public_key)
        if journal_key is not None:
            self._take_journal_key(public_key, journal_key, may_replace)
        self.public_key = public_key

    def _take_journal_key(self, public_key: bytes, given: JournalKey, may_replace: bool) -> None:
        known = self.journal_keys.get(public_key)
        if known is not None and known.leads_to(given):
            return
        if known is not None and not given.leads_to(known) and not may_replace:
            raise UserError(
                f"{self.name} has a journal key enrolled from which that of event {given.seq} does not follow;"
                " if you trust the new one, add --replace."
            )
        self.journal_keys[public_key] = given

    def driver(self, name: str) -> Driver | None:
        """Returns the driver now listed as `name`."""
        return next((driver for driver in self.drivers if driver.name == name and driver.removed_s is None), None)

    def driver_at(self, slot: int, time_s: int) -> str | None:
        """Returns the name that `slot` stood for at Unix time `time_s`."""
        return next((driver.name for driver in self.drivers if driver.holds(slot, time_s)), None)

    def list_driver(self, name: str, now_s: int, slot: int | None = None, role: str = "driver") -> Driver:
        """Returns the driver, resident or staff `name`, giving out `slot` or else the lowest free one to a new name.

        If all 100 are given out, whoever's last code has ended the longest ago, 30 days at least, makes room. Raises
        UserError if the slot is another one's, if nobody makes room, or if the name is listed in another role.
        """
        name = check_person(name)
        driver = self.driver(name)
        if driver is not None:
            if driver.role != role:
                raise UserError(f"{name} is listed at {self.name} as {driver.role}, not as {role}: take another name.")
            if slot is not None and slot != driver.slot:
                raise UserError(f"{name} has slot {driver.slot:02d} at {self.name}, not {slot:02d}.")
            return driver
        taken = {other.slot: other for other in self.drivers if not other.is_free(now_s)}
        if slot is None:
            slot = next((free for free in range(keycode.SLOTS) if free not in taken), None)
            if slot is None:
                slot = self._retire_one(now_s)
        elif not 0 <= slot < keycode.SLOTS:
            raise UserError(f"A slot is 0 to {keycode.SLOTS - 1}.")
        elif slot in taken:
            raise UserError(f"Slot {slot:02d} of {self.name} is {taken[slot].name}'s.")
        driver = Driver(name, slot, now_s, role=role)
        self.drivers.append(driver)
        return driver

    def _retire_one(self, now_s: int) -> int:
        """Takes whoever's last code has ended the longest ago off the list, and returns the slot, which is free then.

        Raises UserError if nobody's has for long enough: events that come late are to name whom they are about.
        """
        listed = [driver for driver in self.drivers if driver.removed_s is None]
        oldest = min(listed, key=lambda driver: max(driver.since_s, driver.valid_until_s), default=None)
        if oldest is None or max(oldest.since_s, oldest.valid_until_s) + _REST_S > now_s:
            raise UserError(
                f"All {keycode.SLOTS} places on the list of {self.name} are taken, by people whose codes have not ended"
                f" {_REST_S // 86_400} days ago: take somebody off it."
            )
        oldest.removed_s = now_s
        return oldest.slot

    def dump(self) -> dict[str, Any]:
        """Returns the record as JSON values. It holds passwords and journal keys, so it is for a private file."""
        return {
            "version": 1,
            "building": self.building,
            "door": self.door,
            "tag": self.tag,
            "public_key": self.public_key.hex() if self.public_key else None,
            "former_public_keys": [key.hex() for key in self.former_public_keys],
            "options": asdict(self.options),
            "drivers": [asdict(driver) for driver in self.drivers],
            "journal_keys": {
                public_key.hex(): {"seq": known.seq, "key": known.key.hex()}
                for public_key, known in self.journal_keys.items()
            },
        }

    @classmethod
    def load(cls, value: dict[str, Any], name: str) -> "Door":
        """Returns the record of the door `name` from JSON values. Raises UserError if it is another's or damaged."""
        try:
            if value["version"] != 1 or (value["building"], value["door"]) != split_door(name):
                raise UserError(f"The record of {name} is of another door or another version.")
            tag = value["tag"]
            if type(tag) is not int or not 0 <= tag <= 9:
                raise UserError(f"The record of {name} is damaged: its tag is not 0 to 9.")
            public_key = value["public_key"]
            return cls(
                value["building"],
                value["door"],
                tag,
                Options.load(value["options"]),
                None if public_key is None else parse_public_key(public_key),
                [parse_public_key(key) for key in value["former_public_keys"]],
                [Driver.load(driver) for driver in value["drivers"]],
                {
                    parse_public_key(key): JournalKey.parse(known["seq"], known["key"])
                    # Records from before there were any have none.
                    for key, known in value.get("journal_keys", {}).items()
                },
            )
        except (KeyError, TypeError, AttributeError):
            raise UserError(f"The record of {name} is damaged: fields are missing or of another type.") from None


def parse_public_key(text: str) -> bytes:
    """Returns the 32 bytes that 64 hex digits write. Raises UserError."""
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != PUBLIC_KEY_BYTES or len(text) != 2 * PUBLIC_KEY_BYTES:
        raise UserError("A public key is 64 hex digits.")
    return key
