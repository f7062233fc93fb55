"""alerts.toml: who is told of what, where, when, and over which way. docs/operations.md, "Alerts".

The file is private: the URLs in it hold passwords. No message of this module repeats one.
"""

import difflib
import re
import stat
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from firmware.core import tz_string
from lobbylock import readers
from lobbylock.errors import UserError
from lobbylock.moment import parse_duration
from lobbylock.names import check_building, check_person, split_door
from lobbylock.readers import Reader, parse_reader

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports]

DELIVERY, ENTRY, REFUSED = "delivery", "entry", "refused"
FORCED, HELD, LOCKED_OUT = "forced", "held", "locked_out"
GAP, CHAIN, TAMPER, TROUBLE = "gap", "chain", "tamper", "trouble"
CAMERA, READER, KEYPAD, STRIKE, RADIO = "camera", "reader", "keypad", "strike", "radio"
OFFLINE, BROKER, STORE = "offline", "broker", "store"
# What somebody can be told of. The last two are about the service, not about a door.
KINDS = (DELIVERY, ENTRY, REFUSED, FORCED, HELD, LOCKED_OUT, GAP, CHAIN, TAMPER, TROUBLE) + (
    (CAMERA, READER, KEYPAD, STRIKE, RADIO, OFFLINE, BROKER, STORE)
)
FAULTS = (CAMERA, READER, KEYPAD, STRIKE, RADIO)
OF_THE_SERVICE = (BROKER, STORE)
# Words for several of them.
GROUPS = {"fault": (*FAULTS, TROUBLE), "all": KINDS}
# readers.py shows those who live, work or deliver there accesses, what follows from them, and a forced door.
_OF_PERSONS = (DELIVERY, ENTRY, REFUSED, FORCED, HELD)
_URGENT = (FORCED, TAMPER, CHAIN)

_MAX_BYTES = 1 << 18
_MAX_PERSONS = 500
_MAX_URLS = 10
_MAX_URL_CHARACTERS = 2_000
_TIMES = {"again": "1h", "older_than": "6h", "give_up": "3d", "offline_after": "5m", "settle": "10m"}
_RULE = ("kinds", "doors", "buildings", "quiet", "digest")
_SECTIONS = {
    "": (*_TIMES, "person"),
    "[[person]]": ("name", "reader", "urls", "urgent", "rule", *_RULE),
    "[[person.rule]]": _RULE,
}
_TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_EVERY = re.compile(r"every ([0-9a-z]+)")
_SCHEME = re.compile(r"([a-z][a-z0-9]{1,30})://.", re.IGNORECASE)
_DAY_S = 86_400

TEMPLATE = """\
# Who is told of what: `lobbylock alerts check` reads this, `lobbylock alerts test NAME` sends a trial message.
# Keep it private (chmod 600): the URLs hold passwords.

again = "1h"                # the same kind at the same door at most so often, then with "and 41 more since"
older_than = "6h"           # what happened longer ago is summed up, not told one by one
give_up = "3d"              # how long a message is tried
offline_after = "5m"        # how long a lock or the broker may be away before somebody is told
settle = "10m"              # how long a part has to work again before the all-clear

[[person]]
name = "Ines"
reader = "manager"          # what she may be told: manager, owner, installer, resident:NAME, staff:NAME, driver:NAME
urls = ["mailto://user:password@mail.example.com?to=ines@example.com"]      # as apprise writes them
kinds = ["forced", "held", "locked_out", "gap", "chain", "tamper", "fault", "offline", "broker", "store"]
# buildings = ["maple-12"]  # everywhere if neither these nor doors are given
# quiet = "22:00-07:00"     # by the clock of the building
urgent = ["forced", "tamper", "chain"]      # told at once, at night as well
# digest = "08:00"          # one message a day; or "every 30m"

[[person]]
name = "Anna"
reader = "resident:Anna"    # the name that the record knows her by
urls = ["ntfys://ntfy.example.com/secret-topic"]
buildings = ["maple-12"]

[[person.rule]]
kinds = ["delivery"]
doors = ["maple-12/front"]
quiet = "22:00-07:00"

[[person.rule]]
kinds = ["entry", "refused"]
digest = "18:00"
"""


@dataclass(frozen=True)
class Span:
    """Part of each day, in seconds from local midnight; it may go over midnight."""

    from_s: int
    until_s: int

    def has(self, second_s: int) -> bool:
        if self.from_s <= self.until_s:
            return self.from_s <= second_s < self.until_s
        return second_s >= self.from_s or second_s < self.until_s


