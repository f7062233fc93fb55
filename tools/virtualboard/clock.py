"""Board time, and what is going to happen at which moment of it."""

import heapq
import time
from collections.abc import Callable

FOREVER_US = 1 << 60


class Event:
    """One thing that will happen. `cancel` it as often as you like."""

    __slots__ = ("action", "at_us")

    def __init__(self, at_us: int, action: Callable[[], object]) -> None:
        self.at_us = at_us
        self.action: Callable[[], object] | None = action

    def cancel(self) -> None:
        self.action = None


class Clock:
    """Microseconds since the board was made. They stand still at the fast pace, until somebody moves them."""

    def __init__(self) -> None:
        self._now_us = 0
        self.offset_us = 0
        self.is_fast = True
        self._heap: list[tuple[int, int, Event]] = []
        self._count = 0

    @property
    def now_us(self) -> int:
        # While an event happens it is the event's time, at the real pace as well.
        if self.is_fast or self._now_us:
            return self._now_us
        return self._real_us()

    def _real_us(self) -> int:
        return time.monotonic_ns() // 1000 + self.offset_us

    def move_to(self, at_us: int) -> None:
        """Moves the time of the fast pace; never backward."""
        if self.is_fast and at_us > self._now_us:
            self._now_us = at_us

    def set_fast(self, is_fast: bool) -> None:
        now_us = self.now_us
        self.is_fast = is_fast
        self.offset_us = now_us - time.monotonic_ns() // 1000
        self._now_us = now_us if is_fast else 0

    def at(self, at_us: int, action: Callable[[], object]) -> Event:
        """Lets `action` happen at `at_us`; a moment that has passed is now. Events of one moment keep their order."""
        event = Event(max(at_us, self.now_us), action)
        self._count += 1
        heapq.heappush(self._heap, (event.at_us, self._count, event))
        return event

    def after(self, delay_us: int, action: Callable[[], object]) -> Event:
        return self.at(self.now_us + int(delay_us), action)

    @property
    def next_us(self) -> int:
        """When the next event is due."""
        heap = self._heap
        while heap and heap[0][2].action is None:
            heapq.heappop(heap)
        return heap[0][0] if heap else FOREVER_US

    def run_due(self, until_us: int) -> None:
        """Lets everything happen that is due up to `until_us`, each at its own time."""
        while self.next_us <= until_us:
            _, _, event = heapq.heappop(self._heap)
            if self.is_fast:
                self.move_to(event.at_us)
            else:
                self._now_us = event.at_us
            action, event.action = event.action, None
            try:
                if action:
                    action()
            finally:
                if not self.is_fast:
                    self._now_us = 0
