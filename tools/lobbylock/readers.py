"""Who may read what of a door's record: docs/operations.md, "Who may read what".

A view is made of the verified record and decides nothing: it leaves out events, and takes fields out of others.
Residents see who delivers, whom they let in themselves and their own comings; nothing that is about another resident.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from firmware.core import event
from firmware.core.credential import DRIVER, RESIDENT, STAFF, VISITOR
from lobbylock.door import Door
from lobbylock.errors import UserError
from lobbylock.eventline import person_name
from lobbylock.story import Story, stories

# How much of an access is shown.
NOTHING = 0
BARE = 1
WHO = 2
PICTURED = 3
ALL = 4

# Whose an access is, seen by a reader.
OWN = "own"
OWN_VISITOR = "own visitor"
DELIVERY = "driver"
OTHER_RESIDENT = "resident"
OTHER_STAFF = "staff"
OTHER_VISITOR = "visitor"
NOBODY = "nobody known"
WHOSE = (OWN, OWN_VISITOR, DELIVERY, OTHER_RESIDENT, OTHER_STAFF, OTHER_VISITOR, NOBODY)

_SHOWN = {
    "driver": (ALL, ALL, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING),
    "resident": (ALL, ALL, PICTURED, NOTHING, NOTHING, NOTHING, NOTHING),
    "staff": (ALL, ALL, WHO, NOTHING, NOTHING, NOTHING, NOTHING),
    "installer": (BARE,) * 7,
    "manager": (ALL,) * 7,
    "owner": (ALL,) * 7,
}
# What an access is to each reader, by whose it is.
TABLE: dict[str, dict[str, int]] = {role: dict(zip(WHOSE, levels, strict=True)) for role, levels in _SHOWN.items()}
# Only one of several, so they say which one.
PERSONS = {"driver": DRIVER, "resident": RESIDENT, "staff": STAFF}

_FIELDS = {
    BARE: frozenset((event.REASON, event.VIA)),
    WHO: frozenset((event.REASON, event.VIA, event.SLOT, event.SUBJECT, event.ROLE)),
    PICTURED: frozenset((event.REASON, event.VIA, event.SLOT, event.SUBJECT, event.ROLE, event.PICTURE_NUMBER)),
}
_WHOSE_BY_ROLE = {DRIVER: DELIVERY, RESIDENT: OTHER_RESIDENT, STAFF: OTHER_STAFF, VISITOR: OTHER_VISITOR}
# What everybody may know who lives or works there.
_FOR_ALL = (event.DOOR_FORCED,)


@dataclass
class Reader:
    """Somebody in `role`, one of TABLE; `name` says who, for the roles in PERSONS. `learn` comes before `select`."""

    role: str
    name: str | None = None
    _ids: set[tuple[bytes, bytes]] = field(default_factory=set)

    @property
    def ids(self) -> frozenset[tuple[bytes, bytes]]:
        """What was learned: (kid, id) of each credential."""
        return frozenset(self._ids)

    def learn(self, door: Door, events: Iterable[event.Event]) -> None:
        """Notes the ids of the reader's own credentials, by which their visitors are known."""
        for found in events:
            kid, number = found.details.get(event.KID), found.details.get(event.CREDENTIAL_ID)
            if self._is_own(door, found) and isinstance(kid, bytes) and isinstance(number, bytes):
                self.learn_id(kid, number)

    def learn_id(self, kid: bytes, credential_id: bytes) -> None:
        """Notes one, from a credential that the reader has shown to hold."""
        self._ids.add((kid, credential_id))

    def select(self, door: Door, events: Iterable[event.Event]) -> list[event.Event]:
        """Returns what of one board's `events` the reader may see, with the fields they may see."""
        taken = list(events)
        levels = {found.seq: self.level(door, found) for found in taken if found.kind == event.ACCESS}
        pictures = {_picture(found) for found in taken if levels.get(found.seq, NOTHING) >= PICTURED}
        shown = []
        for found in taken:
            if found.kind == event.ACCESS:
                shown += self._strip(found, levels[found.seq])
            elif self._sees(found, levels, pictures):
                shown.append(found)
        return shown

    def tell(self, door: Door, events: Iterable[event.Event]) -> list[Story]:
        """Returns the stories of one board's `events` that the reader may see. Those know what other people did to the
        door, which is why they are not made of what `select` returns."""
        told = stories(door, events)
        accesses = {story.access.seq: story.access for story in told}
        return [shown for story in told if (shown := self.show(door, story, accesses.get(story.shared_with or 0)))]

    def show(self, door: Door, story: Story, opener: event.Event | None) -> Story | None:
        """Returns what of a story the reader may see, None if nothing. `opener` is the access that the door was opened
        for, where that was another one."""
        level = self.level(door, story.access)
        if level == NOTHING:
            return None
        is_opener_seen = opener is not None and self.level(door, opener) > NOTHING
        return replace(
            story,
            access=self._strip(story.access, level)[0],
            who=None if level == BARE else story.who,
            shared_with=story.shared_with if is_opener_seen else None,
            picture_sha256=story.picture_sha256 if level >= PICTURED else None,
        )

    def show_event(self, door: Door, found: event.Event, access: event.Event | None) -> event.Event | None:
        """Returns what of one event the reader may see, None if nothing. `access` is the one that it is about, if that
        is known: the one whose number it gives, or whose picture it announces."""
        if min(TABLE[self.role].values()) == ALL:
            return found
        levels = {} if access is None else {access.seq: self.level(door, access)}
        if found.kind == event.ACCESS:
            stripped = self._strip(found, self.level(door, found))
            return stripped[0] if stripped else None
        pictures = {_picture(access)} if access and levels[access.seq] >= PICTURED else set()
        return found if self._sees(found, levels, pictures) else None

    def level(self, door: Door, found: event.Event) -> int:
        """Returns how much of an access event the reader sees."""
        return TABLE[self.role][self.whose(door, found)]

    def whose(self, door: Door, found: event.Event) -> str:
        """Returns whose an access event is, one of WHOSE."""
        if self._is_own(door, found):
            return OWN
        role = _role(found)
        parent = (found.details.get(event.KID), found.details.get(event.PARENT_ID))
        if role == VISITOR and parent in self._ids:
            return OWN_VISITOR
        return NOBODY if role is None else _WHOSE_BY_ROLE.get(role, NOBODY)

    def _is_own(self, door: Door, found: event.Event) -> bool:
        if found.kind != event.ACCESS or self.role not in PERSONS or _role(found) != PERSONS[self.role]:
            return False
        return person_name(door, found) == self.name

    def _strip(self, found: event.Event, level: int) -> list[event.Event]:
        if level == NOTHING:
            return []
        if level == ALL:
            return [found]
        details = {key: value for key, value in found.details.items() if key in _FIELDS[level]}
        return [event.Event(found.seq, found.kind, found.boot, found.uptime_ms, found.time_s, details)]

    def _sees(self, found: event.Event, levels: dict[int, int], pictures: set[int | None]) -> bool:
        if found.kind == event.PICTURE:
            return _picture(found) in pictures
        if self.role not in PERSONS or found.kind in _FOR_ALL:
            return True
        seq = found.details.get(event.ACCESS_SEQ)
        return isinstance(seq, int) and levels.get(seq, NOTHING) > NOTHING


def parse_reader(text: str) -> Reader:
    """Returns the reader that "manager" or "resident:Anna" means. Raises UserError."""
    role, colon, name = text.partition(":")
    if role not in TABLE:
        raise UserError(f"A reader is one of {', '.join(TABLE)}.")
    if (role in PERSONS) != bool(name.strip()) or bool(colon) != (role in PERSONS):
        raise UserError(f"Of {', '.join(PERSONS)} say which one, as in resident:Anna; of the others no name.")
    return Reader(role, name.strip() or None)


def _role(found: event.Event) -> int | None:
    """Returns the role that an access event tells, also where a code says it by its class alone."""
    role = found.details.get(event.ROLE)
    if isinstance(role, int):
        return role
    return DRIVER if event.SLOT in found.details else None


def _picture(found: event.Event) -> int | None:
    number = found.details.get(event.PICTURE_NUMBER)
    return number if isinstance(number, int) else None