@dataclass(frozen=True)
class Digest:
    """When what was gathered is sent: at `at_s` from local midnight, or else every `every_s` seconds."""

    at_s: int | None = None
    every_s: int = _DAY_S


@dataclass(frozen=True)
class Rule:
    """What one person wants of some kinds. Without `doors` and `buildings` it is for all doors."""

    kinds: frozenset[str]
    doors: frozenset[str] = frozenset()
    buildings: frozenset[str] = frozenset()
    quiet: Span | None = None
    digest: Digest | None = None

    def covers(self, kind: str, door: str) -> bool:
        """Whether it is for `kind` at `door`, a full name, or "" for what is about the service."""
        if kind not in self.kinds:
            return False
        return kind in OF_THE_SERVICE or self.has_door(door)

    def has_door(self, door: str) -> bool:
        """Whether it is for the door with this full name."""
        if not (self.doors or self.buildings):
            return True
        return door in self.doors or door.partition("/")[0] in self.buildings


@dataclass(frozen=True, repr=False)
class Way:
    """One of a person's addresses. `label` is for logs; `name` is for the store, of which no secret can be made."""

    url: str
    label: str
    name: str


@dataclass(frozen=True, repr=False)
class Person:
    """Somebody who is told. `urls` are secrets; `reader` says what of the record they may know."""

    name: str
    reader: Reader
    urls: tuple[str, ...]
    rules: tuple[Rule, ...]
    urgent: frozenset[str]

    def ways(self) -> tuple[Way, ...]:
        """Returns their addresses, each once."""
        found: dict[str, Way] = {}
        names: set[str] = set()
        for number, url in enumerate(self.urls, 1):
            if url not in found:
                # By what it is and not by its place, for the list may change. So short a hash helps nobody guess.
                name = f"{scheme(url)}-{sha256(url.encode()).hexdigest()[:4]}"
                while name in names:
                    name += "+"
                names.add(name)
                found[url] = Way(url, f"URL {number} ({scheme(url)})", name)
        return tuple(found.values())

    def rule(self, kind: str, door: str) -> Rule | None:
        """Returns the first of their rules that is for `kind` at `door`."""
        return next((rule for rule in self.rules if rule.covers(kind, door)), None)

    def has_building(self, building: str) -> bool:
        """Whether one of their rules is for doors of `building`."""
        return any(
            building in rule.buildings or any(door.startswith(f"{building}/") for door in rule.doors)
            for rule in self.rules
        )

    def due_s(self, rule: Rule, kind: str, now_s: int, zone: str) -> tuple[int, bool]:
        """Returns when something of `now_s` is to be told, and whether it waits to be gathered with more until then.
        `zone` is the building's TZ string."""
        if kind in self.urgent:
            return now_s, False
        due_s = self.quiet_until_s(rule, kind, _digest_s(rule.digest, now_s, zone) if rule.digest else now_s, zone)
        return due_s, due_s > now_s or rule.digest is not None

    def quiet_until_s(self, rule: Rule, kind: str, at_s: int, zone: str) -> int:
        """Returns `at_s`, or the end of the person's quiet hours if it falls into those."""
        if kind in self.urgent or rule.quiet is None or not rule.quiet.has(_local_s(at_s, zone) % _DAY_S):
            return at_s
        return next_local_s(rule.quiet.until_s, at_s, zone)


@dataclass(frozen=True)
class Rules:
    """All of alerts.toml; times in seconds."""

    persons: tuple[Person, ...] = ()
    again_s: int = 3_600
    older_than_s: int = 6 * 3_600
    give_up_s: int = 3 * _DAY_S
    offline_after_s: int = 300
    settle_s: int = 600
    by_name: dict[str, Person] = field(default_factory=dict)

    def person(self, name: str) -> Person | None:
        return self.by_name.get(name)


def _local_s(time_s: int, zone: str) -> int:
    return time_s + tz_string.parse(zone).offset_s(time_s)


