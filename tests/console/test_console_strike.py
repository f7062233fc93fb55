"""From the last key to the strike, counted in instructions, with a flood in an installer's open session and without."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from talker import Talker

from bench import delivery

# The stand-ins for a UART cost far more than one: a byte, a round trip to the process that plays the board.
_MOST = 1.5
_FLOODS = (b'{"id":1,"do":"installers"}\n', b"\xee" * 27, b"not a line\n")


def count(folder: Path, flood: bytes) -> int:
    out = folder / "callgrind.out"
    prefix = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--instr-atstart=no", "-q"]
    with delivery.lock(argv_prefix=prefix, stall_s=240.0) as board:
        talker = Talker(board)
        talker.claim()
        assert talker.open()["ok"]
        board.run_for(4_000)
        board.line.write(flood * 20_000)
        board.run_for(1_000)
        board.keypad.type(delivery.code(board))
        board.run_for(3_000)
        subprocess.run(["callgrind_control", "--instr=on", str(board.pid)], check=True, capture_output=True, timeout=60)
        board.keypad.type("#")
        assert board.run_until(lambda: board.strike.is_released, 10_000)
        assert board.pid is not None
        os.kill(board.pid, signal.SIGTERM)
        return delivery._total(out)


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_a_flood_costs_a_visitor_next_to_nothing(tmp_path):
    alone = count(tmp_path, b"")
    for flood in _FLOODS:
        counted = count(tmp_path, flood)
        print(f"{alone / 1e6:.1f} M alone, {counted / 1e6:.1f} M with {flood[:12]!r}")
        assert counted < _MOST * alone, flood
