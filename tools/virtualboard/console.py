"""What the board prints, line by line, with the time of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from virtualboard.clock import Clock

# A board that prints without end must not eat the machine's memory.
_MOST_LINES = 100_000
_LONGEST_LINE = 65_536


class Console:
    """`lines` are complete ones without their end; `times_ms` has the time of each. `on_line` hears of new ones."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._partial = b""
        self.lines: list[str] = []
        self.times_ms: list[int] = []
        self.on_line: Callable[[str], None] | None = None

    def take(self, data: bytes) -> None:
        """Adds bytes that came from the board."""
        if not data:
            return
        *complete, self._partial = (self._partial + data).split(b"\n")
        if len(self._partial) > _LONGEST_LINE:
            complete.append(self._partial)
            self._partial = b""
        for line in complete:
            self._add(line.rstrip(b"\r").decode("utf-8", "backslashreplace"))

    def note(self, text: str) -> None:
        """Adds a line of the virtual board's own."""
        self._add(f"[virtual board] {text}")

    def _add(self, line: str) -> None:
        self.lines.append(line)
        self.times_ms.append(self._clock.now_us // 1000)
        if len(self.lines) > _MOST_LINES:
            del self.lines[: _MOST_LINES // 10]
            del self.times_ms[: _MOST_LINES // 10]
        if self.on_line:
            self.on_line(line)