def next_local_s(second_s: int, after_s: int, zone: str) -> int:
    """Returns the next Unix time after `after_s` at which clocks of `zone` show `second_s` from midnight.

    What a change of the clocks leaves out is when they change; of an hour that comes twice, the one counts that
    `after_s` is in or before.
    """
    rule = tz_string.parse(zone)
    local_s = after_s + rule.offset_s(after_s)
    wanted_s = local_s - local_s % _DAY_S + second_s
    if wanted_s <= local_s:
        wanted_s += _DAY_S
    # The clocks may change in between, so the offset is that of the moment itself.
    late_s = wanted_s - rule.offset_s(after_s)
    found_s = wanted_s - rule.offset_s(late_s)
    if found_s < late_s and found_s + rule.offset_s(found_s) != wanted_s:
        # They are put forward past it, somewhere between the two.
        while late_s - found_s > 1:
            middle_s = (found_s + late_s) // 2
            if middle_s + rule.offset_s(middle_s) < wanted_s:
                found_s = middle_s
            else:
                late_s = middle_s
        found_s = late_s
    return max(after_s + 1, found_s)


def _digest_s(digest: Digest, now_s: int, zone: str) -> int:
    if digest.at_s is not None:
        return next_local_s(digest.at_s, now_s, zone)
    # On multiples, so that whatever comes in between goes out together.
    return (now_s // digest.every_s + 1) * digest.every_s


def load_rules(path: Path, doors: Iterable[str] | None = None) -> Rules:
    """Returns the rules in `path`. Raises UserError for what is wrong in it, one sentence that says where.

    With `doors`, the full names of all that there are, doors and buildings that do not exist are wrong too.
    """
    whole = _read(path)
    _check_keys(whole, "", path.name)
    times = {f"{name}_s": _duration(whole, name, usual) for name, usual in _TIMES.items()}
    tables = whole.get("person", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise UserError(f"{path.name}: write each person as a section [[person]].")
    if len(tables) > _MAX_PERSONS:
        raise UserError(f"{path.name} has {len(tables)} persons; {_MAX_PERSONS} at most.")
    persons = tuple(_person(table, number) for number, table in enumerate(tables, 1))
    by_name = {person.name: person for person in persons}
    if len(by_name) < len(persons):
        twice = next(person.name for person in persons if by_name[person.name] is not person)
        raise UserError(f"{path.name} has two persons {twice!r}: give each [[person]] a name of its own.")
    if doors is not None:
        _check_places(persons, set(doors), path)
    return Rules(persons, by_name=by_name, **times)


def _read(path: Path) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            mode = path.stat().st_mode
            data = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise UserError(f"There is no {path}; `lobbylock alerts template` writes one to begin with.") from None
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        raise UserError(f"{path} holds passwords and can be read by others: chmod 600 it.")
    if len(data) > _MAX_BYTES:
        raise UserError(f"{path} is too long to be a file of alerts.")
    try:
        return tomllib.loads(data.decode())
    except tomllib.TOMLDecodeError as error:
        # Its words may quote a character, but the place is enough.
        place = re.search(r"\(at [^()]*\)", str(error))
        raise UserError(f"{path} is not TOML{' ' + place.group() if place else ''}.") from None
    except (ValueError, RecursionError):
        raise UserError(f"{path} is not TOML.") from None


def _person(table: dict[str, Any], number: int) -> Person:
    name = table.get("name")
    if not isinstance(name, str):
        raise UserError(f'Person {number} has no name: write name = "..." in its [[person]].')
    name = check_person(name)
    where = f"Person {name!r}"
    _check_keys(table, "[[person]]", where)
    text = table.get("reader")
    if not isinstance(text, str):
        raise UserError(f'{where} has no reader: write reader = "manager", or "resident:NAME" for what they may know.')
    reader = parse_reader(text)
    parts = table.get("rule", [])
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise UserError(f"{where}: write each rule as a section [[person.rule]].")
    for part in parts:
        _check_keys(part, "[[person.rule]]", where)
    # What the person says of itself stands for each of its rules, and is a rule of its own if it names kinds.
    shared = {key: table[key] for key in _RULE if key in table}
    places = ("doors", "buildings")
    rules = []
    for part in parts:
        usual = {key: value for key, value in shared.items() if key not in places or not part.keys() & set(places)}
        rules.append(_rule({**usual, **part}, reader, where))
    if "kinds" in table or not parts:
        rules.append(_rule(shared, reader, where))
    urgent = _kinds(table["urgent"], where, "urgent") if "urgent" in table else frozenset(_URGENT)
    return Person(name, reader, _urls(table.get("urls"), where), tuple(rules), urgent)


def _rule(table: dict[str, Any], reader: Reader, where: str) -> Rule:
    kinds = _kinds(table.get("kinds"), where, "kinds")
    if reader.role in readers.PERSONS:
        untold = sorted(kinds.difference(_OF_PERSONS))
        if untold and table.get("kinds") != ["all"]:
            raise UserError(f"{where} is told as {reader.role}, who may know nothing of {', '.join(untold)}.")
        kinds = kinds.intersection(_OF_PERSONS)
    doors = frozenset("/".join(split_door(name)) for name in _texts(table, "doors", where))
    buildings = frozenset(check_building(name) for name in _texts(table, "buildings", where))
    if reader.role in readers.PERSONS and not doors and not buildings:
        # Somebody in another building may have the same name.
        raise UserError(f"{where} is told as {reader.role}: name their doors or buildings.")
    return Rule(kinds, doors, buildings, _quiet(table.get("quiet"), where), _digest(table.get("digest"), where))


def _kinds(value: object, where: str, name: str) -> frozenset[str]:
    if not isinstance(value, list) or not value or not all(isinstance(kind, str) for kind in value):
        raise UserError(f"{where}: {name} is not a list of kinds: {', '.join(KINDS)}, or {' or '.join(GROUPS)}.")
    kinds: set[str] = set()
    for kind in value:
        if kind not in KINDS and kind not in GROUPS:
            near = difflib.get_close_matches(kind, (*KINDS, *GROUPS), 1, 0.5)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(KINDS)}."
            raise UserError(f"{where}: {kind[:40]!r} of {name} is no kind of alert; {hint}")
        kinds.update(GROUPS.get(kind, (kind,)))
    return frozenset(kinds)


def _texts(table: dict[str, Any], name: str, where: str) -> list[str]:
    value = table.get(name, [])
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise UserError(f"{where}: {name} is not a list of texts.")
    if name in table and not value:
        raise UserError(f"{where}: {name} is empty; leave it out for all.")
    return value


def _urls(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= _MAX_URLS:
        raise UserError(f"{where}: urls is not a list of 1 to {_MAX_URLS} addresses, as mailto://... or ntfys://...")
    for number, url in enumerate(value, 1):
        if (
            not isinstance(url, str)
            or len(url) > _MAX_URL_CHARACTERS
            or not _SCHEME.match(url)
            or not url.isprintable()
        ):
            # Not repeated: a password may be in it.
            raise UserError(f"{where}: URL {number} is not an address as apprise writes them, as mailto://...")
    return tuple(value)


def scheme(url: str) -> str:
    """Returns the part of a URL that is no secret, "mailto"."""
    match = _SCHEME.match(url)
    return match.group(1).lower() if match else "unknown"


def _quiet(value: object, where: str) -> Span | None:
    if value is None:
        return None
    parts = [_TIME_OF_DAY.fullmatch(part) for part in value.split("-")] if isinstance(value, str) else []
    times = [_second_s(part) for part in parts if part]
    if len(parts) != 2 or len(times) != 2 or times[0] == times[1]:
        raise UserError(f'{where}: quiet is not two times of a day, as "22:00-07:00".')
    return Span(times[0], times[1])


def _digest(value: object, where: str) -> Digest | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else ""
    clock, every = _TIME_OF_DAY.fullmatch(text), _EVERY.fullmatch(text)
    if clock:
        return Digest(at_s=_second_s(clock))
    every_s = parse_duration(every.group(1)) if every else 0
    if not 60 <= every_s <= _DAY_S:
        raise UserError(f'{where}: digest is not a time of day, as "08:00", or "every 30m", a minute to a day.')
    return Digest(every_s=every_s)


def _second_s(clock: re.Match[str]) -> int:
    return int(clock.group(1)) * 3_600 + int(clock.group(2)) * 60


def _duration(whole: dict[str, Any], name: str, usual: str) -> int:
    value = whole.get(name, usual)
    if not isinstance(value, str):
        raise UserError(f'{name} is not a duration, as "{usual}".')
    try:
        return parse_duration(value)
    except UserError as error:
        raise UserError(f"{name}: {error}") from None


def _check_keys(table: dict[str, Any], section: str, where: str) -> None:
    known = _SECTIONS[section]
    for name in table:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1, 0.5)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}."
            raise UserError(f"{where}: {name[:40]!r} is not known{' in ' + section if section else ''}; {hint}")


def _check_places(persons: tuple[Person, ...], doors: set[str], path: Path) -> None:
    buildings = {door.partition("/")[0] for door in doors}
    for person in persons:
        for rule in person.rules:
            unknown = sorted(rule.doors - doors) + sorted(rule.buildings - buildings)
            if unknown:
                raise UserError(
                    f"{path.name}: person {person.name!r} names {unknown[0]}, and there is none; `door list`."
                )
