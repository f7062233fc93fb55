"""The real firmware on the virtual board, its serial line as a port of the console's client, in virtual time."""

from pathlib import Path

from lobbylock.console.line import Line, LineLost
from lobbylock.errors import UserError
from virtualboard import VirtualBoard


class BoardPort:
    """`board.line` as a port: waiting for a reply is what lets the board's time pass."""

    def __init__(self, board: VirtualBoard) -> None:
        self.name = "the virtual board"
        self._board = board
        # How many of its messages from now on the cable lets through; None for all.
        self.left: int | None = None
        self.is_gone = False

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
        if not self._board.is_powered:
            raise LineLost("The line broke.")
        if self._port.left == 0:
            self._port.is_gone = True
        if self._port.is_gone:
            raise LineLost("The line broke.")
        if self._port.left is not None:
            self._port.left -= 1
        self._board.line.write(data)

    def read_line(self, timeout_ms: float) -> str | None:
        if not self._board.is_powered:
            raise LineLost("The line broke.")
        return self._board.line.read_line(timeout_ms)

    def close(self) -> None:
        pass


def settings_files(board: VirtualBoard) -> dict[str, bytes]:
    """Returns what lies on the board's file system of settings."""
    return {path.name: path.read_bytes() for path in Path(board.vfs).iterdir() if path.is_file()}
