"""The serial line as a pseudo-terminal: the real mpremote and pyserial at its other end."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
import serial

MPREMOTE = Path(sys.executable).with_name("mpremote")
# As long as a busy machine may take for what an idle one does at once.
LIMIT_S = 60
ECHO = """
    import micropython, sys
    micropython.kbd_intr(-1)
    while True:
        print("heard", sys.stdin.buffer.readline())
    """


@pytest.fixture
def plug(make_board):
    def make(main: str, **options):
        board = make_board(main, pace="real", **options)
        path = board.open_pty()
        board.line.baud = 2_000_000
        return board, path

    return make


def remote(path: str, *words: str) -> str:
    command = [str(MPREMOTE), "connect", path, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_mpremote_executes_copies_and_resets(plug, tmp_path):
    board, path = plug("print('main runs'); kept = 6 * 7")
    assert board.run_until(lambda: board.at_repl, LIMIT_S * 1_000)
    assert remote(path, "resume", "eval", "kept").strip() == "42"
    file = tmp_path / "file.bin"
    file.write_bytes(bytes(range(256)) * 8)
    remote(path, "resume", "fs", "cp", str(file), ":copy.bin", "+", "fs", "cp", ":copy.bin", str(tmp_path / "back"))
    assert (board.vfs / "copy.bin").read_bytes() == (tmp_path / "back").read_bytes() == file.read_bytes()
    # Without `resume` it starts with a soft reset, behind which there is no main.py.
    assert "kept" not in remote(path, "eval", "sorted(globals())")
    assert board.reset_causes == [1, 5]
    remote(path, "reset")
    assert board.run_until(lambda: board.reset_causes[-1] == 2, LIMIT_S * 1_000)
    assert board.run_until(lambda: board.at_repl, LIMIT_S * 1_000) and board.console[-1] == "main runs"


def test_mpremote_comes_to_no_prompt_while_the_firmware_runs(plug):
    board, path = plug(ECHO)
    command = [str(MPREMOTE), "connect", path, "resume", "eval", "1"]
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run(command, capture_output=True, timeout=3)
    assert not board.at_repl
    with serial.serial_for_url(path, timeout=LIMIT_S) as port:
        port.write(b"\n\x04line\n")
        assert port.read_until(b"line\\n'\r\n").endswith(b"heard b'\\x04line\\n'\r\n")


def test_the_terminal_stays_when_programs_come_and_go_and_ends_with_the_cable(plug):
    board, path = plug(ECHO)
    for word in (b"one", b"two"):
        with serial.serial_for_url(path, timeout=LIMIT_S) as port:
            port.write(word + b"\n")
            assert word + b"\\n'\r\n" in port.read_until(word + b"\\n'\r\n")
    board.close_pty()
    with pytest.raises(serial.SerialException):
        serial.serial_for_url(path).close()
    # The next cable.
    with serial.serial_for_url(board.open_pty(), timeout=LIMIT_S) as port:
        port.write(b"three\n")
        assert b"three\\n'\r\n" in port.read_until(b"three\\n'\r\n")


def test_a_flood_in_both_directions_stops_nothing(plug):
    board, path = plug(ECHO)
    with serial.serial_for_url(path, timeout=LIMIT_S, write_timeout=LIMIT_S) as port:
        port.write((b"x" * 60 + b"\n") * 1_500)
    # Nobody reads; the board goes on all the same.
    assert board.run_until(lambda: len(board.console) > 10 and not board.line.unsent, 100_000)
    with serial.serial_for_url(path, timeout=0.2) as port:
        end = time.monotonic() + 60
        said = b""
        while b"last\\n" not in said and time.monotonic() < end:
            port.write(b"\nlast\n")
            said += port.read(200)
        assert b"last\\n" in said
