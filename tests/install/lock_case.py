"""The real firmware on the virtual board, its serial line as a port of the console's client, in virtual time."""

from lobbylock.console.line import Line, LineLost
from lobbylock.errors import UserError
from virtualboard import VirtualBoard


class BoardPort:
    """`board.line` as a port: waiting for a reply is what lets the board's time pass."""

    def __init__(self, board: VirtualBoard) -> None:
        self.name = "the virtual board"
        self._board = board
        self.written = 0
        self.is_gone = False
        self._last = 0

    def pull_at(self, message: int) -> None:
        """Pulls the cable instead of the `message`-th write from now on; 0 takes the order back."""
        self._last = self.written + message if message else 0

    def write(self, data: bytes) -> None:
        self.written += 1
        self.is_gone = self.is_gone or self.written == self._last
        if self.is_gone or not self._board.is_powered:
            raise LineLost("The line broke.")
        self._board.line.write(data)

    def open(self) -> Line:
        if self.is_gone or not self._board.is_powered:
            raise UserError(f"There is no port {self.name}.")
        self._board.line.read()
        return BoardLine(self, self._board)

    def now_ms(self) -> float:
        return self._board.now_ms

    def sleep_ms(self, duration_ms: float) -> None:
        self._board.run_for(duration_ms)


class BoardLine:
    def __init__(self, port: BoardPort, board: VirtualBoard) -> None:
        self._port = port
        self._board = board

    def write(self, data: bytes) -> None:
        self._port.write(data)

    def read_line(self, timeout_ms: float) -> str | None:
        if not self._board.is_powered:
            raise LineLost("The line broke.")
        return self._board.line.read_line(timeout_ms)

    def close(self) -> None:
        pass
