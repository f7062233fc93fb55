"""What a service heard and has not told Home Assistant yet: written by several threads, read by one. Bounded."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from firmware.core.event import Event
from lobbylock.door import Door
from lobbylock.home_assistant_door import Late
from lobbylock.watchman import Noticed

# Of the events beyond that the oldest are forgotten, and only said to have been there.
MAX_EVENTS = 2_000


class Notes:
    """`wake` is called, in any thread, whenever there is something new.

    `type_of` returns the type under which an event is counted that there is no room for, None if it is not counted.
    """

    def __init__(self, wake: Callable[[], None], type_of: Callable[[Door, Event], str | None]) -> None:
        self._wake = wake
        self._type_of = type_of
        self._lock = threading.Lock()
        self._events: deque[tuple[Door, Event]] = deque()
        self._dropped: dict[str, Late] = {}
        self._touched: set[str] = set()
        self._all_touched = False
        self._statuses: dict[str, dict[str, Any]] = {}
        self._is_up = False
        self._findings: list[Noticed] = []

    def add_event(self, door: Door, found: Event) -> None:
        with self._lock:
            self._events.append((door, found))
            self._touched.add(door.name)
            if len(self._events) > MAX_EVENTS:
                self._drop(*self._events.popleft())
        self._wake()

    def _drop(self, door: Door, found: Event) -> None:
        late = self._dropped.setdefault(door.name, Late())
        kind = self._type_of(door, found)
        if kind is not None:
            late.take(kind, found.time_s)

    def touch(self, door: str | None = None) -> None:
        """Has a door looked at, or all of them."""
        with self._lock:
            if door is None:
                self._all_touched = True
            else:
                self._touched.add(door)
        self._wake()

    def set_status(self, door: str, status: Mapping[str, Any]) -> None:
        with self._lock:
            self._statuses[door] = dict(status)
        self.touch(door)

    def set_connection(self, is_up: bool) -> None:
        """Notes whether the locks' broker is there. Without it nobody knows which locks are."""
        with self._lock:
            is_news = is_up != self._is_up
            self._is_up = is_up
            if not is_up:
                # Each lock's status comes again with the broker.
                self._statuses = {door: {**said, "online": False} for door, said in self._statuses.items()}
        if is_news:
            self.touch()

    def set_findings(self, findings: Iterable[Noticed]) -> None:
        with self._lock:
            self._findings = list(findings)
        self.touch()

    # The reader's side.

    def take_event(self) -> tuple[Door, Event] | None:
        """Returns the oldest event that was not taken yet, None if there is none."""
        with self._lock:
            return self._events.popleft() if self._events else None

    def take_dropped(self) -> dict[str, Late]:
        """Returns how many events there was no room for, by door."""
        with self._lock:
            dropped, self._dropped = self._dropped, {}
        return dropped

    def take_touched(self) -> tuple[set[str], bool]:
        """Returns the doors where something changed, and whether it may have at all of them."""
        with self._lock:
            touched, self._touched = self._touched, set()
            is_all, self._all_touched = self._all_touched, False
        return touched, is_all

    def status(self, door: str) -> dict[str, Any] | None:
        """Returns what the lock said last, None if nothing since the start; "online" only while its broker is there."""
        with self._lock:
            return self._statuses.get(door)

    def is_online(self, door: str) -> bool:
        """Whether the lock is connected, as far as its broker says."""
        with self._lock:
            return self._is_up and self._statuses.get(door, {}).get("online") is True

    @property
    def findings(self) -> list[Noticed]:
        with self._lock:
            return self._findings
