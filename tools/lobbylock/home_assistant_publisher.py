"""What is published for Home Assistant, and when: each door's device, its states, its events. One step at a time.

States are told once they differ from what the broker holds. What happened within the last two minutes is told in
order, the strike and the door with it; of what comes later only how things stand in the end, and one message that says
how many events there were.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from firmware.core.event import Event
from lobbylock import home_assistant_device as device
from lobbylock import logs
from lobbylock.door import Door
from lobbylock.home_assistant_door import Late, Standing, event_message, is_recent, told_type
from lobbylock.home_assistant_link import Outbox
from lobbylock.home_assistant_notes import Notes
from lobbylock.home_assistant_store import Sight, Sights
from lobbylock.readers import Reader

# Looks at one door come no faster, whatever happens there.
_BETWEEN_S = 0.25
# Alarms that somebody put aside, and pictures that were deleted, are found by looking.
_LOOK_S = 30.0
_DOORS_S = 1.0
# A record that is being written anew is not there for a moment.
_GONE_AFTER_S = 5.0
# Late events are told together once no more of them have come for a while, or after the longer time.
_LATE_QUIET_S = 2.0
_LATE_LONGEST_S = 30.0


@dataclass(frozen=True)
class Showing:
    """What an operator chooses: `page` is the address of the page, `shows_all` adds what only managers may read."""

    page: str | None = None
    shows_all: bool = False


@dataclass
class _Device:
    """A door that is shown; times are of the monotonic clock. `said` is the last status that the store has."""

    door: Door
    standing: Standing | None = None
    said: dict[str, Any] = field(default_factory=dict)
    sight: Sight | None = None
    looked_s: float = 0.0
    is_dirty: bool = True
    late: Late = field(default_factory=Late)
    # When the first and the last of the late events came that are still being gathered.
    late_first_s: float | None = None
    late_last_s: float = 0.0
    gone_s: float | None = None

    def note_late(self, at_s: float) -> None:
        """Notes that a late event came, whether it is to be told or not."""
        self.late_first_s = at_s if self.late_first_s is None else self.late_first_s
        self.late_last_s = at_s

    def is_gathering(self, at_s: float) -> bool:
        """Whether more late events may follow, so that how the door stands by them is not how it stands."""
        if self.late_first_s is None:
            return False
        return at_s - self.late_last_s < _LATE_QUIET_S and at_s - self.late_first_s < _LATE_LONGEST_S


class Publisher:
    """Publishes the doors that `doors` returns by name, as `reader` may read of them. `now_s` gives Unix time.

    Steps raise StoreFailed when the store fails and aiomqtt.MqttError when the broker does; the next one goes on.
    """

    def __init__(
        self,
        names: device.Names,
        doors: Callable[[], dict[str, Door]],
        sights: Sights,
        notes: Notes,
        reader: Reader,
        showing: Showing,
        now_s: Callable[[], float],
    ) -> None:
        self._names = names
        self._doors = doors
        self._sights = sights
        self._notes = notes
        self._reader = reader
        self._showing = showing
        self._now_s = now_s
        self._log = logs.get("home_assistant")
        self._devices: dict[str, _Device] = {}
        self._read_s: float | None = None

    @property
    def door_names(self) -> list[str]:
        """The doors that are shown."""
        return list(self._devices)

    async def step(self, outbox: Outbox, at_s: float) -> None:
        """Publishes what there is to be published at `at_s` of the monotonic clock."""
        await self.read_doors(at_s)
        await self._remove_gone(outbox, at_s)
        self._count_dropped(at_s)
        await self._load()
        await self._tell_events(outbox, at_s)
        touched, is_all = self._notes.take_touched()
        for name, found in list(self._devices.items()):
            found.is_dirty |= is_all or name in touched
            await outbox.put_config(name, self._config(found))
            await self._tell_states(outbox, found, at_s)
            if not found.is_gathering(at_s):
                late, found.late, found.late_first_s = found.late, Late(), None
                if late.count:
                    await outbox.send(self._names.topic(name, device.EVENT), device.encode(late.message()))

    async def read_doors(self, at_s: float) -> None:
        """Looks which doors there are. Those without a board have nothing to tell."""
        if self._read_s is not None and at_s - self._read_s < _DOORS_S:
            return
        self._read_s = at_s
        doors = {name: door for name, door in (await asyncio.to_thread(self._doors)).items() if door.public_key}
        for name, door in doors.items():
            known = self._devices.get(name)
            if known is None or (known.door.public_key, known.door.options) != (door.public_key, door.options):
                self._devices[name] = _Device(door)
            else:
                known.door, known.gone_s = door, None
        for name in self._devices.keys() - doors.keys():
            found = self._devices[name]
            found.gone_s = at_s if found.gone_s is None else found.gone_s

    async def _remove_gone(self, outbox: Outbox, at_s: float) -> None:
        for name, found in list(self._devices.items()):
            if found.gone_s is not None and at_s - found.gone_s >= _GONE_AFTER_S:
                await outbox.remove(name)
                del self._devices[name]
                self._log.info("door removed", door=name)

    def _count_dropped(self, at_s: float) -> None:
        for name, late in self._notes.take_dropped().items():
            found = self._devices.get(name)
            if found is None:
                continue
            # How the door stands may have been said by one of them, so the store is asked.
            found.standing = None
            found.note_late(at_s)
            found.late.add(late)

    async def _load(self) -> None:
        for name, found in self._devices.items():
            if found.standing is None:
                found.standing = await asyncio.to_thread(self._sights.standing, found.door)
                found.said = await asyncio.to_thread(self._sights.status, name)

    def _config(self, found: _Device) -> dict[str, Any]:
        version = found.standing.version if found.standing is not None else None
        showing = self._showing
        return device.discovery(
            found.door, self._names, version=version, page=showing.page, shows_all=showing.shows_all
        )

    async def _tell_events(self, outbox: Outbox, at_s: float) -> None:
        while (noted := self._notes.take_event()) is not None:
            door, each = noted
            found = self._devices.get(door.name)
            if found is None or found.standing is None or found.door.public_key != door.public_key:
                continue
            now_s = self._now_s()
            found.standing.take(each, now_s)
            if not is_recent(each, now_s):
                self._add_late(found, door, each, at_s)
                continue
            await self._tell_standing(outbox, found)
            message = event_message(self._reader, door, each)
            if message is not None:
                await outbox.send(self._names.topic(door.name, device.EVENT), device.encode(message))

    def _add_late(self, found: _Device, door: Door, each: Event, at_s: float) -> None:
        found.note_late(at_s)
        kind = told_type(self._reader, door, each)
        if kind is not None:
            found.late.take(kind, each.time_s)

    async def _tell_standing(self, outbox: Outbox, found: _Device) -> None:
        """Tells the strike and the door."""
        if found.standing is None:
            return
        name = found.door.name
        await outbox.put(self._names.topic(name, device.STRIKE), found.standing.strike(self._now_s()).encode())
        gap_seq = found.sight.last_gap_seq if found.sight is not None else 0
        # Without a contact there is nothing to say, and what was said before goes.
        contact = found.standing.contact(gap_seq) if found.door.options.has_contact else ""
        await outbox.put(self._names.topic(name, device.CONTACT), contact.encode())

    async def _tell_states(self, outbox: Outbox, found: _Device, at_s: float) -> None:
        name = found.door.name
        is_due = at_s - found.looked_s >= (_BETWEEN_S if found.is_dirty else _LOOK_S)
        if found.sight is None or is_due:
            found.is_dirty, found.looked_s = False, at_s
            try:
                found.sight = await asyncio.to_thread(self._sights.look, found.door, self._notes.findings)
            except BaseException:
                found.is_dirty = True
                raise
        sight = found.sight
        said = self._notes.status(name) or found.said
        pending = said.get("pending")
        states = {
            device.TAMPER: device.ON if sight.has_tamper else device.OFF,
            device.PROBLEM: found.standing.problem() if found.standing is not None else device.UNKNOWN,
            device.QUEUE: str(pending) if type(pending) is int else device.UNKNOWN,
            device.CONNECTIVITY: device.ONLINE if self._notes.is_online(name) else device.OFFLINE,
            device.LAST_DELIVERY: sight.delivery[0] if sight.delivery is not None else device.UNKNOWN,
        }
        attributes = sight.delivery[1] if sight.delivery is not None else {}
        if not found.is_gathering(at_s):
            await self._tell_standing(outbox, found)
        await outbox.put(self._names.topic(name, device.ATTRIBUTES), device.encode(attributes))
        for what, payload in states.items():
            await outbox.put(self._names.topic(name, what), payload.encode())
        await self._tell_picture(outbox, found, sight)

    async def _tell_picture(self, outbox: Outbox, found: _Device, sight: Sight) -> None:
        topic = self._names.topic(found.door.name, device.IMAGE)
        picture = sight.picture if found.door.options.camera != "off" else None
        if picture is None or picture.sha256 is None:
            # Deleted here, it is not to stay with the broker.
            await outbox.put(topic, b"")
        elif not outbox.holds(topic, picture.sha256):
            data = await asyncio.to_thread(self._sights.picture, picture)
            if data is not None:
                await outbox.put(topic, data)
