"""Small board programs: `make_board` writes one as main.py into a folder of its own and wires a virtual board to it."""

import textwrap

import pytest

from virtualboard import VirtualBoard


@pytest.fixture
def make_board(tmp_path):
    made = []

    def make(main: str, boot: str = "", is_on: bool = True, **options) -> VirtualBoard:
        root = tmp_path / f"root{len(made)}"
        root.mkdir()
        (root / "boot.py").write_text(textwrap.dedent(boot))
        (root / "main.py").write_text(textwrap.dedent(main))
        board = VirtualBoard(tmp_path / f"state{len(made)}", root=root, **options)
        made.append(board)
        if is_on:
            board.power_on()
        return board

    yield make
    for board in made:
        board.close()


@pytest.fixture
def run(make_board):
    """Runs a program to its end and returns the lines it printed."""

    def run_program(main: str, limit_ms: float = 60_000, **options) -> list[str]:
        board = make_board(main, **options)
        assert board.run_until(lambda: board.at_repl, limit_ms), board.console
        return board.console

    return run_program
