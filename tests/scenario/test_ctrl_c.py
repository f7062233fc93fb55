"""Whoever holds Ctrl-C while the power comes gets the lock, and no prompt."""

import pytest

from virtualboard import VirtualBoard


@pytest.mark.parametrize("begin_us", [0, 2_000])
def test_ctrl_c_while_the_board_starts_gives_no_prompt(tmp_path, begin_us):
    with VirtualBoard(tmp_path, use_mpy=True, begin_us=begin_us) as board:
        board.line.write(b"\x03" * 200)
        board.power_on()
        for _ in range(100):
            board.line.write(b"\x03\x01\x02\x04" * 5)
            board.run_for(20)
        board.run_for(2_000)
        assert not board.at_repl
        assert board.reset_causes == [1]
        assert board.console[0].startswith('{"lobbylock": ') and "Traceback" not in "".join(board.console)
