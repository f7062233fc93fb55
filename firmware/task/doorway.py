"""Runs the door: contact, exit button and the passing of time go into `core.door`, its events into the trail."""

from bell import Bell
from micropython import const

from firmware.core import event
from firmware.core.errors import FlashError, StrikeError

# A level has to stand this long; a contact bounces for some ms, and a spike on a long wire is shorter still.
_DEBOUNCE_MS = const(40)

# Inputs report changes by interrupt. One that was missed is noticed this much later.
_RECHECK_MS = const(2_000)

# So often the clock is looked at all the same: a task that is not resumed for long counts as stuck.
_LONGEST_MS = const(20_000)


class Doorway:
    """`contact` and `exit_button` are inputs; `contact` is None where none is fitted."""

    def __init__(self, door, contact, exit_button, trail, attention, uptime) -> None:
        self.door = door
        self.contact = contact
        self._exit_button = exit_button
        self._trail = trail
        self._attention = attention
        self._uptime = uptime
        self._due = Bell()

    def release(self, access_seq, cause: int = event.BY_ACCESS) -> None:
        """Opens for somebody who was let in, or for a test. Raises StrikeError."""
        self._record(self.door.release(cause, access_seq, self._uptime.now_ms()))
        self._due.ring()

    async def run(self) -> None:
        """Notes the end of the pulse and a door held open, each at its time."""
        while True:
            now_ms = self._uptime.now_ms()
            self._record(self.door.tick(now_ms))
            next_ms = self.door.next_ms()
            wait_ms = _LONGEST_MS if next_ms is None else max(1, next_ms - self._uptime.now_ms())
            await self._due.wait(min(wait_ms, _LONGEST_MS))

    async def watch_contact(self) -> None:
        is_open = await self._settled(self.contact)
        self._record(self.door.start(is_open, self._uptime.now_ms()))
        self._due.ring()
        while True:
            await self._changed(self.contact, is_open)
            is_now_open = await self._settled(self.contact)
            if is_now_open == is_open:
                continue
            is_open = is_now_open
            now_ms = self._uptime.now_ms()
            self._attention.touch(now_ms)
            self._record(self.door.contact(is_open, now_ms))
            self._due.ring()

    async def watch_exit(self) -> None:
        # A button found pressed at power-on is a stuck button or a floating wire until it has been seen released.
        is_pressed = await self._settled(self._exit_button)
        while True:
            was_pressed = is_pressed
            has_edge = await self._changed(self._exit_button, was_pressed)
            # While the interpreter was held somebody may have pressed and let go: the edge is what is left of it.
            is_past = has_edge and self._attention.blindness
            is_pressed = await self._settled(self._exit_button)
            if (is_pressed or is_past) and not was_pressed:
                self._exit()

    def _exit(self) -> None:
        now_ms = self._uptime.now_ms()
        self._attention.touch(now_ms)
        # People must get out even when nothing can be written down: the strike first.
        try:
            happened = self.door.release(event.BY_EXIT, None, now_ms)
        except StrikeError:
            happened = [(event.STRIKE_FAILED, {event.REASON: event.STRIKE})]
        self._record([(event.EXIT_REQUESTED, {})] + happened)
        self._due.ring()

    async def _changed(self, source, before: bool) -> bool:
        """Returns whether there was an edge; without one the level is another one than `before`."""
        while True:
            if await source.changed(_RECHECK_MS):
                return True
            if source.is_active() != before:
                return False

    async def _settled(self, source) -> bool:
        """Returns the level once it has stood still for the debounce time."""
        level = source.is_active()
        while True:
            if not await source.changed(_DEBOUNCE_MS) and source.is_active() == level:
                return level
            level = source.is_active()

    def _record(self, happened: list) -> None:
        # Without a working flash the door itself still has to work.
        try:
            self._trail.record_all(happened)
        except FlashError:
            pass
