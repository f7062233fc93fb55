"""The serial line of a virtual board as a port of the console's client; waiting lets the board's time pass."""

from lobbylock.console.line import Line
from virtualboard import VirtualBoard


class LockPort:
    """A port, and the line that it opens."""

    name = "the virtual board"

    def __init__(self, board: VirtualBoard) -> None:
        self._board = board

    def open(self) -> Line:
        self._board.line.read()
        return self

    def now_ms(self) -> float:
        return self._board.now_ms

    def sleep_ms(self, duration_ms: float) -> None:
        self._board.run_for(duration_ms)

    def write(self, data: bytes) -> None:
        self._board.line.write(data)

    def read_line(self, timeout_ms: float) -> str | None:
        return self._board.line.read_line(timeout_ms)

    def close(self) -> None:
        pass
